"""Clients of the sandbox, with each kind of proof."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from jira_sandbox.embedded import Sandbox
from jira_sandbox.state import CLOUD_ID

OAUTH_FLAGS = f"/jira/featureflags/0.1/cloud/{CLOUD_ID}"
GATEWAY = f"/ex/jira/{CLOUD_ID}"
CREDENTIALS = {
    "grant_type": "client_credentials",
    "audience": "api.atlassian.com",
    "client_id": "sandbox-client",
    "client_secret": "sandbox-secret",
}


def client(sandbox: Sandbox, **how: Any) -> httpx2.Client:
    return httpx2.Client(base_url=sandbox.url, trust_env=False, **how)


@pytest.fixture
def api(sandbox: Sandbox) -> Iterator[httpx2.Client]:
    """With a token for OAuth credentials."""
    with client(sandbox) as found:
        token = found.post("/oauth/token", json=CREDENTIALS).json()["access_token"]
        found.headers["Authorization"] = f"Bearer {token}"
        yield found


@pytest.fixture
def anna(sandbox: Sandbox) -> Iterator[httpx2.Client]:
    """With Anna's API token, which has no scopes."""
    sandbox.settings(api_tokens={"anna@example.com": "secret"})
    with client(sandbox, auth=("anna@example.com", "secret")) as found:
        yield found


def flag(id: str = "f1", sequence: int = 1, issues: tuple[str, ...] = ("PAY-1",), **changed: Any) -> dict[str, Any]:
    summary = {"url": "https://x/y", "status": {"enabled": True}, "lastUpdated": "2026-01-01T00:00:00Z"}
    return {
        "id": id,
        "key": id,
        "updateSequenceId": sequence,
        "associations": [{"associationType": "issueIdOrKeys", "values": list(issues)}],
        "summary": summary,
        "details": [{**summary, "environment": {"name": "Production", "type": "production"}}],
        **changed,
    }


def send(api: httpx2.Client, *flags: dict[str, Any], **more: Any) -> httpx2.Response:
    return api.post(f"{OAUTH_FLAGS}/bulk", json={"flags": list(flags), **more})
