"""What the console shows on the pages of the Jira integration, and on the pages that Jira leads to: one read each."""

from dataclasses import dataclass, replace

from flagpost.actions.access import Actor, Right
from flagpost.actions.accounts.users import read_possible_owners
from flagpost.actions.console import ConsolePage, read_shell
from flagpost.actions.context import Context
from flagpost.actions.flags.flags import FoundFlag, read_found_flags
from flagpost.actions.flags.pages import FlagAddress, FlagPage, read_flag
from flagpost.actions.jira import delivery_health, issue_links, payload_preview, reconciliation, resync
from flagpost.actions.jira.delivery_health import Health, LogPage
from flagpost.actions.jira.issue_links import ConnectedIssue, DeliveryStatus
from flagpost.actions.jira.payload_preview import Preview
from flagpost.actions.jira.reconciliation import ReconciliationReport
from flagpost.actions.jira.status import IntegrationState, read_state
from flagpost.actions.lookup import get_visible_project
from flagpost.errors import InvalidInput
from flagpost.store.db import Transaction
from flagpost.store.jira import account_links, integrations, issues, reconciliations
from flagpost.store.jira.account_links import AccountLink
from flagpost.store.jira.delivery_log import LogEntry, LogFilter
from flagpost.store.jira.integrations import Site
from flagpost.store.jira.reconciliations import Finding
from flagpost.store.jira.resyncs import Progress
from flagpost.store.projects import projects
from flagpost.store.records import Environment, Owner, Project, TrafficType

# Admin settings → Integrations ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class IntegrationPage(ConsolePage):
    """How the integration stands at the time `now` (milliseconds)."""

    state: IntegrationState
    now: int


def load_integration(ctx: Context, actor: Actor) -> IntegrationPage:
    """The page *Integrations*, and the page of the OAuth credentials."""
    actor.require(Right.MANAGE_INTEGRATIONS)
    now = ctx.clock()
    with ctx.db.read() as tx:
        return IntegrationPage(read_shell(tx, actor), read_state(tx, actor.account_id, now), now)


@dataclass(frozen=True, slots=True)
class IntegrationProjectsPage(ConsolePage):
    """The projects that the integration can have, each with its environments; and how the integration stands."""

    choices: list[tuple[Project, list[Environment]]]
    state: IntegrationState


def load_integration_projects(ctx: Context, actor: Actor) -> IntegrationProjectsPage:
    """The page on which projects and their primary environments are chosen."""
    actor.require(Right.MANAGE_INTEGRATIONS)
    with ctx.db.read() as tx:
        shell = read_shell(tx, actor)
        places = projects.environments_of(tx, [one.id for one in shell.projects])
        state = read_state(tx, actor.account_id, ctx.clock())
        return IntegrationProjectsPage(shell, [(one, places[one.id]) for one in shell.projects], state)


@dataclass(frozen=True, slots=True)
class HealthPage(ConsolePage):
    """How delivery fares, the last comparisons with Jira, and the last resyncs."""

    health: Health
    checks: list[ReconciliationReport]
    resyncs: list[Progress]


def load_health(ctx: Context, actor: Actor, period: str) -> HealthPage:
    """The page *Health*, over one of `delivery_health.PERIODS`."""
    actor.require(Right.MANAGE_INTEGRATIONS)
    now = ctx.clock()
    with ctx.db.read() as tx:
        return HealthPage(
            read_shell(tx, actor),
            delivery_health.read_health(tx, actor.account_id, period, now),
            reconciliation.read_reconciliations(tx, actor.account_id),
            resync.read_resyncs(tx, actor.account_id, now),
        )


@dataclass(frozen=True, slots=True)
class DeliveryLogPage(ConsolePage):
    """A page of the delivery log; where the query cannot be answered, `log` is None and `error` says why."""

    log: LogPage | None
    error: InvalidInput | None


def load_delivery_log(ctx: Context, actor: Actor, wanted: LogFilter | None, after: str | None) -> DeliveryLogPage:
    """The page *Delivery log* of the account; without a filter, no entries are read."""
    actor.require(Right.MANAGE_INTEGRATIONS)
    with ctx.db.read() as tx:
        return DeliveryLogPage(read_shell(tx, actor), *_read_log(tx, actor, wanted, after))


def _read_log(
    tx: Transaction, actor: Actor, wanted: LogFilter | None, after: str | None
) -> tuple[LogPage | None, InvalidInput | None]:
    if wanted is None:
        return None, None
    try:
        return delivery_health.read_log(tx, actor.account_id, wanted, after, _ENTRIES), None
    except InvalidInput as error:
        return None, error


_ENTRIES = 50


@dataclass(frozen=True, slots=True)
class AccountLinksPage(ConsolePage):
    """The Atlassian accounts that act as the signed-in person."""

    links: list[AccountLink]


def load_account_links(ctx: Context, actor: Actor) -> AccountLinksPage:
    """The page *Link with Jira*."""
    with ctx.db.read() as tx:
        return AccountLinksPage(read_shell(tx, actor), account_links.links_of(tx, actor.id))


