"""OpenTelemetry traces: requests, deliveries and calls to Jira, and nothing of it where they are not switched on."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from flagpost.errors import SetupError
from flagpost.telemetry import tracing
from jira_sandbox.embedded import Sandbox
from tests.end_to_end.conftest import started
from tests.end_to_end.world import FEATURE_FLAGS

pytestmark = pytest.mark.slow

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
NEEDED = "OpenTelemetry's SDK is not installed: pip install 'flagpost[otel]'"


@pytest.fixture
def spans() -> Iterator[Any]:
    """What is recorded, kept in memory."""
    memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter", reason=NEEDED)
    exporter = memory.InMemorySpanExporter()
    tracing.switch_on(exporter)
    yield exporter
    tracing.switch_off()


def named(spans: Any, name: str) -> list[Any]:
    return [span for span in spans.get_finished_spans() if span.name == name]


def test_requests_deliveries_and_calls_to_jira_are_spans(spans: Any, sandbox: Sandbox, sqlite_url: str) -> None:
    for world in started(sandbox, sqlite_url):
        world.connect_jira()
        world.new_flag("pay", "PAY-1")
        world.settled()
        path = f"/internal/api/v2/splits/ws/{world.workspace()}/pay/environments/Production/kill"
        world.http.put(path, headers={"X-Request-Id": "traced-change-1", "traceparent": CALLER}).raise_for_status()
        world.settled()
    trace = int(CALLER.split("-")[1], 16)
    of_caller = [span for span in spans.get_finished_spans() if span.context.trace_id == trace]
    (request,) = [span for span in of_caller if span.kind.name == "SERVER"]
    assert "kill" in request.attributes["http.route"]
    batch = [
        span for span in named(spans, "batch") if "traced-change-1" in span.attributes.get("flagpost.changes", ())
    ][-1]
    delivery = next(span for span in named(spans, "delivery") if span.context.trace_id == batch.context.trace_id)
    call = next(span for span in named(spans, "Jira POST bulk") if span.context.trace_id == batch.context.trace_id)
    assert batch.parent.span_id == delivery.context.span_id
    assert call.parent.span_id == batch.context.span_id
    assert call.attributes["flagpost.status"] == "202"
    sent = next(
        one for one in sandbox.requests(FEATURE_FLAGS) if one["trace"] == call.attributes["flagpost.atlassian_trace_id"]
    )
    assert sent["traceparent"].startswith(f"00-{call.context.trace_id:032x}-{call.context.span_id:016x}-")


def test_an_address_that_is_a_secret_is_in_no_span(spans: Any, sandbox: Sandbox, sqlite_url: str) -> None:
    for world in started(sandbox, sqlite_url):
        httpx2.get(f"{world.url}/invite/one-time-secret", params={"q": "other-secret"}, trust_env=False, timeout=60)
    assert [span for span in spans.get_finished_spans() if span.kind.name == "SERVER"]
    said = " ".join(span.to_json() for span in spans.get_finished_spans())
    assert "secret" not in said


def test_a_call_that_fails_is_a_span_with_its_error(spans: Any) -> None:
    from flagpost.jira.client import JiraClient, JiraUnreachable
    from flagpost.settings import Settings

    client = JiraClient(Settings(atlassian_api_url="http://127.0.0.1:9", allow_insecure_jira=True))
    with pytest.raises(JiraUnreachable):
        client.get_public("http://127.0.0.1:9/_edge/tenant_info")
    client.close()
    (span,) = named(spans, "Jira GET tenant_info")
    assert span.attributes["flagpost.status"] == "none"
    assert not span.status.is_ok


def test_switched_off_nothing_is_loaded_recorded_or_sent(sandbox: Sandbox, sqlite_url: str) -> None:
    for world in started(sandbox, sqlite_url):
        world.connect_jira()
        world.new_flag("pay", "PAY-1")
        world.settled()
        assert httpx2.get(
            f"{world.url}/healthz", headers={"traceparent": CALLER}, trust_env=False, timeout=60
        ).is_success
    assert {one["traceparent"] for one in sandbox.requests(FEATURE_FLAGS)} == {None}
    code = "import sys, flagpost.app; sys.exit(any(m.startswith('opentelemetry.sdk') for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_the_extra_switching_on_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(SetupError, match=r"flagpost\[otel\]"):
        tracing.switch_on()
