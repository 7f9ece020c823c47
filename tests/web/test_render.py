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


BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
PROGRAMS = [{}, {"accept": "*/*"}, {"accept": "application/json"}]
UNKNOWN = ["/fme", "/openfeature", "/openfeature/v1/flags", "/projects", "/favicon.ico", "/static/nothing.css"]


@pytest.mark.parametrize("path", UNKNOWN)
def test_an_unknown_address_answers_programs_with_json_and_browsers_with_a_page(console: Console, path: str) -> None:
    for headers in PROGRAMS:
        answer = console.stranger.get(path, headers=headers)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json"), headers
        assert answer.json() == {"error": {"message": "There is nothing at this address."}}
        assert "accept" in answer.headers["vary"].lower()
    shown = console.stranger.get(path, headers=BROWSER)
    assert shown.status_code == 404
    assert "There is nothing at this address." in shown.text
    assert shown.headers["content-type"].startswith("text/html")


def test_a_console_page_answers_with_json_only_if_the_client_prefers_it(console: Console) -> None:
    url = f"/projects/{console.project}/flags/missing"
    assert console.admin.get(url).headers["content-type"].startswith("text/html")
    assert console.admin.get(url, headers=BROWSER).headers["content-type"].startswith("text/html")
    answer = console.admin.get(url, headers={"accept": "application/json"})
    assert answer.status_code == 404
    assert "missing" in answer.json()["error"]["message"]


def test_signing_in_is_a_page_for_browsers_and_401_for_programs_that_ask_for_json(console: Console) -> None:
    assert console.stranger.get("/profile", headers=BROWSER).headers["location"] == "/signin?next=%2Fprofile"
    answer = console.stranger.get("/profile", headers={"accept": "application/json"})
    assert (answer.status_code, answer.json()) == (401, {"error": {"message": "Please sign in."}})
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("DELETE", "/profile", "GET"),
        ("PUT", "/projects/p/segments", "GET, POST"),
        ("PATCH", "/internal/api/v2/workspaces", "GET, POST"),
        ("POST", "/healthz", "GET"),
        ("POST", "/static/shell.css", "GET, HEAD"),
        ("DELETE", "/sdk/splitChanges", "GET, HEAD"),
    ],
)
def test_a_method_that_an_address_does_not_take_is_405_with_every_method_that_it_takes(
    console: Console, method: str, path: str, allow: str
) -> None:
    answer = console.admin.request(method, path)
    methods = ", ".join(sorted(answer.headers["allow"].split(", ")))  # their order says nothing (RFC 9110, 10.2.1)
    assert (answer.status_code, methods) == (405, allow)


def test_a_form_from_another_site_is_refused_in_the_format_of_its_sender(console: Console) -> None:
    foreign = {"sec-fetch-site": "cross-site"}
    answer = console.admin.post("/fme", headers=foreign)
    assert (answer.status_code, answer.headers["content-type"]) == (403, "application/json")
    shown = console.admin.post("/profile/password", headers=foreign | BROWSER)
    assert shown.status_code == 403
    assert "did not come from one of Flagpost&#39;s own pages" in shown.text