# A flag's tab Integrations ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FlagIntegrationsPage(FlagPage):
    """A flag's issues, whether Jira has its newest version, what was sent last, and what a comparison found.

    `primary` is the environment of the flag's project that Jira shows; None where the integration has not the project.
    """

    connected: list[ConnectedIssue]
    delivery: DeliveryStatus
    sent: list[LogEntry]
    findings: list[Finding]
    primary: Environment | None


_SENT_SHOWN = 5


def load_flag_integrations(ctx: Context, actor: Actor, at: FlagAddress) -> FlagIntegrationsPage:
    """The tab *Integrations*, with issues that are at most a few minutes old where Jira answers.

    Where Jira is asked, that happens between two reads, since no transaction waits for Jira.
    """
    found, site = _read_flag_integrations(ctx, actor, at)
    if issue_links.refresh_issues(ctx, actor, site, [one.issue for one in found.connected]):
        found, _ = _read_flag_integrations(ctx, actor, at)
    return found


def _read_flag_integrations(ctx: Context, actor: Actor, at: FlagAddress) -> tuple[FlagIntegrationsPage, Site | None]:
    with ctx.db.read() as tx:
        one = read_flag(tx, actor, at)
        site = integrations.site_of_account(tx, actor.account_id)
        chosen = integrations.chosen_projects(tx, actor.account_id)
        page = FlagIntegrationsPage(
            read_shell(tx, actor, one.project),
            one,
            [issue_links.connected_issue(link, site) for link in issues.connections_of(tx, one.flag.id)],
            issue_links.read_delivery_status(tx, actor.account_id, one.flag.id),
            delivery_health.read_log(tx, actor.account_id, LogFilter(one.flag.id), None, _SENT_SHOWN).entries,
            reconciliations.findings_of_flag(tx, one.flag.id, 1),
            next((choice.environment for choice in chosen if choice.project.id == one.project.id), None),
        )
        return page, site


@dataclass(frozen=True, slots=True)
class FlagPreviewPage(FlagPage):
    """What Jira would be sent of a flag now."""

    found: Preview


def load_flag_preview(ctx: Context, actor: Actor, at: FlagAddress) -> FlagPreviewPage:
    """The page *What Jira would be sent*."""
    with ctx.db.read() as tx:
        one = read_flag(tx, actor, at)
        found = payload_preview.read_preview(ctx, tx, actor, one.flag)
        return FlagPreviewPage(read_shell(tx, actor, one.project), one, found)


@dataclass(frozen=True, slots=True)
class FlagLogPage(FlagPage):
    """A page of a flag's delivery log, as in DeliveryLogPage."""

    log: LogPage | None
    error: InvalidInput | None


def load_flag_log(
    ctx: Context, actor: Actor, at: FlagAddress, wanted: LogFilter | None, after: str | None
) -> FlagLogPage:
    """The page *Delivery log* of a flag; without a filter, no entries are read."""
    with ctx.db.read() as tx:
        one = read_flag(tx, actor, at)
        log = _read_log(tx, actor, wanted and replace(wanted, flag=one.flag.id), after)
        return FlagLogPage(read_shell(tx, actor, one.project), one, *log)


# Where Jira's Create and Connect lead -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NewFlagPage(ConsolePage):
    """The form for a new flag in the project `chosen`. `in_jira`: the ids of the projects in the Jira integration."""

    chosen: Project
    in_jira: set[str]
    owners: list[Owner]
    traffic_types: list[TrafficType]


def load_new_flag(ctx: Context, actor: Actor, project: str | None, *, from_jira: bool) -> NewFlagPage:
    """The form for a new flag. Without a project it offers the first one; from Jira, the first of the integration.

    InvalidInput where the person may view no project.
    """
    actor.require(Right.EDIT_FLAGS)
    with ctx.db.read() as tx:
        shell = read_shell(tx, actor)
        chosen = [one.project for one in issue_links.read_projects_for_connect(tx, actor)]
        offered = [*(chosen if from_jira else []), *shell.projects]
        found = get_visible_project(tx, actor, project) if project else next(iter(offered), None)
        if found is None:
            raise InvalidInput("There is no project that you can see. Ask an admin.")
        owners = read_possible_owners(tx, actor.account_id)
        kinds = projects.list_traffic_types(tx, found.id)
        return NewFlagPage(replace(shell, project=found), found, {one.id for one in chosen}, owners, kinds)


@dataclass(frozen=True, slots=True)
class ConnectPage(ConsolePage):
    """The flags that fit a search; `configured`: whether any project that the person may view is in the integration."""

    found: list[FoundFlag]
    configured: bool


def load_connect(ctx: Context, actor: Actor, text: str, *, limit: int) -> ConnectPage:
    """The page where Jira's *Connect feature flag* leads: flags of the integration's projects, by part of the name."""
    actor.require(Right.EDIT_FLAGS)
    with ctx.db.read() as tx:
        chosen = [one.project.id for one in issue_links.read_projects_for_connect(tx, actor)]
        found = read_found_flags(tx, actor, text, chosen, limit)
        return ConnectPage(read_shell(tx, actor), found, bool(chosen))
