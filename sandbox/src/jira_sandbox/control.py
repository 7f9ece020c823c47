"""The sandbox's own calls, under /sandbox: what tests, and the control page, steer it with."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import JSONResponse, PlainTextResponse

from jira_sandbox.atlassian import ManifestError, Platform, page_of
from jira_sandbox.state import App, Faults, Issue, Project, Webhook, World, new_id

Json = dict[str, Any]
_CHANGEABLE = {"summary", "type", "status", "assignee", "description"}


def router(world: World, platform: Platform) -> APIRouter:
    """All control calls."""
    api = APIRouter(prefix="/sandbox")
    _records(api, world)
    _history(api, world)
    _switches(api, world, platform)
    _issues(api, world, platform)
    _fates_of_issues(api, world, platform)
    _projects(api, world, platform)
    _webhooks(api, world, platform)
    _apps(api, world, platform)
    _calls_of_apps(api, world, platform)
    return api


def _records(api: APIRouter, world: World) -> None:
    @api.get("/healthz")
    def healthz() -> Json:
        return {"status": "ok", "cloudId": world.cloud_id}

    @api.get("/flags")
    def flags() -> Json:
        return world.all_flags()

    @api.delete("/flags/{flag_id}")
    def lose(flag_id: str) -> Json:
        """Lose a flag, as if it had never been stored."""
        with world.lock:
            for key in [key for key in world.flags if key[1] == flag_id]:
                del world.flags[key]
        return {}

    @api.patch("/flags/{flag_id}")
    def spoil(flag_id: str, changed: Json) -> Json:
        """Hold something else of a flag than what was sent."""
        with world.lock:
            for key, flag in world.flags.items():
                if key[1] == flag_id:
                    flag.data = {**flag.data, **changed}
        return {}

    @api.post("/flags/deletes")
    def finish_deletes() -> Json:
        """Do at once every delete that waits for `delete_delay_ms`."""
        world.finish_deletes()
        return {}


def _history(api: APIRouter, world: World) -> None:
    @api.get("/history/{flag_id}")
    def history(flag_id: str) -> list[int]:
        return world.history.get(flag_id, [])

    @api.get("/tokens")
    def tokens() -> list[str]:
        """The bearer tokens that work now, so that a bare client can be compared with an app."""
        now = world.clock()
        return [token for token, (_, expires) in world.tokens.items() if expires > now]

    @api.get("/breaches")
    def breaches() -> list[Json]:
        return list(world.breaches)

    @api.get("/requests")
    def requests(path: str = "", since: float = 0) -> list[Json]:
        return [one for one in list(world.requests) if path in one["path"] and one["at"] >= since]

    @api.delete("/requests")
    def clear() -> Json:
        world.requests.clear()
        world.breaches.clear()
        return {"status": "ok"}


def _switches(api: APIRouter, world: World, platform: Platform) -> None:
    @api.get("/faults")
    def get_faults() -> Json:
        return asdict(world.faults)

    @api.put("/faults")
    def put_faults(body: Json) -> Json:
        return _set(world.set_faults, body)

    @api.delete("/faults")
    def no_faults() -> Json:
        return world.set_faults(asdict(Faults()))

    @api.get("/settings")
    def get_settings() -> Json:
        return asdict(world.settings)

    @api.put("/settings")
    def put_settings(body: Json) -> Json:
        return _set(world.set_settings, body)

    @api.post("/keys/rotate")
    def rotate() -> Json:
        platform.rotate_keys()
        return platform.jwks()

    @api.post("/reset")
    def reset() -> Json:
        world.reset()
        return {"status": "ok"}


def _set(change: Any, body: Json) -> Json:
    try:
        done: Json = change(body)
    except (TypeError, ValueError) as error:
        raise HTTPException(400, f"There is no such switch: {error}") from None
    return done


@contextmanager
def _conflicts() -> Iterator[None]:
    """A key that is taken is answered 409."""
    try:
        yield
    except ValueError as error:
        raise HTTPException(409, str(error)) from None


def _given(body: Json, name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise HTTPException(400, f"Give a {name}")
    return value


def _issue(world: World, key: str) -> Issue:
    issue = world.find_issue(key)
    if issue is None:
        raise HTTPException(404, f"There is no issue {key}")
    return issue


def _issues(api: APIRouter, world: World, platform: Platform) -> None:
    @api.get("/issues")
    def list_issues() -> list[Json]:
        return [asdict(issue) for issue in world.issues.values()]

    @api.post("/issues", status_code=201)
    def add(body: Json) -> Json:
        key = body.pop("key", None)
        project = body.pop("project", None) or str(key or "").rpartition("-")[0]
        unknown = set(body) - _CHANGEABLE
        if not project or unknown:
            raise HTTPException(400, f"Give a project or a key, and only {', '.join(sorted(_CHANGEABLE))}")
        with _conflicts():
            issue = world.add_issue(project, key=key, **{"summary": key or "An issue", **body})
        platform.issue_event("created", issue)
        return asdict(issue)

    @api.get("/issues/{key}")
    def get(key: str) -> Json:
        return asdict(_issue(world, key))

    @api.patch("/issues/{key}")
    def change(key: str, body: Json) -> Json:
        issue = _issue(world, key)
        for name in set(body) & _CHANGEABLE:
            setattr(issue, name, body[name])
        platform.issue_event("updated", issue)
        return asdict(issue)

    @api.delete("/issues/{key}")
    def delete(key: str) -> Json:
        issue = _issue(world, key)
        world.delete_issue(issue)
        platform.issue_event("deleted", issue)
        return asdict(issue)


def _fates_of_issues(api: APIRouter, world: World, platform: Platform) -> None:
    @api.post("/issues/{key}/move")
    def move(key: str, body: Json) -> Json:
        issue = _issue(world, key)
        before = world.project_of(issue)
        world.move_issue(issue, _given(body, "project"))
        changelog = _move(issue, before, world.project_of(issue))
        platform.issue_event("updated", issue, jiraEventTypeName="issue_moved", changelog=changelog)
        return asdict(issue)

    @api.post("/issues/{key}/restore")
    def restore(key: str) -> Json:
        with _conflicts():
            issue = world.restore_issue(key)
        if issue is None:
            raise HTTPException(404, f"There is no deleted issue {key}")
        platform.issue_event("created", issue)
        return asdict(issue)

    @api.post("/issues/{key}/{what}")
    def hide_or_show(key: str, what: str) -> Json:
        if what not in ("hide", "show"):
            raise HTTPException(404, "hide or show")
        issue = _issue(world, key)
        issue.hidden = what == "hide"
        return asdict(issue)


def _move(issue: Issue, before: Project, after: Project) -> Json:
    """A move as Jira's change log has it."""
    project = {"from": before.id, "fromString": before.name, "to": after.id, "toString": after.name}
    key = {"fromString": issue.old_keys[-1], "toString": issue.key}
    return {"items": [{"field": "project", **project}, {"field": "Key", **key}]}


