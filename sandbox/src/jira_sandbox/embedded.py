"""A sandbox within another program, for tests and the demo: running it, and steering it over HTTP."""

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx2
import uvicorn

from jira_sandbox.app import create_app


class Sandbox:
    """A running sandbox, steered over HTTP."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx2.Client(base_url=url, timeout=30, trust_env=False)

    def get(self, path: str, **arguments: Any) -> Any:
        """The JSON of a control call."""
        return self._checked("GET", path, **arguments)

    def _checked(self, method: str, path: str, **arguments: Any) -> Any:
        answer = self._http.request(method, f"/sandbox{path}", **arguments)
        answer.raise_for_status()
        return answer.json()

    def flags(self) -> dict[str, dict[str, Any]]:
        """Everything that was sent, by flag id."""
        found: dict[str, dict[str, Any]] = self.get("/flags")
        return found

    def lose_flag(self, flag_id: str) -> None:
        """Lose a flag, as if it had never been stored."""
        self._checked("DELETE", f"/flags/{flag_id}")

    def finish_deletes(self) -> None:
        """Do every delete that `delete_delay_ms` still holds back."""
        self._checked("POST", "/flags/deletes")

    def spoil_flag(self, flag_id: str, **changed: Any) -> None:
        """Hold something else of a flag than what was sent."""
        self._checked("PATCH", f"/flags/{flag_id}", json=changed)

    def faults(self, **values: Any) -> None:
        """Switch faults; those not named stay."""
        self._checked("PUT", "/faults", json=values)

    def no_faults(self) -> None:
        """Switch all faults off."""
        self._checked("DELETE", "/faults")

    def settings(self, **values: Any) -> None:
        """Change settings; those not named stay."""
        self._checked("PUT", "/settings", json=values)

    def breaches(self) -> list[dict[str, Any]]:
        """What callers did that Jira does not allow."""
        found: list[dict[str, Any]] = self.get("/breaches")
        return found

    def requests(self, path: str = "") -> list[dict[str, Any]]:
        """The log of requests whose path contains `path`."""
        found: list[dict[str, Any]] = self.get("/requests", params={"path": path})
        return found

    def history(self, flag_id: str) -> list[int]:
        """The sequence ids that came for a flag, in order."""
        found: list[int] = self.get(f"/history/{flag_id}")
        return found

    def add_issue(self, key: str, **fields: Any) -> dict[str, Any]:
        """A new issue."""
        issue: dict[str, Any] = self._checked("POST", "/issues", json={"key": key, **fields})
        return issue

    def change_issue(self, key: str, **fields: Any) -> None:
        """Change an issue's fields."""
        self._checked("PATCH", f"/issues/{key}", json=fields)

    def move_issue(self, key: str, project: str) -> str:
        """Move an issue; its new key."""
        moved: str = self._checked("POST", f"/issues/{key}/move", json={"project": project})["key"]
        return moved

    def delete_issue(self, key: str) -> None:
        """Delete an issue."""
        self._checked("DELETE", f"/issues/{key}")

    def hide_issue(self, key: str) -> None:
        """Take the app's permission to see an issue."""
        self._checked("POST", f"/issues/{key}/hide")

    def restore_issue(self, key: str) -> None:
        """Bring a deleted issue back."""
        self._checked("POST", f"/issues/{key}/restore")

    def rename_project(self, key: str, new: str) -> None:
        """Give a project another key, and its issues with it."""
        self._checked("POST", f"/projects/{key}/rename", json={"key": new})

    def delete_project(self, key: str) -> None:
        """Delete a project with its issues."""
        self._checked("DELETE", f"/projects/{key}")

    def add_webhook(self, url: str, secret: str = "", events: Sequence[str] = ()) -> str:
        """Have Jira call an address when one of these events happens, or any (none named); the webhook's id."""
        body = {"url": url, "secret": secret, "events": list(events)}
        added: str = self._checked("POST", "/webhooks", json=body)["id"]
        return added

    def remove_webhook(self, webhook: str) -> None:
        """Have Jira call it no more."""
        self._checked("DELETE", f"/webhooks/{webhook}")

    def webhook_deliveries(self) -> list[dict[str, Any]]:
        """What webhooks were called with, the earliest first."""
        found: list[dict[str, Any]] = self.get("/webhooks/deliveries")
        return found

    def repeat_delivery(self, delivery: str) -> int:
        """Call a webhook once more with the same; the answer's status."""
        status: int = self._checked("POST", f"/webhooks/deliveries/{delivery}/again")["status"]
        return status

    def install(self, manifest: Any, files: dict[str, str] | None = None) -> str:
        """Install an app, with the files of its pages by their paths in it; the installation's id."""
        body = {"manifest": manifest, "files": files}
        installed: str = self._checked("POST", "/apps", json=body)["installation_id"]
        return installed

    def offer(self, manifest: Any, files: dict[str, str] | None = None) -> None:
        """Put an app into the Marketplace, not installed."""
        self._checked("POST", "/marketplace", json={"manifest": manifest, "files": files})

    def uninstall(self, installation_id: str) -> None:
        """Uninstall an app."""
        self._checked("DELETE", f"/apps/{installation_id}")

    def configure(self, installation_id: str, token: str) -> tuple[int, Any]:
        """What the app answers when a token is saved on its Configure page."""
        answer = self._checked("POST", f"/apps/{installation_id}/configure", json={"token": token})
        return answer["status"], answer["body"]

    def tick(self, installation_id: str) -> None:
        """Fire the app's scheduled triggers."""
        self._checked("POST", f"/apps/{installation_id}/tick")

    def call(self, installation_id: str, **how: Any) -> dict[str, Any]:
        """Call the app with a token of one's own making."""
        answer: dict[str, Any] = self._checked("POST", f"/apps/{installation_id}/call", json=how)
        return answer

    def rotate_keys(self) -> None:
        """Have Atlassian sign with a new key."""
        self._checked("POST", "/keys/rotate")

    def reset(self) -> None:
        """Back to the built-in issues, with nothing sent and nothing installed."""
        self._checked("POST", "/reset")

    def close(self) -> None:
        """Close connections."""
        self._http.close()


@contextmanager
def running_sandbox(port: int = 0) -> Iterator[Sandbox]:
    """A sandbox on this machine, in a thread, until the block ends; port 0 takes any free one. OSError if taken."""
    # without IPPROTO_TCP asyncio leaves out TCP_NODELAY
    with socket.socket(proto=socket.IPPROTO_TCP) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", port))
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        config = uvicorn.Config(
            create_app(url),
            log_level="error",
            access_log=False,
            date_header=False,
            timeout_keep_alive=300,  # as long as a caller keeps a connection: closed by neither in the other's request
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.005)
        sandbox = Sandbox(url)
        try:
            yield sandbox
        finally:
            sandbox.close()
            server.should_exit = True
            thread.join(10)
