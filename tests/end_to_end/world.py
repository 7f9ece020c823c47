"""Both sides, running: a Jira sandbox and Flagpost beside it, driven over HTTP only, as scripts and Jira drive them."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import httpx2
from cryptography.fernet import Fernet

from flagpost.commands.forge_app import page_files
from flagpost.jira.manifest import forge_manifest
from jira_sandbox.embedded import Sandbox
from jira_sandbox.state import CLOUD_ID

APP_ID = "ari:cloud:ecosystem::app/8db33309-2a52-4d0e-9c0f-5a4e1a1d2f5a"
KEY = "bootstrap-key-for-tests-only-0001"
SECRET_KEY = Fernet.generate_key().decode()
FEATURE_FLAGS = f"/ex/jira/{CLOUD_ID}/rest/featureflags/"  # for faults that spare the look-up of issues
PATIENCE = 60.0
FLAGPOST = (sys.executable, "-m", "flagpost")


def until(holds: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    """Wait until something is true, and give it back; a failure says what was waited for."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if found := holds():
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited {patience} s in vain until {what}")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def environment(sandbox: Sandbox, database_url: str) -> dict[str, str]:
    """The settings of a Flagpost that finds Atlassian in the sandbox."""
    return {
        "FLAGPOST_DATABASE_URL": database_url,
        "FLAGPOST_ATLASSIAN_API_URL": sandbox.url,
        "FLAGPOST_FORGE_JWKS_URL": f"{sandbox.url}/.well-known/jwks.json",
        "FLAGPOST_FORGE_APP_ID": APP_ID,
        "FLAGPOST_ALLOW_INSECURE_JIRA": "true",
        "FLAGPOST_BOOTSTRAP_ADMIN_KEY": KEY,
        "FLAGPOST_SECRET_KEYS": SECRET_KEY,
    }


