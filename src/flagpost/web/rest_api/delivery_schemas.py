"""The bodies of the REST API's answers about deliveries: resyncs, comparisons, log, health. Times are milliseconds."""

from pydantic import BaseModel, Field

from flagpost.actions.jira.delivery_health import Health, LogPage
from flagpost.actions.jira.reconciliation import ReconciliationReport
from flagpost.store.jira.delivery_log import Hour, LogEntry
from flagpost.store.jira.reconciliations import Finding
from flagpost.store.jira.resyncs import Progress
from flagpost.web.rest_api.bodies import Body


class Covered(Body):
    """What to resync: everything (nothing given), a project, or one flag of it, by name or id."""

    project: str | None = Field(None, max_length=255)
    flag: str | None = Field(None, max_length=255)


class FlagToCheck(Body):
    """What to compare with Jira: everything (nothing given), or one flag of a project, by name or id."""

    project: str | None = Field(None, max_length=255)
    flag: str | None = Field(None, max_length=255)


class ShownBackfill(BaseModel):
    """A resync. `scope`: site, project or flag. `outcome`: finished, cancelled, or replaced by a newer one.

    `outcome` is null while the resync runs, and `started_at` until delivery begins it. `rate`: flags a second within
    the last minute; `seconds_left` is null where the rate is 0.
    """

    id: str
    scope: str
    project: str | None
    flag: str | None
    name: str
    total: int
    done: int
    left: int
    rate: float
    seconds_left: int | None
    requested_at: int
    requested_by: str
    started_at: int | None
    outcome: str | None
    ended_at: int | None
    ended_by: str | None


class Backfills(BaseModel):
    """The last resyncs, the newest first."""

    backfills: list[ShownBackfill]


class ShownFinding(BaseModel):
    """A flag that Jira had otherwise than it was sent: missing, other, older, newer or still_there.

    `repaired`: Flagpost sent it, or deleted it, again.
    """

    flag: str
    project: str
    name: str
    at: int
    kind: str
    words: str
    repaired: bool


class ShownCheck(BaseModel):
    """A comparison. `kind`: nightly, asked, flag, or later (of a flag that was sent soon after its deletion).

    `read`: flags that were read from Jira; `waiting`: left out, because a change is pending or Jira refused the flag;
    `later`: sent moments before, and read again. `outcome`: done, budget, unreadable, gone; null while it runs.
    """

    id: str
    kind: str
    flag: str | None
    name: str
    requested_at: int
    requested_by: str
    started_at: int | None
    finished_at: int | None
    outcome: str | None
    words: str
    total: int
    read: int
    waiting: int
    later: int
    differed: int
    repaired: int
    findings: list[ShownFinding]


class Checks(BaseModel):
    """The last comparisons, the newest first."""

    checks: list[ShownCheck]


class ShownPush(BaseModel):
    """One delivery of a flag. `what`: sent, deleted or tombstone; `outcome`: accepted or refused.

    `enabled`, `default` and `rollout` are what was sent, null for a deletion; `issues`: for how many. `words`: Jira's
    message where it refused. `trace`: Atlassian's id of the answer. `waited_ms`: the time since the change.
    """

    flag: str
    project: str
    name: str
    at: int
    sequence: int
    what: str
    outcome: str
    enabled: bool | None
    default: str | None
    rollout: str | None
    issues: int
    words: str
    trace: str | None
    waited_ms: int


class Pushes(BaseModel):
    """A page of the log, the newest first. `next`: what to send as `after` for the next one; null on the last."""

    pushes: list[ShownPush]
    next: str | None


class ShownHour(BaseModel):
    """The sums of the hour that began at `hour`. Delays are from a change to Jira's answer."""

    hour: int
    accepted: int
    refused: int
    usual_delay_ms: int
    longest_delay_ms: int


class WaitingFlag(BaseModel):
    """A flag with a pending change, and since when."""

    flag: str
    project: str
    name: str
    since: int


