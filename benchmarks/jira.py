"""The Jira sandbox for benchmarks: connecting it, adding issues, and reading the requests that it received."""

import time
from typing import Any

from benchmarks.stage import APP_ID, Client
from flagpost.jira.manifest import forge_manifest


def connect(url: str, sandbox_url: str) -> Client:
    """Connect Flagpost and the sandbox. Gives a client of the sandbox."""
    client, jira = Client(url), Client(sandbox_url)
    body = {"projects": [{"project": "Default", "environment": "Production"}]}
    token = client.send("POST", "/api/v1/jira/integration", body)[1]["token"]
    app = jira.send("POST", "/sandbox/apps", {"manifest": forge_manifest(url, APP_ID)})[1]["installation_id"]
    status, said = jira.send("POST", f"/sandbox/apps/{app}/configure", {"token": token})
    assert said["status"] == 200, (status, said)
    client.close()
    return jira


def add_issues(sandbox_url: str, keys: list[str]) -> None:
    """Add issues to connect flags with."""
    jira = Client(sandbox_url)
    for key in keys:
        jira.send("POST", "/sandbox/issues", {"key": key})
    jira.close()


def settle(client: Client) -> None:
    """Wait until Jira has everything. Polling costs the server time too, so it is not frequent."""
    while client.get("/api/v1/jira/integration")["behind"]:
        time.sleep(0.05)


def bulk_requests(jira: Client) -> tuple[str, list[dict[str, Any]]]:
    """The path of the bulk calls and their bodies, as Flagpost sent them last."""
    sent = [one for one in jira.get("/sandbox/requests?path=featureflags/0.1/bulk") if one["status"] == 202]
    return str(sent[-1]["path"]), [one["body"] for one in sent if isinstance(one["body"], dict)]