class World:
    """Flagpost at `url`, and the sandbox. Flags are named, projects and environments too."""

    def __init__(self, url: str, sandbox: Sandbox) -> None:
        self.url = url
        self.sandbox = sandbox
        self.http = httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {KEY}"}, timeout=60, trust_env=False)
        self.installation = ""
        self.closing: list[Callable[[], None]] = [self.http.close]

    def call(self, method: str, path: str, *, expect: int | None = None, **arguments: Any) -> Any:
        """The JSON of a call that must succeed, or answer `expect`."""
        answer = self.http.request(method, path, **arguments)
        assert answer.status_code == expect if expect else answer.is_success, (method, path, answer.text)
        return answer.json() if answer.content else None

    # Setting up --------------------------------------------------------------------------------------------------

    def connect_jira(self, **projects: str) -> None:
        """Both halves of the set-up: the integration and its token, the app and its Configure page."""
        self.install()
        token = self.set_up(**projects)
        status, said = self.sandbox.configure(self.installation, token)
        assert status == 200, said

    def connect_with_credentials(self, **projects: str) -> None:
        """The way without an app: the integration, and the OAuth credentials that the sandbox has."""
        self.set_up(**projects)
        self.call("PUT", "/api/v1/jira/integration/credentials", json=self.credentials())

    def credentials(self, **changed: str) -> dict[str, str]:
        secret = "sandbox-secret"
        return {"site": self.sandbox.url, "client_id": "sandbox-client", "client_secret": secret, **changed}

    def set_up(self, **projects: str) -> str:
        """Flagpost's half; the token."""
        chosen = [
            {"project": name, "environment": place} for name, place in (projects or {"Default": "Production"}).items()
        ]
        token: str = self.call("POST", "/api/v1/jira/integration", json={"projects": chosen}, expect=201)["token"]
        return token

    def install(self) -> None:
        self.installation = self.sandbox.install(forge_manifest(self.url, APP_ID), page_files())

    # Working -----------------------------------------------------------------------------------------------------

    def workspace(self, project: str = "Default") -> str:
        found = self.call("GET", "/internal/api/v2/workspaces", params={"name": project})["objects"]
        return str(found[0]["id"])

    def new_flag(self, name: str, *issues: str, project: str = "Default", set_up: bool = True, share: int = 0) -> str:
        """A flag, set up in Production unless told otherwise, connected with these issues; its id."""
        home = self.workspace(project)
        made = self.call("POST", f"/internal/api/v2/splits/ws/{home}/trafficTypes/user", json={"name": name})
        if set_up:
            self.define(name, project=project, share=share)
        if issues:
            self.connect(name, *issues, project=project)
        return str(made["id"])

    def define(
        self, name: str, *, project: str = "Default", place: str = "Production", share: int = 0, **more: Any
    ) -> None:
        body = {
            "treatments": [{"name": "on"}, {"name": "off"}],
            "defaultTreatment": "off",
            "rules": [],
            "defaultRule": [{"treatment": "off", "size": share}, {"treatment": "on", "size": 100 - share}],
            **more,
        }
        path = f"/internal/api/v2/splits/ws/{self.workspace(project)}/{name}/environments/{place}"
        exists = self.http.get(path).is_success
        self.call("PUT" if exists else "POST", path, json=body)

    def act(self, verb: str, name: str, *, project: str = "Default", place: str = "Production") -> None:
        """kill or restore."""
        self.call("PUT", f"/internal/api/v2/splits/ws/{self.workspace(project)}/{name}/environments/{place}/{verb}")

    def undefine(self, name: str, *, project: str = "Default", place: str = "Production") -> None:
        self.call("DELETE", f"/internal/api/v2/splits/ws/{self.workspace(project)}/{name}/environments/{place}")

    def connect(self, name: str, *issues: str, project: str = "Default") -> Any:
        path = f"/api/v1/projects/{project}/flags/{name}/issues"
        return self.call("POST", path, json={"issues": list(issues)}, expect=201)

    def disconnect(self, name: str, issue: str, project: str = "Default") -> None:
        self.call("DELETE", f"/api/v1/projects/{project}/flags/{name}/issues/{issue}", expect=204)

    def integration(self) -> Any:
        return self.call("GET", "/api/v1/jira/integration")

    # Looking -----------------------------------------------------------------------------------------------------

    def settled(self, patience: float = PATIENCE) -> None:
        """Wait until Jira has heard of everything."""
        until(lambda: self.integration()["behind"] == 0, "Jira has heard of everything", patience)

    def in_jira(self, name: str) -> dict[str, Any] | None:
        """What Jira holds of the flag with this name."""
        return next((flag for flag in self.sandbox.flags().values() if flag["key"] == name), None)

    def known_in_jira(self, name: str) -> dict[str, Any]:
        """What Jira holds of a flag that it has to hold."""
        found = self.in_jira(name)
        assert found is not None, f"{name} is not in Jira"
        return found

    def on_issue(self, name: str) -> dict[str, Any]:
        """What Jira holds of it, once everything has arrived."""
        self.settled()
        found = self.in_jira(name)
        assert found is not None, f"{name} is not in Jira"
        return found

    def should_be_in_jira(self) -> dict[str, dict[str, Any]]:
        """What Flagpost says of every flag that Jira is to show: worked out here from its APIs, by the seed's rules."""
        expected: dict[str, dict[str, Any]] = {}
        for one in self.integration()["projects"]:
            if one["visible"]:
                expected |= self._flags_of(one["id"], one["environment"], one["environment_id"])
        return expected

    def _flags_of(self, home: str, place: str, place_id: str) -> dict[str, dict[str, Any]]:
        definitions = {d["name"]: d for d in self._all(f"/internal/api/v2/splits/ws/{home}/environments/{place_id}")}
        expected = {}
        for flag in self._all(f"/internal/api/v2/splits/ws/{home}"):
            issues = self.call("GET", f"/api/v1/projects/{home}/flags/{flag['id']}/issues")["issues"]
            keys = sorted(issue["key"] for issue in issues if issue["state"] not in ("missing", "deleted"))
            if keys:
                expected[flag["id"]] = {"name": flag["name"], "issues": keys, "environment": place}
                expected[flag["id"]] |= shown(definitions.get(flag["name"]))
        return expected

    def _all(self, path: str) -> Iterator[dict[str, Any]]:
        offset = 0
        while True:
            page = self.call("GET", path, params={"offset": offset, "limit": 50})
            yield from page["objects"]
            offset += 50
            if offset >= page["totalCount"]:
                return

    def held_by_jira(self) -> dict[str, dict[str, Any]]:
        """The same of what Jira holds."""
        return {
            id: {
                "name": flag["displayName"],
                "issues": flag["issues"],
                "environment": flag["details"][0]["environment"]["name"],
                "enabled": flag["summary"]["status"]["enabled"],
                "default": flag["summary"]["status"].get("defaultValue"),
                "rollout": flag["summary"]["status"]["rollout"],
            }
            for id, flag in self.sandbox.flags().items()
        }

    def expect_equal(self, patience: float = PATIENCE) -> None:
        """Jira shows what Flagpost says, of every flag, and nothing went wrong on the way there."""
        self.settled(patience)
        assert self.held_by_jira() == self.should_be_in_jira()
        breaches = [one for one in self.sandbox.breaches() if one["kind"] != "malformed flag"]
        assert breaches == [], breaches

    def close(self) -> None:
        for close in self.closing:
            close()


