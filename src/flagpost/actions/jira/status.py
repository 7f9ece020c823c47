"""How the Jira integration of an account stands: everything an admin wants to see at a glance."""

from dataclasses import dataclass, replace
from enum import StrEnum

from flagpost.actions.access import Actor, Right
from flagpost.actions.context import Context
from flagpost.actions.jira.api_calls import quota_used_up
from flagpost.jira.site_access import APP, WaitingForToken
from flagpost.store.accounts import api_keys
from flagpost.store.db import Transaction
from flagpost.store.jira import credentials, integrations, outbox, removals, resyncs
from flagpost.store.jira.credentials import Credentials
from flagpost.store.jira.integrations import ChosenProject, Installation, Site
from flagpost.store.jira.outbox import OutboxEntry
from flagpost.store.jira.removals import Removal
from flagpost.store.jira.resyncs import Progress
from flagpost.store.records import ApiKey

_MOST_SHOWN = 20
_REMOVALS_SHOWN = 5


class State(StrEnum):
    """How the integration stands."""

    NOT_SET_UP = "not_set_up"
    WAITING_FOR_JIRA = "waiting_for_jira"
    CONNECTED = "connected"
    NEEDS_ATTENTION = "needs_attention"
    LEAVING = "leaving"  # removed; Jira still holds some flags


@dataclass(frozen=True, slots=True)
class IntegrationState:
    """The integration and its site. Times are milliseconds; `reason` is empty where all is well.

    `pending`: flags with a pending outbox entry. `refused`: flags that Jira refused as they are. `removals`: whole
    projects, or everything, that Jira was asked to delete, the newest first. `resync`: the newest resync.
    """

    state: State
    reason: str
    projects: list[ChosenProject]
    key: ApiKey | None
    expected_site: str | None
    site: Site | None
    installation: Installation | None
    credentials: Credentials | None
    pending: int
    refused: list[OutboxEntry]
    refused_count: int
    removals: list[Removal]
    resync: Progress | None

    @property
    def connected(self) -> Site | None:
        """The site, while the account is connected to it."""
        return self.site if self.site and not self.site.disconnected_at else None


def get_integration(ctx: Context, actor: Actor) -> IntegrationState:
    """How the integration stands. The credentials are left out for those who do not manage integrations."""
    actor.require(Right.VIEW_FLAGS)
    with ctx.db.read() as tx:
        found = read_state(tx, actor.account_id, ctx.clock())
    return found if actor.may(Right.MANAGE_INTEGRATIONS) else replace(found, credentials=None)


def read_state(tx: Transaction, account_id: str, now: int) -> IntegrationState:
    """The state of the integration, read within a transaction that reads more; for users who manage integrations."""
    integration = integrations.find(tx, account_id)
    site = integrations.site_of_account(tx, account_id)
    installation = integrations.find_installation(tx, site.installation_id) if site else None
    key = api_keys.find(tx, account_id, integration.key_id) if integration else None
    chosen = integrations.chosen_projects(tx, account_id)
    state, reason = _without_integration(site)
    if integration:
        state, reason = _with_integration(site, _problem(site, installation, key, chosen, now) if site else "")
    return IntegrationState(
        state=state,
        reason=reason,
        projects=chosen,
        key=key,
        expected_site=integration.expected_site if integration else None,
        site=site,
        installation=installation,
        credentials=credentials.of_account(tx, account_id),
        pending=_count_pending(tx, account_id, site) if site or integration else 0,
        refused=outbox.refused(tx, account_id, _MOST_SHOWN),
        refused_count=outbox.count_refused(tx, account_id),
        removals=removals.latest(tx, account_id, _REMOVALS_SHOWN),
        resync=next((resyncs.progress(tx, one, now) for one in resyncs.latest(tx, account_id, 1)), None),
    )


def _count_pending(tx: Transaction, account_id: str, site: Site | None) -> int:
    """How many flags are pending; all of them where a resync of the site was requested that delivery has not begun."""
    all_of_them = site is not None and site.resync_requested_at is not None
    return outbox.count_all(tx, account_id) if all_of_them else outbox.count_pending(tx, account_id)


def _without_integration(site: Site | None) -> tuple[State, str]:
    if site is None:
        return State.NOT_SET_UP, ""
    return State.LEAVING, site.suspended_reason or "Jira has yet to delete some flags."


def _with_integration(site: Site | None, problem: str) -> tuple[State, str]:
    if site is None or site.disconnected_at:
        words = "Enter the token on the Configure page of the app in Jira, or enter OAuth credentials here."
        return State.WAITING_FOR_JIRA, words
    return (State.NEEDS_ATTENTION if problem else State.CONNECTED), problem


def _problem(
    site: Site, installation: Installation | None, key: ApiKey | None, chosen: list[ChosenProject], now: int
) -> str:
    hidden = [one.project.name for one in chosen if not one.visible]
    if site.suspended_reason:
        return site.suspended_reason
    if key is None or key.revoked_at is not None:
        return "The token was revoked. Regenerate it, and enter the new one on the Configure page in Jira."
    if site.auth_method == APP and (installation is None or (installation.system_token_expires_at or 0) <= now):
        return WaitingForToken().message
    if site.moved_to:
        return f"The site's address leads to {site.moved_to} now. Confirm the new address below."
    if hidden:
        return f"The token may not see {', '.join(hidden)}: grant it the view of the project."
    if not chosen:
        return "No project is chosen, so Jira shows nothing."
    if not site.may_call(now):
        return quota_used_up(site, now)
    if site.last_error and site.consecutive_failures >= 3:
        return site.last_error
    return ""
