"""OpenTelemetry traces, if `FLAGPOST_TRACES` is set. Otherwise no module of OpenTelemetry is imported.

OpenTelemetry's own variables (`OTEL_EXPORTER_OTLP_ENDPOINT`, …) say where and how the spans are sent. FastAPI makes the
spans of requests to Flagpost, which continue the caller's `traceparent`. This module makes the spans of deliveries and
of calls to Jira, which send a `traceparent` too. A delivery sends the changes of many requests. So it is a trace of its
own, and its spans name these requests.
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
    """The span of a block."""

    def set(self, **values: object) -> None:
        """Set attributes. Values that are None are left out."""

    def headers(self) -> dict[str, str]:
        """The headers by which the receiver of a request continues this trace (W3C: traceparent)."""


class _NoSpan:
    """Stands in for a span while tracing is off."""

    def set(self, **values: object) -> None:
        pass

    def headers(self) -> dict[str, str]:
        return {}


class _Recorded:
    """A span of OpenTelemetry."""

    def __init__(self, span: Any) -> None:
        self._span = span

    def set(self, **values: object) -> None:
        for name, value in values.items():
            if value is not None:
                self._span.set_attribute(_PREFIX + name, value)

    def headers(self) -> dict[str, str]:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        carrier: dict[str, str] = {}
        TraceContextTextMapPropagator().inject(carrier)
        return carrier


_NO_SPAN = _NoSpan()


def switch_on(exporter: Any = None) -> None:
    """Record spans from now on, and send them with `exporter`, by default by OTLP over HTTP.

    SetupError if OpenTelemetry is not installed.
    """
    global _provider  # noqa: PLW0603 - a process has one destination of its traces
    try:
        from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
        from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor

        class HideAddresses(SpanProcessor):
            """Hides addresses: some are secrets, an invitation's for example. Spans name the route instead."""

            def on_start(self, span: Any, parent_context: Any = None) -> None:  # noqa: ARG002
                span.set_attributes({name: _HIDDEN for name in _ADDRESSES if name in span.attributes})

        processor = SimpleSpanProcessor(exporter) if exporter else BatchSpanProcessor(_otlp())
    except ImportError:
        raise SetupError("FLAGPOST_TRACES needs OpenTelemetry: pip install 'flagpost[otel]'") from None
    named = Resource.create({SERVICE_VERSION: __version__})
    if str(named.attributes.get(SERVICE_NAME, "unknown_service")).startswith("unknown_service"):
        named = named.merge(Resource({SERVICE_NAME: "flagpost"}))  # OTEL_SERVICE_NAME wins
    _provider = TracerProvider(resource=named)
    _provider.add_span_processor(HideAddresses())
    _provider.add_span_processor(processor)


def switch_off() -> None:
    """Send the remaining spans, and record no more."""
    global _provider  # noqa: PLW0603
    if _provider is not None:
        _provider.shutdown()
        _provider = None


def provider() -> object:
    """The tracer provider of this process; None while tracing is off."""
    return _provider


def for_fastapi() -> Any:
    """FastAPI's settings for tracing: with this provider, or not at all, regardless of OpenTelemetry's variables."""
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
    """A span around the block; `kind` is internal or client. An error that leaves the block is recorded on the span."""
    if _provider is None:
        yield _NO_SPAN
        return
    from opentelemetry.trace import SpanKind

    tracer = _provider.get_tracer("flagpost", __version__)
    with tracer.start_as_current_span(name, kind=SpanKind[kind.upper()]) as found:
        recorded = _Recorded(found)
        recorded.set(**values)
        yield recorded


def _otlp() -> Any:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter()