def shown(definition: dict[str, Any] | None) -> dict[str, Any]:
    """The seed's words: the share of the default treatment where only the default rule is used, else the rules."""
    if definition is None:
        return {"enabled": False, "default": None, "rollout": {"text": "Not initiated"}}
    default = definition["defaultTreatment"]
    if definition["killed"]:
        return {"enabled": False, "default": default, "rollout": {"text": "Killed"}}
    targets = any(one["keys"] or one["segments"] for one in definition["treatments"])
    if definition["rules"] or targets:
        return {"enabled": True, "default": default, "rollout": {"rules": len(definition["rules"]) + targets}}
    share = sum(one["size"] for one in definition["defaultRule"] if one["treatment"] == default)
    return {"enabled": True, "default": default, "rollout": {"percentage": share}}


class Process:
    """`flagpost serve` as a process of its own, that can be killed and started again on the same port.

    `program`: what runs it; `settings`: those that are not as everywhere in the tests; `log`: a file for its log.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        database_url: str,
        *options: str,
        program: Sequence[str] = FLAGPOST,
        log: Path | None = None,
        **settings: str,
    ) -> None:
        self.log = log
        self.port = free_port()
        self._options = options
        self._program = program
        self.url = f"http://127.0.0.1:{self.port}"
        self._environment = {**os.environ, **environment(sandbox, database_url), "FLAGPOST_LOG_LEVEL": "error"}
        self._environment |= {f"FLAGPOST_{name.upper()}": value for name, value in settings.items()}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [*self._program, "serve", "--port", str(self.port), *self._options]
        with self.log.open("ab") if self.log else nullcontext() as log:
            self._process = subprocess.Popen(command, env=self._environment, stdout=subprocess.DEVNULL, stderr=log)
        until(self._ready, "Flagpost is ready")

    def _ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "flagpost serve ended at once"
        try:
            return httpx2.get(f"{self.url}/readyz", trust_env=False).is_success
        except httpx2.TransportError:
            return False

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """As a power cut would."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> int:
        """As an operator does; the exit code."""
        if self._process is None or self._process.poll() is not None:
            return 0
        self.terminate()
        return self._process.wait(30)

    def terminate(self) -> None:
        """Tell it to stop, and wait for nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)

    def ended(self) -> bool:
        return self._process is None or self._process.poll() is not None


@contextmanager
def process(sandbox: Sandbox, database_url: str, *options: str, **how: Any) -> Iterator[Process]:
    """One that ends with the block."""
    found = Process(sandbox, database_url, *options, **how)
    found.start()
    try:
        yield found
    finally:
        found.stop()
