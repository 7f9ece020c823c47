"""The whole application with people in it, called as a browser calls it."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from flagpost.actions import first_start, people, sessions
from flagpost.app import create_app
from flagpost.settings import Settings

PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class Console:
    """The running application, and browsers of an admin, a viewer and a stranger."""

    app: FastAPI
    admin: TestClient
    viewer: TestClient
    stranger: TestClient
    project: str


def _browser(app: FastAPI) -> TestClient:
    return TestClient(app, headers={"sec-fetch-site": "same-origin"}, follow_redirects=False)


@pytest.fixture
def atlassian_url() -> str:
    """Where Atlassian would be; a test with a sandbox says so."""
    return "http://127.0.0.1:9"


@pytest.fixture
def console(sqlite_url: str, atlassian_url: str) -> Iterator[Console]:
    settings = Settings(database_url=sqlite_url, allow_insecure_jira=True, atlassian_api_url=atlassian_url)
    app = create_app(settings)
    with _browser(app) as admin:
        ctx = app.state.context
        first_start.ensure_account(ctx)
        link = sessions.first_admin_link(ctx)
        assert link
        form = {"name": "Ada", "email": "ada@example.com", "password": PASSWORD}
        assert admin.post(link.partition("/setup/")[1] + link.rpartition("/")[2], data=form).status_code == 303
        ada = sessions.signed_in(ctx, admin.cookies["flagpost_session"])
        assert ada
        invitation = people.invite_user(ctx, ada.actor, email="vi@example.com", name="Vi", role="viewer")
        viewer = _browser(app)
        accepted = viewer.post(
            "/invite/" + invitation.url.rpartition("/")[2], data={"name": "Vi", "password": PASSWORD}
        )
        assert accepted.status_code == 303
        project = admin.get("/").headers["location"].split("/")[2]
        yield Console(app, admin, viewer, _browser(app), project)
