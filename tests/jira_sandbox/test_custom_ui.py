"""Apps' pages over HTTP: what their frames are served, and what they can ask for. In a browser: test_app_pages."""

from collections.abc import Iterator

import httpx2
import pytest

from jira_sandbox.embedded import Sandbox

MANIFEST = {
    "app": {"id": "ari:cloud:ecosystem::app/8db33309-2a52-4d0e-9c0f-5a4e1a1d2f5a"},
    "remotes": [{"key": "own", "baseUrl": "http://127.0.0.1:9"}],
    "resources": [{"key": "main", "path": "static/main"}],
    "modules": {
        "endpoint": [{"key": "page", "remote": "own", "route": {"path": "/page"}}],
        "jira:issuePanel": [
            {"key": "panel", "title": "A panel", "icon": "", "resource": "main", "resolver": {"endpoint": "page"}}
        ],
    },
}
FILES = {"static/main/index.html": "<html><head><title>It</title></head></html>", "static/main/page.js": "1"}


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=sandbox.url, trust_env=False) as found:
        yield found


@pytest.fixture
def installed(client: httpx2.Client, sandbox: Sandbox) -> str:
    return f"/custom-ui/{sandbox.install(MANIFEST, FILES)}"


def test_a_page_gets_the_bridge_before_anything_of_its_own(client: httpx2.Client, installed: str) -> None:
    page = client.get(f"{installed}/static/main/index.html")
    assert page.headers["content-type"].startswith("text/html")
    assert page.text.startswith('<html><head><script src="/custom-ui/assets/bridge.js"></script>')
    assert '"@forge/bridge": "/custom-ui/assets/forge-bridge.js"' in page.text
    assert client.get(f"{installed}/static/main/page.js").text == "1"


def test_a_page_has_no_origin_and_no_network(client: httpx2.Client, installed: str) -> None:
    policy = client.get(f"{installed}/static/main/index.html").headers["content-security-policy"]
    assert policy.startswith("sandbox allow-scripts allow-forms; default-src 'none';")
    assert "unsafe-inline" not in policy


@pytest.mark.parametrize("path", ["static/main/none.js", "../../state.py", "manifest.yml"])
def test_nothing_but_the_apps_own_files_is_served(client: httpx2.Client, installed: str, path: str) -> None:
    assert client.get(f"{installed}/{path}").status_code == 404
    assert client.get(f"/custom-ui/assets/{path.rpartition('/')[2]}").status_code == 404


def test_a_panel_shows_where_there_are_files_for_it(client: httpx2.Client, installed: str, sandbox: Sandbox) -> None:
    assert f'src="{installed}/static/main/index.html"' in client.get("/browse/PAY-1").text
    sandbox.reset()
    sandbox.install(MANIFEST)
    assert "The app was installed without its pages." in client.get("/browse/PAY-1").text


def test_a_remote_that_is_silent_rejects_the_call(client: httpx2.Client, installed: str) -> None:
    asked = {"module": "panel", "issue": "PAY-1", "request": {"path": "/page", "method": "GET"}}
    assert "does not answer" in client.post(f"{installed}/invoke", json=asked).json()["rejected"]


@pytest.mark.parametrize("place", [{"module": "other", "issue": "PAY-1"}, {"module": "panel"}])
def test_only_a_page_in_its_place_can_call(client: httpx2.Client, installed: str, place: dict[str, str]) -> None:
    asked = {**place, "request": {"path": "/page", "method": "GET"}}
    assert client.post(f"{installed}/invoke", json=asked).status_code == 404
    assert client.post("/custom-ui/none/invoke", json=asked).status_code == 404


def test_whoever_looks_can_be_switched_and_the_page_stays(client: httpx2.Client, sandbox: Sandbox) -> None:
    here = {"referer": f"{sandbox.url}/browse/PAY-2"}
    answer = client.post("/jira/person", data={"person": "557058:ravi-patel"}, headers=here)
    assert answer.headers["location"] == "/browse/PAY-2"
    assert '<option value="557058:ravi-patel" selected>' in client.get("/").text
