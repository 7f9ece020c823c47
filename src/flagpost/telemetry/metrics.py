"""Every metric of Flagpost, in Prometheus' format: those that a process counts, and those of the database.

A process counts what happens in it, in `REGISTRY`. The values of a label come from a short list in the code and never
from a request. The state of the database is the same for all processes, so it is not counted: `DATABASE_GAUGES`
describes these metrics, and `flagpost.actions.metrics_page` reads them at each scrape.

Series with known labels start at 0, so that Prometheus sees the first failure as an increase.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from flagpost import __version__

CONTENT_TYPE = CONTENT_TYPE_LATEST
REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)

_REQUEST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20)
_LAG_BUCKETS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 21_600)

BUILD = Gauge("flagpost_build_info", "Always 1; the label is Flagpost's version.", ["version"], registry=REGISTRY)
BUILD.labels(__version__).set(1)

HTTP_REQUESTS = Counter(
    "flagpost_http_requests_total",
    "HTTP requests, by method, route template and status.",
    ["method", "route", "status"],
    registry=REGISTRY,
)
HTTP_SECONDS = Histogram(
    "flagpost_http_request_seconds",
    "Duration of an HTTP request, until the last byte of the response.",
    ["method", "route"],
    buckets=_REQUEST_BUCKETS,
    registry=REGISTRY,
)
DATABASE_SECONDS = Histogram(
    "flagpost_database_transaction_seconds",
    "Duration of a transaction, with the wait for a connection; kind is read or write.",
    ["kind"],
    buckets=(0.001, *_REQUEST_BUCKETS),
    registry=REGISTRY,
)
JIRA_REQUESTS = Counter(
    "flagpost_jira_requests_total",
    "Requests to Atlassian, by endpoint and status; the status is none if there was no response.",
    ["endpoint", "status"],
    registry=REGISTRY,
)
JIRA_SECONDS = Histogram(
    "flagpost_jira_request_seconds",
    "Duration of a request to Atlassian, by endpoint.",
    ["endpoint"],
    buckets=_REQUEST_BUCKETS,
    registry=REGISTRY,
)
DELIVERIES = Counter(
    "flagpost_jira_deliveries_total",
    "Finished deliveries, by outcome: done, stopped early by a limit or a shutdown, failed, or crashed.",
    ["outcome"],
    registry=REGISTRY,
)
FLAGS_SENT = Counter(
    "flagpost_jira_flags_total",
    "Flags that were sent to Jira, by outcome: accepted, refused or removed.",
    ["outcome"],
    registry=REGISTRY,
)
DELIVERY_FAILURES = Counter(
    "flagpost_jira_failures_total",
    "Failed deliveries, by kind of failure.",
    ["kind"],
    registry=REGISTRY,
)
DELIVERY_LAG_SECONDS = Histogram(
    "flagpost_jira_delivery_lag_seconds",
    "Time from the commit of a change to Jira's response for the flag; of several changes sent as one, from the first.",
    buckets=_LAG_BUCKETS,
    registry=REGISTRY,
)
ISSUE_LOOKUPS = Counter(
    "flagpost_issue_lookups_total",
    "Issues that were looked up in Jira, by outcome: found or absent.",
    ["outcome"],
    registry=REGISTRY,
)
ENGINE_FAILURES = Counter(
    "flagpost_engine_failures_total",
    "Errors that the job engine survived, by part: delivery, sweep, or the name of a periodic task.",
    ["part"],
    registry=REGISTRY,
)

IMPRESSIONS = Counter(
    "flagpost_impressions_total",
    "Impressions that were received, by outcome: kept, or refused for now, so that the SDK sends them again.",
    ["outcome"],
    registry=REGISTRY,
)
IMPRESSIONS_DROPPED = Counter(
    "flagpost_impressions_dropped_total",
    "Impressions that were not counted, by reason: unknown flag, implausible time, treatment too long, or no room.",
    ["reason"],
    registry=REGISTRY,
)
EXPRESSIONS_TIMED_OUT = Counter(
    "flagpost_expressions_timed_out_total",
    "Searches for a flag's regular expression that took too long and were cancelled: they count as no match.",
    registry=REGISTRY,
)

PROCESS_METRICS = (
    *(BUILD, HTTP_REQUESTS, HTTP_SECONDS, DATABASE_SECONDS, JIRA_REQUESTS, JIRA_SECONDS, DELIVERIES, FLAGS_SENT),
    *(
        DELIVERY_FAILURES,
        DELIVERY_LAG_SECONDS,
        ISSUE_LOOKUPS,
        ENGINE_FAILURES,
        IMPRESSIONS,
        IMPRESSIONS_DROPPED,
        EXPRESSIONS_TIMED_OUT,
    ),
)

FAILURE_KINDS = (
    "rate_limited",
    "quota",
    "unavailable",
    "unreachable",
    "unauthorized",
    "forbidden",
    "not_found",
    "moved",
    "token_missing",
    "credentials",
    "other",
)


def _start_at_zero() -> None:
    for counter, values in (
        (DELIVERIES, ("done", "stopped", "failed", "crashed")),
        (FLAGS_SENT, ("accepted", "refused", "removed")),
        (DELIVERY_FAILURES, FAILURE_KINDS),
        (ISSUE_LOOKUPS, ("found", "absent")),
        (ENGINE_FAILURES, ("sweep", "delivery")),
        (IMPRESSIONS, ("kept", "refused")),
        (IMPRESSIONS_DROPPED, ("flag", "time", "treatment", "room")),
    ):
        for value in values:
            counter.labels(value)


_start_at_zero()

SITE_STATES = ("delivering", "paused", "quota_exceeded", "suspended", "disconnected")


@dataclass(frozen=True, slots=True)
class DatabaseGauge:
    """A gauge that is read from the database at each scrape."""

    name: str
    help: str
    labels: tuple[str, ...] = ()


DATABASE_UP = DatabaseGauge(
    "flagpost_database_up", "1 if the database can be used and has the schema of this version; else 0."
)
ENGINE_UP = DatabaseGauge("flagpost_engine_up", "1 if the job engine of this process runs; else 0.")
WORKERS = DatabaseGauge("flagpost_queue_workers", "Processes that deliver to Jira and sent a heartbeat just now.")
JOBS = DatabaseGauge("flagpost_queue_jobs", "Deliveries in the queue, by state: waiting or running.", ("state",))
SITE_STATE = DatabaseGauge(
    "flagpost_jira_site_state", f"1 for the state a site is in, else 0: {', '.join(SITE_STATES)}.", ("site", "state")
)
FLAGS_PENDING = DatabaseGauge(
    "flagpost_jira_flags_pending", "Flags with a change that Jira has not received (wanted > delivered).", ("site",)
)
OLDEST_PENDING_SECONDS = DatabaseGauge(
    "flagpost_jira_oldest_pending_seconds",
    "Age of the oldest change that Jira has not received; 0 if there is none.",
    ("site",),
)
FLAGS_REFUSED = DatabaseGauge("flagpost_jira_flags_refused", "Flags whose last sent version Jira refused.", ("site",))
RESYNC_REMAINING = DatabaseGauge(
    "flagpost_jira_resync_remaining", "Flags that the resync in progress has not sent yet.", ("site",)
)
LAST_SUCCESS = DatabaseGauge(
    "flagpost_jira_last_success_timestamp_seconds", "Time of the last request that Jira accepted.", ("site",)
)
TOKEN_EXPIRES = DatabaseGauge(
    "flagpost_jira_token_expires_timestamp_seconds",
    "Time when the app's token expires; the app sends a new one every hour. Absent with OAuth credentials.",
    ("site",),
)
ISSUES_DUE = DatabaseGauge("flagpost_issues_due", "Issues that are due to be looked up again.", ("site",))
SITE_MOVED = DatabaseGauge("flagpost_jira_site_moved", "1 if the site has moved to another address; else 0.", ("site",))
DATABASE_GAUGES = (
    DATABASE_UP,
    ENGINE_UP,
    WORKERS,
    JOBS,
    SITE_STATE,
    FLAGS_PENDING,
    OLDEST_PENDING_SECONDS,
    FLAGS_REFUSED,
    RESYNC_REMAINING,
    LAST_SUCCESS,
    TOKEN_EXPIRES,
    ISSUES_DUE,
    SITE_MOVED,
)

Samples = Iterable[tuple[DatabaseGauge, tuple[str, ...], float]]
"""A gauge, the values of its labels, and its value."""


class _DatabaseCollector(Collector):
    """Gives samples of the database to the Prometheus library."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples

    def collect(self) -> Iterator[GaugeMetricFamily]:
        families: dict[str, GaugeMetricFamily] = {}
        for gauge, labels, value in self._samples:
            family = families.setdefault(gauge.name, GaugeMetricFamily(gauge.name, gauge.help, labels=gauge.labels))
            family.add_metric(labels, value)
        yield from families.values()


def exposition(samples: Samples) -> bytes:
    """The metrics of this process and these samples, in Prometheus' text format."""
    database = CollectorRegistry()
    database.register(_DatabaseCollector(list(samples)))
    return generate_latest(REGISTRY) + generate_latest(database)


def documented() -> dict[str, str]:
    """The help text of every metric of Flagpost, by the name in Prometheus."""
    counted = {_exposed_name(family): family.documentation for one in PROCESS_METRICS for family in one.describe()}
    return counted | {one.name: one.help for one in DATABASE_GAUGES}


def _exposed_name(family: Metric) -> str:
    return f"{family.name}_total" if family.type == "counter" else family.name


@contextmanager
def timed(observe: Callable[[float], None]) -> Iterator[None]:
    """Pass the duration of the block in seconds to `observe`, also if the block raises."""
    begun = perf_counter()
    try:
        yield
    finally:
        observe(perf_counter() - begun)
