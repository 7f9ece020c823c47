"""Every metric of Flagpost, as Prometheus reads them: what is counted while it runs, and what is asked at each scrape.

Counted here are things that happen in this process, in `REGISTRY`; a label's values come from a short list of the
code's own words, never from what somebody sent. How things stand in the database, which is the same for all
processes, is no counter: `FIGURES` describes it, and `flagpost.actions.metrics_page` reads it when it is asked for.

Series whose labels are known beforehand are there from the start, at 0, so that a first failure is seen as a rise.
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

_QUICK = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20)
_PATIENT = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 21_600)

BUILD = Gauge("flagpost_build_info", "Always 1; the label is Flagpost's version.", ["version"], registry=REGISTRY)
BUILD.labels(__version__).set(1)

HTTP_REQUESTS = Counter(
    "flagpost_http_requests_total",
    "HTTP requests answered, by method, route template and status.",
    ["method", "route", "status"],
    registry=REGISTRY,
)
HTTP_SECONDS = Histogram(
    "flagpost_http_request_seconds",
    "How long an HTTP request took, to the last byte of the answer.",
    ["method", "route"],
    buckets=_QUICK,
    registry=REGISTRY,
)
DATABASE_SECONDS = Histogram(
    "flagpost_database_transaction_seconds",
    "How long a transaction took, with the wait for a connection; kind is read or write.",
    ["kind"],
    buckets=(0.001, *_QUICK),
    registry=REGISTRY,
)
JIRA_REQUESTS = Counter(
    "flagpost_jira_requests_total",
    "Requests to Atlassian, by endpoint and status; status none where no answer came.",
    ["endpoint", "status"],
    registry=REGISTRY,
)
JIRA_SECONDS = Histogram(
    "flagpost_jira_request_seconds",
    "How long Atlassian took to answer, by endpoint.",
    ["endpoint"],
    buckets=_QUICK,
    registry=REGISTRY,
)
DELIVERIES = Counter(
    "flagpost_jira_deliveries_total",
    "Deliveries that ended, by outcome: done, stopped early by a limit or a shutdown, failed, or crashed.",
    ["outcome"],
    registry=REGISTRY,
)
FLAGS = Counter(
    "flagpost_jira_flags_total",
    "Flags that Jira answered for, by outcome: accepted, refused or removed.",
    ["outcome"],
    registry=REGISTRY,
)
FAILURES = Counter(
    "flagpost_jira_failures_total",
    "What kept a delivery from ending well, by kind.",
    ["kind"],
    registry=REGISTRY,
)
CHANGE_TO_JIRA = Histogram(
    "flagpost_jira_change_to_answer_seconds",
    "Time from a change's commit to Jira's answer for the flag; of several changes sent as one, from the first.",
    buckets=_PATIENT,
    registry=REGISTRY,
)
ISSUES = Counter(
    "flagpost_issue_lookups_total",
    "Issues that were looked up in Jira, by outcome: found or absent.",
    ["outcome"],
    registry=REGISTRY,
)
ENGINE_FAILURES = Counter(
    "flagpost_engine_failures_total",
    "Errors that the engine survived, by what failed: delivery, sweep, or a periodic task by its name.",
    ["part"],
    registry=REGISTRY,
)

IMPRESSIONS = Counter(
    "flagpost_impressions_total",
    "Impressions that were heard of, by outcome: kept, or refused for now, to be sent again.",
    ["outcome"],
    registry=REGISTRY,
)
IMPRESSIONS_DROPPED = Counter(
    "flagpost_impressions_dropped_total",
    "Impressions that were not counted, by reason: an unknown flag, a time far off, a treatment too long, or no room.",
    ["reason"],
    registry=REGISTRY,
)
EXPRESSIONS_GIVEN_UP = Counter(
    "flagpost_expressions_given_up_total",
    "Texts that a flag's regular expression was not searched for to the end, as it takes too long: they do not match.",
    registry=REGISTRY,
)

COUNTED = (
    *(BUILD, HTTP_REQUESTS, HTTP_SECONDS, DATABASE_SECONDS, JIRA_REQUESTS, JIRA_SECONDS, DELIVERIES, FLAGS),
    *(FAILURES, CHANGE_TO_JIRA, ISSUES, ENGINE_FAILURES, IMPRESSIONS, IMPRESSIONS_DROPPED, EXPRESSIONS_GIVEN_UP),
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
        (FLAGS, ("accepted", "refused", "removed")),
        (FAILURES, FAILURE_KINDS),
        (ISSUES, ("found", "absent")),
        (ENGINE_FAILURES, ("sweep", "delivery")),
        (IMPRESSIONS, ("kept", "refused")),
        (IMPRESSIONS_DROPPED, ("flag", "time", "treatment", "room")),
    ):
        for value in values:
            counter.labels(value)


_start_at_zero()

SITE_STATES = ("delivering", "paused", "quiet", "stopped", "disconnected")


@dataclass(frozen=True, slots=True)
class Figure:
    """A gauge that is read from the database when it is asked for."""

    name: str
    help: str
    labels: tuple[str, ...] = ()


DATABASE_UP = Figure("flagpost_database_up", "1 where the database answers, at this version's schema; else 0.")
ENGINE_UP = Figure("flagpost_engine_up", "1 where the engine of deliveries runs in this process; else 0.")
WORKERS = Figure("flagpost_queue_workers", "Processes that deliver to Jira and showed a sign of life just now.")
JOBS = Figure("flagpost_queue_jobs", "Deliveries in the queue, by state: waiting or running.", ("state",))
SITE_STATE = Figure(
    "flagpost_jira_site_state", f"1 for the state a site is in, else 0: {', '.join(SITE_STATES)}.", ("site", "state")
)
BEHIND = Figure("flagpost_jira_flags_behind", "Flags that Jira has yet to hear of (wanted > delivered).", ("site",))
OLDEST = Figure(
    "flagpost_jira_oldest_undelivered_seconds",
    "Age of the oldest change that Jira has yet to hear of; 0 where there is none.",
    ("site",),
)
REFUSED = Figure("flagpost_jira_flags_refused", "Flags that Jira refused in the version it heard last.", ("site",))
BACKFILL = Figure("flagpost_jira_backfill_remaining", "Flags that a back-fill under way has yet to send.", ("site",))
LAST_SUCCESS = Figure(
    "flagpost_jira_last_success_timestamp_seconds", "When Jira last took something from Flagpost.", ("site",)
)
TOKEN_EXPIRES = Figure(
    "flagpost_jira_token_expires_timestamp_seconds",
    "When the app's token runs out; its app brings a new one every hour. Absent with OAuth credentials.",
    ("site",),
)
ISSUES_DUE = Figure("flagpost_issues_due", "Issues that are due to be looked up again.", ("site",))
SITE_MOVED = Figure("flagpost_jira_site_moved", "1 where the site's address leads elsewhere now; else 0.", ("site",))
FIGURES = (
    DATABASE_UP,
    ENGINE_UP,
    WORKERS,
    JOBS,
    SITE_STATE,
    BEHIND,
    OLDEST,
    REFUSED,
    BACKFILL,
    LAST_SUCCESS,
    TOKEN_EXPIRES,
    ISSUES_DUE,
    SITE_MOVED,
)

Samples = Iterable[tuple[Figure, tuple[str, ...], float]]
"""What was read: a figure, its labels' values, and its value."""


