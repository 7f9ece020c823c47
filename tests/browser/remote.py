"""A Flagpost of a few lines for the app's pages alone: a real HTTP server that answers under /forge as agreed."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CODE = "K7MQ2XW9PD"
TOKEN = "fp_jira_right"

PAY = {
    "id": "f-pay",
    "name": "one_click_pay",
    "project": "Web shop",
    "url": "https://flags.example.com/flags/f-pay",
    "states": [
        {"environment": "Staging", "primary": False, "on": True, "words": "On for 100 %"},
        {"environment": "Production", "primary": True, "on": True, "words": "On for 10 %"},
    ],
    "saved_by": "Ada Admin",
    "saved_at": "2026-01-02T03:04:05Z",
    "may_disconnect": True,
}
LONG = {
    **PAY,
    "id": "f-long",
    "name": "a_name_that_goes_on_" * 8,
    "states": [{"environment": "Production", "primary": True, "on": False, "words": "Not initiated"}],
    "saved_by": None,
    "saved_at": None,
}
OTHERS = [{**PAY, "id": f"f-{number}", "name": f"other_{number}"} for number in range(30)]


class Remote:
    """What it knows and was asked.

    `refusals` has (status, body) for paths that are not to go well, `held` what a search for some text waits for.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[tuple[str, str, Any, dict[str, Any]]] = []
        self.refusals: dict[str, tuple[int, Any]] = {}
        self.held: dict[str, threading.Event] = {}
        self.connected = True
        self.may_edit = True
        self.linked = {"557058:site-admin": "Ada Admin"}
        self.flags = [deepcopy(PAY)]
        self.hidden = 0

    def answer(self, method: str, path: str, body: Any, claims: dict[str, Any]) -> tuple[int, Any]:
        self.asked.append((method, path, body, claims))
        if path in self.refusals:
            return self.refusals[path]
        if path == "/forge/configure":
            return self._configure(body)
        if not path.startswith("/forge/panel"):
            return 200, {"status": "ok"}
        what = path.removeprefix("/forge/panel").strip("/") or "show"
        done = getattr(self, f"_{what}")(claims["principal"], body)
        return done or (200, self._panel(claims))

    def _configure(self, body: Any) -> tuple[int, Any]:
        if body and body["token"] != TOKEN:
            return 400, {"error": {"code": "invalid", "message": "Flagpost does not know this token."}}
        self.connected = self.connected or bool(body)
        projects = [{"project": "Web shop", "environment": "Production"}] if self.connected else []
        status = "connected" if self.connected else "not_connected"
        site = "https://your-team.atlassian.net"
        return 200, {"status": status, "flagpost": "https://flags.example.com", "site": site, "projects": projects}

    def _panel(self, claims: dict[str, Any]) -> dict[str, Any]:
        name = self.linked.get(claims["principal"])
        issue = claims["context"]["extension"]["issue"]
        return {
            "status": "connected" if self.connected else "not_connected",
            "issue": {"id": issue["id"], "key": issue["key"]},
            "person": {"linked": name is not None, "name": name, "may_edit": bool(name) and self.may_edit},
            "link_url": f"{self.url}/jira/link",
            "create_url": f"{self.url}/flags/new?issue={issue['key']}",
            "flags": [{**flag, "may_disconnect": bool(name) and self.may_edit} for flag in self.flags],
            "hidden": self.hidden,
        }

    def _show(self, *_: Any) -> None:
        """Nothing changes."""

    def _search(self, _person: str, body: Any) -> tuple[int, Any]:
        if event := self.held.get(body["q"]):
            event.wait(10)
        found = [flag for flag in OTHERS if body["q"] in str(flag["name"])]
        brief = [{name: flag[name] for name in ("id", "name", "project")} for flag in found[:5]]
        return 200, {"flags": brief, "more": len(found) > 5}

    def _connect(self, _person: str, body: Any) -> None:
        self.flags.append(next(flag for flag in OTHERS if flag["id"] == body["flag"]))

    def _disconnect(self, _person: str, body: Any) -> None:
        self.flags = [flag for flag in self.flags if flag["id"] != body["flag"]]

    def _link(self, person: str, body: Any) -> tuple[int, Any] | None:
        if body["code"] != CODE:
            return 400, {"error": {"message": "code: x", "problems": [{"path": "code", "message": "No such code."}]}}
        self.linked[person] = "Eli Editor"
        return None

    def _unlink(self, person: str, _body: Any) -> None:
        del self.linked[person]


@contextmanager
def running_remote() -> Iterator[Remote]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.remote = Remote(f"http://127.0.0.1:{server.server_port}")  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server.remote  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def _handle(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        status, said = 200, "A page for people"
        if token := self.headers.get("Authorization"):
            claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
            status, said = self.server.remote.answer(self.command, self.path, body, claims)  # type: ignore[attr-defined]
        is_text = isinstance(said, str)
        raw = (said if is_text else json.dumps(said)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html" if is_text else "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    do_GET = do_POST = _handle

    def log_message(self, *_: Any) -> None:
        """Quietly."""
