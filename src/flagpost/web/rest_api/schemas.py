"""The bodies of the REST API under /api/v1. Times are milliseconds since 1970."""

from pydantic import BaseModel, Field

from flagpost.actions.context import Context
from flagpost.actions.jira.issue_links import ConnectedIssue, DeliveryStatus
from flagpost.actions.jira.status import IntegrationState
from flagpost.store.jira.integrations import ChosenProject
from flagpost.web.rest_api.bodies import Body
from flagpost.web.rest_api.jira_schemas import ShownCredentials, ShownRemoval, shown_credentials, shown_removal


class ProjectChoice(Body):
    """A project and its one primary environment, each by name or id."""

    project: str = Field(min_length=1, max_length=255)
    environment: str = Field(min_length=1, max_length=255)


class NewIntegration(Body):
    """The projects that Jira shows; `site` limits the integration to one Jira Cloud address."""

    projects: list[ProjectChoice] = Field(max_length=1000)
    site: str | None = Field(None, max_length=500)


class ChangedIntegration(Body):
    """The projects that Jira shows from now on."""

    projects: list[ProjectChoice] = Field(max_length=1000)


class IssuesToConnect(Body):
    """Issue keys, numeric ids or addresses."""

    issues: list[str] = Field(min_length=1, max_length=100)


class ErrorProblem(BaseModel):
    """One thing wrong with what was sent."""

    path: str
    message: str


class ErrorBody(BaseModel):
    """What is wrong."""

    message: str
    problems: list[ErrorProblem] = []


class ErrorAnswer(BaseModel):
    """Every answer that is not a success."""

    error: ErrorBody


class ShownProject(BaseModel):
    """A project of the integration. `visible` is false where its view permissions leave the token out."""

    id: str
    project: str
    environment: str
    environment_id: str
    visible: bool


class Backfill(BaseModel):
    """The progress of a resync."""

    total: int
    done: int
    started_at: int | None
    finished_at: int | None


class RefusedFlag(BaseModel):
    """A flag that Jira refused, with Jira's message."""

    id: str
    name: str
    words: str


class Integration(BaseModel):
    """The state of the integration. `reason` says what to do where something is wrong.

    `behind`: how many flags are pending. `way`: app or oauth. `moved_to`: the site's new address, to be confirmed.
    """

    state: str
    reason: str
    projects: list[ShownProject]
    site: str | None
    way: str | None
    moved_to: str | None
    behind: int
    refused: int
    refused_flags: list[RefusedFlag]
    last_success: int | None
    last_error: str | None
    last_error_at: int | None
    paused_until: int | None
    backfill: Backfill | None
    credentials: ShownCredentials | None
    removals: list[ShownRemoval]


class NewIntegrationAnswer(Integration):
    """The state of a new integration, with its token, which is shown once."""

    token: str


class Token(BaseModel):
    """A new token, which is shown once."""

    token: str


class Issue(BaseModel):
    """A connected issue. `state` is known, unchecked (Jira was not asked yet), missing or deleted.

    `checked_at`: when Flagpost looked the issue up.
    """

    key: str
    id: str | None
    summary: str
    type: str
    status: str
    assignee: str
    state: str
    checked_at: int | None
    url: str
    connected_at: int
    connected_by: str


class Delivery(BaseModel):
    """How far Jira has the flag: none, waiting, delivered, or refused, with Jira's message in `words`."""

    state: str
    words: str
    since: int | None


class Issues(BaseModel):
    """A flag's issues, and how far Jira has the flag."""

    issues: list[Issue]
    delivery: Delivery


def shown_project(one: ChosenProject) -> ShownProject:
    """A chosen project as the API shows it."""
    return ShownProject(
        id=one.project.id,
        project=one.project.name,
        environment=one.environment.name,
        environment_id=one.environment.id,
        visible=one.visible,
    )


def shown_integration(ctx: Context, state: IntegrationState) -> Integration:
    """The integration as the API shows it."""
    site = state.site
    latest = state.resync
    backfill = None
    if latest and latest.resync.started_at is not None:
        of = latest.resync
        backfill = Backfill(total=of.total, done=latest.done, started_at=of.started_at, finished_at=of.ended_at)
    return Integration(
        state=state.state.value,
        reason=state.reason,
        projects=[shown_project(one) for one in state.projects],
        site=state.connected.site_url if state.connected else None,
        way=state.connected.auth_method if state.connected else None,
        moved_to=site.moved_to if site else None,
        behind=state.pending,
        refused=state.refused_count,
        refused_flags=[RefusedFlag(id=p.flag_id, name=p.flag_name, words=p.refusal or "") for p in state.refused],
        last_success=site.last_success_at if site else None,
        last_error=site.last_error if site else None,
        last_error_at=site.last_error_at if site else None,
        paused_until=max(site.paused_until or 0, site.quota_resets_at or 0) or None if site else None,
        backfill=backfill,
        credentials=shown_credentials(ctx, state.credentials) if state.credentials else None,
        removals=[shown_removal(one) for one in state.removals],
    )


def shown_issue(connected: ConnectedIssue) -> Issue:
    """A connected issue as the API shows it."""
    issue = connected.issue
    return Issue(
        key=issue.key,
        id=issue.jira_id,
        summary=issue.summary,
        type=issue.issue_type,
        status=issue.status,
        assignee=issue.assignee,
        state=issue.state,
        checked_at=issue.checked_at,
        url=connected.url,
        connected_at=connected.connected_at,
        connected_by=connected.connected_by,
    )


def shown_delivery(status: DeliveryStatus) -> Delivery:
    """A delivery status as the API shows it."""
    return Delivery(state=status.state, words=status.words, since=status.since)