class _Read(Collector):
    """Samples that were read just now, as the library wants them."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples

    def collect(self) -> Iterator[GaugeMetricFamily]:
        families: dict[str, GaugeMetricFamily] = {}
        for figure, labels, value in self._samples:
            family = families.setdefault(figure.name, GaugeMetricFamily(figure.name, figure.help, labels=figure.labels))
            family.add_metric(labels, value)
        yield from families.values()


def exposition(samples: Samples) -> bytes:
    """Everything this process counted, and what was read just now, in Prometheus' text format."""
    just_now = CollectorRegistry()
    just_now.register(_Read(list(samples)))
    return generate_latest(REGISTRY) + generate_latest(just_now)


def described() -> dict[str, str]:
    """Every metric of Flagpost's own by the name Prometheus knows it by, and what it says."""
    counted = {_exposed_name(family): family.documentation for one in COUNTED for family in one.describe()}
    return counted | {one.name: one.help for one in FIGURES}


def _exposed_name(family: Metric) -> str:
    return f"{family.name}_total" if family.type == "counter" else family.name


@contextmanager
def timed(observe: Callable[[float], None]) -> Iterator[None]:
    """Give how long the block took, in seconds, to `observe`; also where it raises."""
    begun = perf_counter()
    try:
        yield
    finally:
        observe(perf_counter() - begun)