def _projects(api: APIRouter, world: World, platform: Platform) -> None:
    def reach(key: str) -> Project:
        if key not in world.projects:
            raise HTTPException(404, f"There is no project {key}")
        return world.projects[key]

    @api.post("/projects/{key}/rename")
    def rename(key: str, body: Json) -> Json:
        project = reach(key)
        with _conflicts():
            world.rename_project(project, _given(body, "key"))
        platform.project_event("updated", project)
        return asdict(project)

    @api.delete("/projects/{key}")
    def delete(key: str) -> Json:
        project = reach(key)
        world.delete_project(project)
        platform.project_event("deleted", project)
        return asdict(project)


def _webhooks(api: APIRouter, world: World, platform: Platform) -> None:
    @api.get("/webhooks")
    def list_webhooks() -> list[Json]:
        return [{"id": one.id, "url": one.url, "events": one.events} for one in world.webhooks.values()]

    @api.post("/webhooks", status_code=201)
    def add(body: Json) -> Json:
        hook = Webhook(new_id(), _given(body, "url"), str(body.get("secret", "")), list(body.get("events", [])))
        world.webhooks[hook.id] = hook
        return {"id": hook.id}

    @api.get("/webhooks/deliveries")
    def deliveries() -> list[Json]:
        return list(world.deliveries)

    @api.post("/webhooks/deliveries/{delivery}/again")
    def again(delivery: str) -> Json:
        try:
            return {"status": platform.webhooks.again(delivery)}
        except KeyError:
            raise HTTPException(404, "There is no such delivery") from None

    @api.delete("/webhooks/{webhook}")
    def remove(webhook: str) -> Json:
        world.webhooks.pop(webhook, None)
        return {"status": "ok"}


