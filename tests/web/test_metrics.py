"""`/metrics`: who may read it, and that nothing a caller sends becomes a label."""

from dataclasses import replace
from typing import Any, cast

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from flagpost.store import health
from tests.web.conftest import Console

pytestmark = pytest.mark.slow

TOKEN = "metrics-token-of-the-test"


def with_settings(console: Console, **changed: object) -> None:
    context = console.ctx
    console.app.parts.context = replace(context, settings=context.settings.model_copy(update=changed))


def from_here(console: Console) -> TestClient:
    return TestClient(console.app, client=("127.0.0.1", 50_000))


def samples(text: str) -> dict[tuple[str, ...], float]:
    """Every sample, by its name and the values of its labels."""
    families = text_string_to_metric_families(text)
    return {(one.name, *one.labels.values()): one.value for family in families for one in family.samples}


def test_without_a_token_only_this_machine_reads_them(console: Console) -> None:
    assert from_here(console).get("/metrics").status_code == 200
    elsewhere = TestClient(console.app, client=("192.0.2.7", 50_000)).get("/metrics")
    assert (elsewhere.status_code, "FLAGPOST_METRICS_TOKEN" in elsewhere.text) == (401, True)
    assert console.admin.get("/metrics").status_code == 401


@pytest.mark.parametrize("header", ["Forwarded", "X-Forwarded-For", "X-Real-IP", "Via"])
def test_what_a_proxy_on_this_machine_passes_on_does_not_come_from_it(console: Console, header: str) -> None:
    assert from_here(console).get("/metrics", headers={header: "192.0.2.7"}).status_code == 401


def test_where_others_reach_flagpost_a_token_is_needed_from_here_too(console: Console) -> None:
    with_settings(console, base_url="https://flags.example.com")
    assert from_here(console).get("/metrics").status_code == 401


def test_with_a_token_whoever_has_it_reads_them(console: Console) -> None:
    from pydantic import SecretStr

    with_settings(console, metrics_token=SecretStr(TOKEN), base_url="https://flags.example.com")
    reader = TestClient(console.app, client=("192.0.2.7", 50_000))
    assert reader.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    for wrong in (f"Bearer {TOKEN}x", f"Basic {TOKEN}", "Bearer ", f"Bearer {TOKEN[:-1]}é".encode()):
        assert reader.get("/metrics", headers=cast(Any, {"Authorization": wrong})).status_code == 401
    assert from_here(console).get("/metrics").status_code == 401


def test_requests_are_counted_by_the_template_of_their_route(console: Console) -> None:
    before = samples(from_here(console).get("/metrics").text)
    assert console.admin.get(f"/projects/{console.project}/flags").status_code == 200
    assert console.admin.get("/no/such/page/0123456789").status_code == 404
    assert console.admin.get("/static/console.css").status_code == 200
    assert console.admin.request("BREW", "/healthz").status_code == 405
    text = from_here(console).get("/metrics").text
    after = samples(text)
    name = "flagpost_http_requests_total"
    for key in (
        (name, "GET", "/projects/{project}/flags", "200"),
        (name, "GET", "none", "404"),
        (name, "GET", "/static", "200"),
    ):
        assert after[key] == before.get(key, 0) + 1, key
    assert any(key[:2] == (name, "OTHER") for key in after)
    assert console.project not in text
    assert "0123456789" not in text
    assert "BREW" not in text


def test_a_request_that_comes_from_elsewhere_is_counted_too(console: Console) -> None:
    refused = console.stranger.post("/signin", headers={"sec-fetch-site": "cross-site"})
    assert refused.status_code == 403
    assert ("flagpost_http_requests_total", "POST", "none", "403") in samples(from_here(console).get("/metrics").text)


def test_a_database_that_is_away_is_a_figure_and_not_an_error(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_database: object) -> None:
        raise RuntimeError("away")

    monkeypatch.setattr(health, "trouble", away)
    answer = from_here(console).get("/metrics")
    found = samples(answer.text)
    assert (answer.status_code, found["flagpost_database_up",]) == (200, 0.0)
    assert ("flagpost_jira_deliveries_total", "done") in found


def test_the_id_of_a_request_is_the_callers_where_it_is_plain(console: Console) -> None:
    assert (
        console.stranger.get("/healthz", headers={"X-Request-Id": "from-the-proxy-1"}).headers["x-request-id"]
        == "from-the-proxy-1"
    )
    assert console.stranger.get("/healthz", headers={"X-Request-Id": "a b"}).headers["x-request-id"] != "a b"


def test_routes_for_applications_are_counted_by_their_templates_too(console: Console) -> None:
    assert console.stranger.get("/sdk/splitChanges", params={"since": "-1"}).status_code == 401
    key = ("flagpost_http_requests_total", "GET", "/sdk/splitChanges", "401")
    assert key in samples(from_here(console).get("/metrics").text)
