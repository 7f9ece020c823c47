"""What is said of an error, and to whom."""

import pytest
from fastapi.testclient import TestClient
from structlog.testing import capture_logs

from flagpost.errors import JiraError
from tests.web.conftest import Console

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("error", [RuntimeError("boom"), JiraError()], ids=["a crash", "an error of its own"])
def test_the_log_of_a_request_that_fails_names_its_route_and_not_the_secret_in_its_address(
    console: Console, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("flagpost.actions.accounts.sessions.look_at_link", fail)
    browser = TestClient(console.app, raise_server_exceptions=False)
    with capture_logs() as said:
        assert browser.get("/invite/secret-of-the-link").status_code >= 500
    failures = [one for one in said if one["event"] in ("request.crashed", "request.failed")]
    assert [one["route"] for one in failures] == ["/invite/{token}"]
    assert "secret-of-the-link" not in str([{**one, "exc_info": ""} for one in said])