def _app(world: World, installation_id: str) -> App:
    app = world.apps.get(installation_id)
    if app is None:
        raise HTTPException(404, "There is no such installation")
    return app


def _apps(api: APIRouter, world: World, platform: Platform) -> None:
    @api.post("/marketplace", status_code=201)
    def offer(body: Json) -> Json:
        app_id = str(body["manifest"]["app"]["id"])
        world.marketplace[app_id] = body["manifest"]
        world.pages[app_id] = body.get("files") or {}
        return {"status": "ok"}

    @api.get("/apps")
    def apps() -> list[Json]:
        return [{"installation_id": one.installation_id, "app_id": one.app_id} for one in world.apps.values()]

    @api.post("/apps", status_code=201, response_model=None)
    async def install(request: Request) -> Json | PlainTextResponse:
        raw = (await request.body()).decode()
        body: Json = {"manifest": raw}
        if request.headers.get("content-type", "").startswith("application/json"):
            body = await request.json()
        try:
            app = platform.install(body.get("manifest"))
        except (ManifestError, KeyError, TypeError) as error:
            return PlainTextResponse(f"The manifest cannot be installed: {error}", 400)
        if files := body.get("files"):
            world.pages[app.app_id] = files
        return {"installation_id": app.installation_id, "app_id": app.app_id}

    @api.delete("/apps/{installation_id}")
    def uninstall(installation_id: str) -> Json:
        platform.uninstall(_app(world, installation_id))
        return {"status": "ok"}


def _calls_of_apps(api: APIRouter, world: World, platform: Platform) -> None:
    @api.post("/apps/{installation_id}/configure")
    def configure(installation_id: str, body: Json) -> Json:
        app = _app(world, installation_id)
        page = page_of(app, "configure")
        status, said = platform.call(app, "configure", body, module=page, from_page=bool(page))
        return {"status": status, "body": said}

    @api.post("/apps/{installation_id}/tick")
    def tick(installation_id: str) -> Json:
        return {"statuses": platform.tick(_app(world, installation_id))}

    @api.post("/apps/{installation_id}/call")
    def call(installation_id: str, body: Json) -> JSONResponse:
        """A call with a token of the caller's making: claims changed, signed by a stranger, or given whole."""
        app = _app(world, installation_id)
        endpoint = str(body.get("endpoint", "configure"))
        page = str(body.get("page", page_of(app, endpoint)))
        claims = platform.claims(app, page or endpoint, from_page=bool(page)) | body.get("claims", {})
        claims = {name: value for name, value in claims.items() if value is not None}
        token = body.get("token") or platform.sign(
            claims, by_stranger=bool(body.get("by_stranger")), header=body.get("header")
        )
        status, said = platform.call(
            app,
            endpoint,
            body.get("body"),
            method=body.get("method", "POST"),
            from_page=bool(page),
            token=token,
            path=body.get("path", ""),
        )
        return JSONResponse({"status": status, "body": said, "token": token})
