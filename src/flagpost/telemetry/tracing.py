"""OpenTelemetry traces, where they are switched on (`FLAGPOST_TRACES`); otherwise nothing of it is even imported.

Where they are sent, and how, is said by OpenTelemetry's own variables (`OTEL_EXPORTER_OTLP_ENDPOINT`, …). Requests to
Flagpost are spans of FastAPI's own, which go on with the caller's `traceparent`; here are those of deliveries and of
the calls to Jira, which carry a `traceparent` too. A delivery works off what many changes left, so that it is a trace
of its own and names the requests it carries.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from flagpost import __version__
from flagpost.errors import SetupError

_PREFIX = "flagpost."
_ADDRESSES = ("url.path", "url.query", "url.full", "http.target", "http.url")
_HIDDEN = "(hidden)"
_provider: Any = None


class Span(Protocol):
    """What a block can say of itself."""

    def note(self, **values: object) -> None:
        """Add what is known by now; values that are None are left out."""

    def headers(self) -> dict[str, str]:
        """What a request has to carry, so that its receiver goes on with this trace (W3C: traceparent)."""


class _Nothing:
    """Traces are not switched on."""

    def note(self, **values: object) -> None:
        pass

    def headers(self) -> dict[str, str]:
        return {}


class _Recorded:
    """A span of OpenTelemetry's."""

    def __init__(self, span: Any) -> None:
        self._span = span

    def note(self, **values: object) -> None:
        for name, value in values.items():
            if value is not None:
                self._span.set_attribute(_PREFIX + name, value)

    def headers(self) -> dict[str, str]:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        carrier: dict[str, str] = {}
        TraceContextTextMapPropagator().inject(carrier)
        return carrier


_NOTHING = _Nothing()


def switch_on(exporter: Any = None) -> None:
    """Record spans from now on, and send them with `exporter`, or by OTLP over HTTP. SetupError without the extra."""
    global _provider  # noqa: PLW0603 - one process, one destination of its traces
    try:
        from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
        from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor

        class AddressesHidden(SpanProcessor):
            """Some addresses are secrets, an invitation's for example: spans name the route instead."""

            def on_start(self, span: Any, parent_context: Any = None) -> None:  # noqa: ARG002
                span.set_attributes({name: _HIDDEN for name in _ADDRESSES if name in span.attributes})

        processor = SimpleSpanProcessor(exporter) if exporter else BatchSpanProcessor(_otlp())
    except ImportError:
        raise SetupError("FLAGPOST_TRACES needs OpenTelemetry: pip install 'flagpost[otel]'") from None
    named = Resource.create({SERVICE_VERSION: __version__})
    if str(named.attributes.get(SERVICE_NAME, "unknown_service")).startswith("unknown_service"):
        named = named.merge(Resource({SERVICE_NAME: "flagpost"}))  # OTEL_SERVICE_NAME wins
    _provider = TracerProvider(resource=named)
    _provider.add_span_processor(AddressesHidden())
    _provider.add_span_processor(processor)


def switch_off() -> None:
    """Send what is left, and record no more."""
    global _provider  # noqa: PLW0603
    if _provider is not None:
        _provider.shutdown()
        _provider = None


def provider() -> object:
    """What records spans in this process; None where traces are not switched on."""
    return _provider


def for_fastapi() -> Any:
    """How the web application traces requests: with this provider, or not at all, whatever the variables say."""
    return {
        "tracing": _provider is not None,
        "tracer_provider": _provider,
        "metrics": False,
        "logs": False,
        "operation_spans": False,
        "auto_configure": False,
    }


@contextmanager
def span(name: str, kind: str = "internal", **values: object) -> Iterator[Span]:
    """A span around the block; `kind` is internal or client. An error that leaves the block is noted on it."""
    if _provider is None:
        yield _NOTHING
        return
    from opentelemetry.trace import SpanKind

    tracer = _provider.get_tracer("flagpost", __version__)
    with tracer.start_as_current_span(name, kind=SpanKind[kind.upper()]) as found:
        recorded = _Recorded(found)
        recorded.note(**values)
        yield recorded


def _otlp() -> Any:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter()
