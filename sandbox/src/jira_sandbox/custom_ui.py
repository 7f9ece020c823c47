"""The pages that an app brings (Atlassian's Custom UI), each in a frame at its place in Jira, over a stand-in bridge.

The files are served as they were installed, so that what runs here is what runs in Jira: bundled with Atlassian's own
`@forge/bridge`, which finds `globalThis.__bridge`; or as plain modules, for which an import map names a small module
of the sandbox in its place. A frame has an origin of its own and no network: all it can do is ask its host, by
message, as in Jira. https://developer.atlassian.com/platform/forge/custom-ui/iframe/
"""

import base64
import hashlib
import json
import mimetypes
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import httpx2
from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import RedirectResponse, Response

from jira_sandbox.atlassian import Platform, modules
from jira_sandbox.state import App, Issue, World, new_id

Json = dict[str, Any]

_ASSETS = Path(__file__).parent / "assets" / "custom-ui"
_IMPORTS = json.dumps({"imports": {"@forge/bridge": "/custom-ui/assets/forge-bridge.js"}})
_BRIDGE = f'<script src="/custom-ui/assets/bridge.js"></script><script type="importmap">{_IMPORTS}</script>'
_IMPORTS_HASH = base64.b64encode(hashlib.sha256(_IMPORTS.encode()).digest()).decode()
_HEADERS = {
    # As Atlassian's, which takes no inline script or style either (custom-ui, "Default limitations").
    "Content-Security-Policy": "sandbox allow-scripts allow-forms; default-src 'none'; "
    f"script-src 'self' 'sha256-{_IMPORTS_HASH}'; style-src 'self'; img-src 'self' data:",
    "Access-Control-Allow-Origin": "*",  # a module is fetched with the frame's origin, which is none
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True)
class AppPage:
    """A page of an installed app at its place in Jira: of the whole site, or on one issue."""

    app: App
    kind: str
    module: Json
    issue: Issue | None = None

    @property
    def title(self) -> str:
        """What Jira calls it."""
        return str(self.module.get("title", self.module["key"]))

    @property
    def url(self) -> str:
        """Where its frame finds it."""
        return self._file(self.module["resource"], "index.html")

    @property
    def icon(self) -> str:
        """Its icon (Atlassian: `resource:<resource key>;<relative path to resource>`, or an address)."""
        icon = str(self.module.get("icon", ""))
        return self._file(*icon.removeprefix("resource:").split(";", 1)) if icon.startswith("resource:") else icon

    def _file(self, resource: str, name: str) -> str:
        folder = next(one["path"] for one in self.app.manifest["resources"] if one["key"] == resource)
        return f"/custom-ui/{self.app.installation_id}/{folder.strip('/')}/{name}"

    def context(self, world: World) -> Json:
        """The place as both sides see it (Atlassian: `view.getContext`, and an invocation token's context)."""
        return {
            "cloudId": world.cloud_id,
            "siteUrl": world.base_url,
            "moduleKey": self.module["key"],
            "localId": new_id(),
            "extension": {"type": self.kind, **(_on_issue(world, self.issue) if self.issue else {})},
        }


def _on_issue(world: World, issue: Issue) -> Json:
    project = world.add_project(issue.project, issue.project)
    return {
        "issue": {"id": issue.id, "key": issue.key, "type": issue.type, "typeId": "10001"},
        "project": {"id": project.id, "key": project.key, "type": "software"},
    }


def configure_page(app: App) -> AppPage | None:
    """The page behind Configure (Atlassian: `jira:adminPage` with `useAsConfig`), if the app has one."""
    kind = "jira:adminPage"
    return next((AppPage(app, kind, one) for one in modules(app, kind) if one.get("useAsConfig")), None)


def issue_panels(world: World, issue: Issue) -> list[AppPage]:
    """The panels of the installed apps on an issue."""
    kind = "jira:issuePanel"
    return [AppPage(app, kind, one, issue) for app in world.apps.values() for one in modules(app, kind)]


def router(world: World, platform: Platform) -> APIRouter:
    """The pages' files, what their bridge asks for, and the switch of who is looking."""
    api = APIRouter()

    @api.get("/custom-ui/assets/{name}")
    def asset(name: str) -> Response:
        names = {one.name for one in _ASSETS.iterdir()}
        return _file(name, (_ASSETS / name).read_text("utf-8") if name in names else None)

    @api.get("/custom-ui/{installation_id}/{path:path}")
    def file(installation_id: str, path: str) -> Response:
        app = world.apps.get(installation_id)
        return _file(path, world.pages.get(app.app_id, {}).get(path) if app else None)

    @api.post("/custom-ui/{installation_id}/invoke")
    def invoke(installation_id: str, body: Json) -> Json:
        page = _page(world, installation_id, body["module"], body.get("issue"))
        return _invoked(world, platform, page, body["request"])

    @api.post("/jira/person")
    def look_as(request: Request, person: Annotated[str, Form()]) -> Response:
        world.set_settings({"jira_person": person})
        return RedirectResponse(urlsplit(request.headers.get("referer", "")).path or "/", 303)

    return api


def _file(name: str, text: str | None) -> Response:
    if text is None:
        return Response("There is no such file in the app.", 404)
    kind = mimetypes.guess_type(name)[0] or "text/plain"
    if kind == "text/html":
        text = text.replace("<head>", f"<head>{_BRIDGE}", 1)
    return Response(text, media_type=kind, headers=_HEADERS)


def _page(world: World, installation_id: str, key: str, issue_key: str | None) -> AppPage:
    app = world.apps.get(installation_id)
    issue = world.find_issue(issue_key) if issue_key else None
    panels = issue_panels(world, issue) if issue else []
    pages = [one for one in (*panels, configure_page(app) if app else None) if one and one.app is app]
    found = next((one for one in pages if one.module["key"] == key), None)
    if found is None:
        raise HTTPException(404, "There is no such page.")
    return found


def _invoked(world: World, platform: Platform, page: AppPage, request: Json) -> Json:
    """Call the app's remote for a page, and answer as the bridge does.

    Atlassian, apis-reference/ui-api-bridge/invokeRemote: the path is the page's; the promise is rejected where the
    remote answers 401, is silent, or sends what is not JSON.
    """
    try:
        answer = platform.send(
            page.app,
            page.module["resolver"]["endpoint"],
            request.get("body"),
            method=request["method"],
            path=request["path"],
            module=page.module["key"],
            from_page=True,
            claims={"context": page.context(world)},
        )
        return _answered(answer)
    except httpx2.HTTPError as error:
        return {"rejected": f"The remote does not answer: {error}"}


def _answered(answer: httpx2.Response) -> Json:
    if answer.status_code == 401:
        return {"rejected": "Remote could not verify the Forge Invocation Token"}
    try:
        body = answer.json() if answer.content else None
    except ValueError:
        return {"rejected": "Invalid response from remote"}
    headers = {name: [value] for name, value in answer.headers.items()}
    return {"success": True, "payload": {"status": answer.status_code, "headers": headers, "body": body}}