class RefusedFlag(BaseModel):
    """A flag that Jira refused: Jira's message, and what to do."""

    flag: str
    project: str
    name: str
    at: int | None
    words: str
    to_do: str
    trace: str | None


class ShownHealth(BaseModel):
    """The health of delivery. `hours`: those with a delivery. `waiting` and `refused_flags`: up to 50."""

    state: str
    reason: str
    behind: int
    waiting_since: int | None
    waiting: list[WaitingFlag]
    refused: int
    refused_flags: list[RefusedFlag]
    hours: list[ShownHour]


def shown_backfill(progress: Progress) -> ShownBackfill:
    """A resync as the API shows it."""
    of = progress.resync
    return ShownBackfill(
        id=of.id,
        scope=of.scope,
        project=of.project_id,
        flag=of.flag_id,
        name=of.name,
        total=of.total,
        done=progress.done,
        left=progress.left,
        rate=round(progress.rate, 2),
        seconds_left=progress.seconds_left,
        requested_at=of.requested_at,
        requested_by=of.requested_by,
        started_at=of.started_at,
        outcome=of.outcome,
        ended_at=of.ended_at,
        ended_by=of.ended_by,
    )


def shown_check(report: ReconciliationReport) -> ShownCheck:
    """A comparison as the API shows it."""
    one = report.run
    return ShownCheck(
        id=one.id,
        kind=one.kind,
        flag=one.flag_id,
        name=one.name,
        requested_at=one.requested_at,
        requested_by=one.requested_by,
        started_at=one.started_at,
        finished_at=one.finished_at,
        outcome=one.outcome,
        words=one.message,
        total=one.total,
        read=one.read,
        waiting=one.skipped,
        later=one.postponed,
        differed=one.differed,
        repaired=one.repaired,
        findings=[_shown_finding(found) for found in report.findings],
    )


def _shown_finding(one: Finding) -> ShownFinding:
    return ShownFinding(
        flag=one.flag_id,
        project=one.project_id,
        name=one.flag_name,
        at=one.at,
        kind=one.kind,
        words=one.message,
        repaired=one.repaired,
    )


def shown_log(page: LogPage) -> Pushes:
    """A page of the log as the API shows it."""
    return Pushes(pushes=[_shown_push(one) for one in page.entries], next=page.next)


def _shown_push(one: LogEntry) -> ShownPush:
    return ShownPush(
        flag=one.flag_id,
        project=one.project_id,
        name=one.flag_name,
        at=one.at,
        sequence=one.version,
        what=one.action,
        outcome=one.outcome,
        enabled=one.enabled,
        default=one.default_value,
        rollout=one.rollout,
        issues=one.issues,
        words=one.message,
        trace=one.trace_id,
        waited_ms=one.delay_ms,
    )


def shown_health(health: Health) -> ShownHealth:
    """The health of delivery as the API shows it."""
    waiting = [
        WaitingFlag(flag=one.flag_id, project=one.project_id, name=one.flag_name, since=one.pending_since)
        for one in health.pending
    ]
    refused = [
        RefusedFlag(
            flag=one.entry.flag_id,
            project=one.entry.project_id,
            name=one.entry.flag_name,
            at=one.entry.delivered_at,
            words=one.entry.refusal or "",
            to_do=one.to_do,
            trace=one.entry.trace_id,
        )
        for one in health.refused
    ]
    return ShownHealth(
        state=health.state.state.value,
        reason=health.state.reason,
        behind=health.state.pending,
        waiting_since=health.pending_since,
        waiting=waiting,
        refused=health.state.refused_count,
        refused_flags=refused,
        hours=[_shown_hour(one) for one in health.hours],
    )


def _shown_hour(one: Hour) -> ShownHour:
    return ShownHour(
        hour=one.hour,
        accepted=one.accepted,
        refused=one.refused,
        usual_delay_ms=one.average_delay_ms,
        longest_delay_ms=one.longest_delay_ms,
    )
