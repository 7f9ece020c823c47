"""The pages: an issue as Jira shows it, the Configure page, and the sandbox's control panel."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined

from jira_sandbox.atlassian import ManifestError, Platform, actions, modules
from jira_sandbox.custom_ui import configure_page, issue_panels
from jira_sandbox.issues_api import category
from jira_sandbox.state import Issue, World

Page = Callable[..., HTMLResponse]
"""Renders a template with the site in it."""
_STEPS = ((60, "second"), (60, "minute"), (24, "hour"), (30, "day"), (12, "month"), (1000, "year"))
_templates = Environment(
    loader=PackageLoader("jira_sandbox"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def ago(moment: str) -> str:
    """An RFC 3339 time as people say it."""
    amount = max(0.0, time.time() - datetime.fromisoformat(moment.upper().replace("Z", "+00:00")).timestamp())
    for size, name in _STEPS:
        if amount < size:
            number = int(amount)
            return f"{number} {name}{'' if number == 1 else 's'} ago" if amount >= 1 else "just now"
        amount /= size
    return moment


def exactly(moment: str) -> str:
    """An RFC 3339 time to the second."""
    return f"{datetime.fromisoformat(moment.upper().replace('Z', '+00:00')).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def rollout(status: dict[str, Any]) -> str:
    """A rollout in words. Of several fields one is shown: percentage, then text, then rules (Atlassian)."""
    found = status.get("rollout") or {}
    if found.get("percentage") is not None:
        return f"{found['percentage']:g} % rollout"
    if found.get("text"):
        return str(found["text"])
    if found.get("rules") is not None:
        return f"{found['rules']} rule{'' if found['rules'] == 1 else 's'}"
    return ""


_templates.filters.update(ago=ago, exactly=exactly, rollout=rollout, category=lambda status: category(status)[0])


def router(world: World, platform: Platform) -> APIRouter:
    """All pages."""
    api = APIRouter(default_response_class=HTMLResponse)

    def page(template: str, status: int = 200, **values: Any) -> HTMLResponse:
        return HTMLResponse(_templates.get_template(template).render(world=world, **values), status)

    _issue_pages(api, world, page)
    _configure_pages(api, world, platform, page)
    _panel(api, world, platform, page)
    return api


def _issue_pages(api: APIRouter, world: World, page: Page) -> None:
    @api.get("/")
    def home() -> Response:
        issues = sorted(world.issues.values(), key=_in_order)
        counts = {issue.id: len(world.flags_of(issue)) for issue in issues}
        return page("home.html", issues=issues, counts=counts)

    @api.get("/browse/{key}")
    def show(key: str) -> Response:
        issue = world.find_issue(key)
        if issue is None:
            return page("missing.html", 404, key=key)
        if issue.key != key:
            return RedirectResponse(f"/browse/{issue.key}", 302)
        flags = world.flags_of(issue)
        on = sum(flag["summary"]["status"]["enabled"] for flag in flags)
        panels = issue_panels(world, issue)
        return page("issue.html", issue=issue, flags=flags, on=on, actions=actions(world, issue), panels=panels)

    @api.get("/browse/{key}/development")
    def development(key: str) -> Response:
        issue = world.find_issue(key)
        return page("development.html", issue=issue) if issue else page("missing.html", 404, key=key)


def _in_order(issue: Issue) -> tuple[str, int]:
    project, _, number = issue.key.rpartition("-")
    return project, int(number)


def _configure_pages(api: APIRouter, world: World, platform: Platform, page: Page) -> None:
    @api.get("/jira/settings/apps")
    def apps() -> Response:
        return page("apps.html", apps=list(world.apps.values()), marketplace=_not_installed(world))

    @api.post("/jira/settings/apps/{what}")
    def change(what: str, app: Annotated[str, Form()]) -> Response:
        installed = next((one for one in world.apps.values() if one.app_id == app), None)
        if what == "install" and app in world.marketplace:
            platform.install(world.marketplace[app])
        elif what == "uninstall" and installed:
            platform.uninstall(installed)
        return RedirectResponse("/jira/settings/apps", 303)

    @api.get("/jira/settings/apps/configure/{app_id}")
    def configure(app_id: str) -> Response:
        app = next((one for one in world.apps.values() if one.app_id.endswith(app_id)), None)
        if app is None:
            return page("missing.html", 404, key="app")
        name = modules(app, "devops:featureFlagInfoProvider")[0]["name"]["value"]
        return page("configure.html", app_id=app_id, name=name, configure=configure_page(app))


def _not_installed(world: World) -> dict[str, dict[str, Any]]:
    installed = {one.app_id for one in world.apps.values()}
    return {app_id: manifest for app_id, manifest in world.marketplace.items() if app_id not in installed}


def _panel(api: APIRouter, world: World, platform: Platform, page: Page) -> None:
    @api.get("/sandbox")
    def panel(problem: str = "") -> Response:
        return page("panel.html", requests=list(world.requests)[-50:][::-1], problem=problem)

    @api.post("/sandbox/panel/{what}")
    async def act(request: Request, what: str) -> Response:
        form = {name: str(value) for name, value in (await request.form()).items()}
        try:
            _act(world, platform, what, form)
        except (ManifestError, ValueError, KeyError, TypeError) as error:
            return page("panel.html", 400, requests=list(world.requests)[-50:][::-1], problem=str(error))
        return RedirectResponse("/sandbox", 303)


def _act(world: World, platform: Platform, what: str, form: dict[str, str]) -> None:
    if what == "faults":
        world.set_faults(_faults(form))
    elif what == "install":
        platform.install(form["manifest"])
    elif what == "uninstall":
        platform.uninstall(world.apps[form["installation"]])
    elif what == "issue":
        key = form["key"].strip().upper()
        world.add_issue(key.rpartition("-")[0] or key, key=key if "-" in key else None, summary=form["summary"] or key)
    elif what == "clear":
        world.requests.clear()
        world.breaches.clear()


def _faults(form: dict[str, str]) -> dict[str, Any]:
    names = ("latency_ms", "rate_limited", "unavailable", "drop_connections", "lose_answers")
    count = {name: int(form.get(name) or 0) for name in names}
    refused = [name.strip() for name in form.get("reject_flags", "").split(",") if name.strip()]
    return {
        **{name: count[name] for name in ("latency_ms", "drop_connections", "lose_answers")},
        **{
            name: {"count": count[name], "retry_after": 2} if count[name] else None
            for name in ("rate_limited", "unavailable")
        },
        "reject_flags": [{"key": name, "message": "Refused on the control panel"} for name in refused],
    }
