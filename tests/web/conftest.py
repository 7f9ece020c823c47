"""The whole application with people in it, called as a browser calls it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from fastapi.testclient import TestClient
from splitapiclient.main import get_client

from flagpost.actions.access import Actor
from flagpost.actions.accounts import bootstrap, sessions, users
from flagpost.actions.context import Context
from flagpost.app import create_app, running
from flagpost.settings import Settings, load
from flagpost.web.state import Application, ServingParts
from tests.end_to_end.world import KEY, SECRET_KEY

PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class Console:
    """The running application, and browsers of an admin, a viewer and a stranger."""

    app: Application[ServingParts]
    admin: TestClient
    viewer: TestClient
    stranger: TestClient
    project: str

    @property
    def ctx(self) -> Context:
        """The world of the actions."""
        return self.app.parts.context

    @property
    def ada(self) -> Actor:
        """The admin, as an actor."""
        found = sessions.signed_in(self.ctx, self.admin.cookies["flagpost_session"])
        assert found
        return found.actor


def _browser(app: Application[ServingParts]) -> TestClient:
    return TestClient(app, headers={"sec-fetch-site": "same-origin"}, follow_redirects=False)


@pytest.fixture
def atlassian_url() -> str:
    """Where Atlassian would be; a test with a sandbox says so."""
    return "http://127.0.0.1:9"


@pytest.fixture
def console_url(sqlite_url: str) -> str:
    """The console's store; a module whose pages ask the store something of their own says both."""
    return sqlite_url


@pytest.fixture
def console(console_url: str, atlassian_url: str) -> Iterator[Console]:
    settings = Settings(
        database_url=console_url,
        allow_insecure_jira=True,
        atlassian_api_url=atlassian_url,
        secret_keys=[SECRET_KEY],
    )
    app = create_app(settings)
    with _browser(app) as admin:
        ctx = app.parts.context
        bootstrap.ensure_account(ctx)
        link = sessions.first_admin_link(ctx)
        assert link
        form = {"name": "Ada", "email": "ada@example.com", "password": PASSWORD}
        assert admin.post(link.partition("/setup/")[1] + link.rpartition("/")[2], data=form).status_code == 303
        ada = sessions.signed_in(ctx, admin.cookies["flagpost_session"])
        assert ada
        invitation = users.invite_user(ctx, ada.actor, email="vi@example.com", name="Vi", role="viewer")
        viewer = _browser(app)
        accepted = viewer.post(
            "/invite/" + invitation.url.rpartition("/")[2], data={"name": "Vi", "password": PASSWORD}
        )
        assert accepted.status_code == 303
        project = admin.get("/").headers["location"].split("/")[2]
        yield Console(app, admin, viewer, _browser(app), project)


@pytest.fixture
def server(database_url: str) -> Iterator[str]:
    """The address of a Flagpost on each store."""
    settings = load(
        database_url=database_url, port=0, bootstrap_admin_key=KEY, secret_keys=SECRET_KEY, log_level="error"
    )
    with running(settings) as ctx:
        yield ctx.settings.public_url


def split_client(server: str, key: str = KEY) -> Any:
    """Split's own client from PyPI, unmodified."""
    return get_client({"base_url": f"{server}/internal/api/v2", "base_url_v3": f"{server}/api/v3", "apikey": key})


@pytest.fixture
def split(server: str) -> Any:
    """Split's own client, with a key that may do everything."""
    return split_client(server)


@pytest.fixture
def raw(server: str) -> Iterator[httpx2.Client]:
    """The Admin API, as its documents say."""
    headers = {"Authorization": f"Bearer {KEY}"}
    with httpx2.Client(base_url=f"{server}/internal/api/v2", headers=headers, trust_env=False) as client:
        yield client
