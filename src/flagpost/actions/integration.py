"""The Jira integration of an account: setting it up, its token, its state, and sending everything again."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit
from uuid import uuid4

from flagpost.actions import api_keys as keys
from flagpost.actions.access import Actor, Right
from flagpost.actions.audit import record
from flagpost.actions.context import Context
from flagpost.actions.projects import grant_view
from flagpost.actions.reach import reach_environment, reach_project
from flagpost.errors import Conflict, InvalidInput, JiraError, NotFound, Problem
from flagpost.jira.client import JiraUnreachable, is_loopback
from flagpost.jira.push import WAITING_FOR_TOKEN
from flagpost.store import api_keys, integrations, pushes
from flagpost.store.db import Transaction
from flagpost.store.integrations import ChosenProject, Installation, Integration, Site
from flagpost.store.pushes import Push
from flagpost.store.records import ApiKey

_NEEDED = "Set the integration up first: Admin settings → Integrations → Marketplace → Jira Cloud → Add."


class State(StrEnum):
    """How the integration stands."""

    NOT_SET_UP = "not_set_up"
    WAITING_FOR_JIRA = "waiting_for_jira"
    CONNECTED = "connected"
    NEEDS_ATTENTION = "needs_attention"
    LEAVING = "leaving"  # removed; Jira has yet to forget some flags


@dataclass(frozen=True, slots=True)
class IntegrationState:
    """Everything an admin wants to see at a glance. Times are milliseconds; `reason` is empty where all is well.

    `behind`: flags Jira has yet to hear of. `refused`: flags Jira would not take as they are.
    """

    state: State
    reason: str
    projects: list[ChosenProject]
    key: ApiKey | None
    expected_site: str | None
    site: Site | None
    behind: int
    refused: list[Push]
    refused_count: int


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token, to be shown this once."""

    secret: str
    key: ApiKey


def get_integration(ctx: Context, actor: Actor) -> IntegrationState:
    """How the integration stands."""
    actor.require(Right.VIEW_FLAGS)
    with ctx.db.read() as tx:
        integration = integrations.find(tx, actor.account_id)
        site = integrations.site_of_account(tx, actor.account_id)
        installation = integrations.find_installation(tx, site.installation_id) if site else None
        key = api_keys.find(tx, actor.account_id, integration.key_id) if integration else None
        chosen = integrations.chosen_projects(tx, actor.account_id)
        state, reason = _state(integration, site, installation, key, chosen, ctx.clock())
        return IntegrationState(
            state=state,
            reason=reason,
            projects=chosen,
            key=key,
            expected_site=integration.expected_site if integration else None,
            site=site,
            behind=pushes.count_behind(tx, actor.account_id) if site or integration else 0,
            refused=pushes.refused(tx, actor.account_id, 20),
            refused_count=pushes.count_refused(tx, actor.account_id),
        )


def _state(
    integration: Integration | None,
    site: Site | None,
    installation: Installation | None,
    key: ApiKey | None,
    chosen: list[ChosenProject],
    now: int,
) -> tuple[State, str]:
    if integration is None:
        return (State.LEAVING, "Jira has yet to forget some flags.") if site else (State.NOT_SET_UP, "")
    if site is None or site.disconnected_at:
        return State.WAITING_FOR_JIRA, "Enter the token on the Configure page of the app in Jira."
    reason = _trouble(site, installation, key, chosen, now)
    return (State.NEEDS_ATTENTION, reason) if reason else (State.CONNECTED, "")


def _trouble(
    site: Site, installation: Installation | None, key: ApiKey | None, chosen: list[ChosenProject], now: int
) -> str:
    hidden = [one.project.name for one in chosen if not one.visible]
    if site.stopped_reason:
        return site.stopped_reason
    if key is None or key.revoked_at is not None:
        return "The token was revoked. Regenerate it, and enter the new one on the Configure page in Jira."
    if installation is None or (installation.system_token_expires_at or 0) <= now:
        return WAITING_FOR_TOKEN
    if hidden:
        return f"The token may not see {', '.join(hidden)}: grant it the view of the project."
    if not chosen:
        return "No project is chosen, so Jira shows nothing."
    if site.last_error and site.failures >= 3:
        return site.last_error
    return ""


# Setting it up ----------------------------------------------------------------------------------------------------


def set_up_integration(
    ctx: Context, actor: Actor, choices: Sequence[tuple[str, str]], *, site: str | None = None
) -> NewToken:
    """Choose projects, each with its one primary environment, and get the token for Jira's Configure page.

    `site` bounds the integration to one Jira Cloud address; a Server or Data Center address is refused. Conflict
    where the account has an integration already.
    """
    actor.require(Right.MANAGE_INTEGRATIONS)
    expected = _checked_site(ctx, site) if site and site.strip() else None
    now = ctx.clock()
    with ctx.db.write() as tx:
        if integrations.find(tx, actor.account_id):
            raise Conflict("Jira Cloud is set up already. Edit the integration instead.")
        chosen = _resolve(tx, actor, choices)
        token = _new_token(tx, actor, now)
        new = integrations.insert(tx, actor.account_id, token.key.id, expected, now, actor.name)
        integrations.replace_projects(tx, new.id, chosen)
        _record(tx, actor, now, new, "created", None, _shown(tx, actor))
        told = pushes.mark_all_changed(tx, actor.account_id, now)
    if told:
        ctx.wake(actor.account_id)
    return token


def change_projects(ctx: Context, actor: Actor, choices: Sequence[tuple[str, str]]) -> IntegrationState:
    """Choose other projects or environments. Jira hears of every flag that this adds, removes or shows otherwise."""
    actor.require(Right.MANAGE_INTEGRATIONS)
    now, told = ctx.clock(), 0
    with ctx.db.write() as tx:
        integration = _required(tx, actor)
        chosen = _resolve(tx, actor, choices)
        before = _shown(tx, actor)
        old = {(one.project.id, one.environment.id) for one in integrations.chosen_projects(tx, actor.account_id)}
        integrations.replace_projects(tx, integration.id, chosen)
        for project_id in {project for project, _ in old ^ set(chosen)}:
            told += pushes.mark_changed_in_project(tx, project_id, now)
        _record(tx, actor, now, integration, "updated", before, _shown(tx, actor))
    if told:
        ctx.wake(actor.account_id)
    return get_integration(ctx, actor)


def regenerate_token(ctx: Context, actor: Actor) -> NewToken:
    """A new token in place of the old one, which stops working. What is connected stays connected."""
    actor.require(Right.MANAGE_INTEGRATIONS)
    now = ctx.clock()
    with ctx.db.write() as tx:
        integration = _required(tx, actor)
        secret = keys.new_secret("jira")
        api_keys.replace_secret(tx, integration.key_id, keys.hash_of(secret), secret[-4:], now)
        key = api_keys.find(tx, actor.account_id, integration.key_id)
        assert key is not None  # noqa: S101 - a foreign key says so
        _record(tx, actor, now, integration, "regenerated_token", None, None)
    return NewToken(secret, key)


def revoke_token(ctx: Context, actor: Actor) -> None:
    """Make the token worthless. Nobody can connect a site with it any more; it can be regenerated."""
    actor.require(Right.MANAGE_INTEGRATIONS)
    now = ctx.clock()
    with ctx.db.write() as tx:
        integration = _required(tx, actor)
        api_keys.update(tx, integration.key_id, revoked_at=now)
        _record(tx, actor, now, integration, "revoked_token", None, None)


def remove_integration(ctx: Context, actor: Actor) -> None:
    """Remove the integration: its token ends, and Jira forgets every flag. The connections stay in Flagpost."""
    actor.require(Right.MANAGE_INTEGRATIONS)
    now = ctx.clock()
    with ctx.db.write() as tx:
        integration = _required(tx, actor)
        _record(tx, actor, now, integration, "deleted", _shown(tx, actor), None)
        integrations.delete(tx, integration.id)
        api_keys.update(tx, integration.key_id, revoked_at=now)
        pushes.mark_all_changed(tx, actor.account_id, now)
    ctx.wake(actor.account_id)


def grant_project(ctx: Context, actor: Actor, project: str) -> IntegrationState:
    """Let the integration's token view a restricted project."""
    actor.require(Right.MANAGE_INTEGRATIONS)
    with ctx.db.read() as tx:
        key_id = _required(tx, actor).key_id
    grant_view(ctx, actor, project, "api_key", key_id)
    return get_integration(ctx, actor)


def resend(ctx: Context, actor: Actor) -> IntegrationState:
    """Send every connected flag again, and try again whatever had stopped delivery."""
    actor.require(Right.MANAGE_INTEGRATIONS)
    now = ctx.clock()
    with ctx.db.write() as tx:
        site = integrations.site_of_account(tx, actor.account_id)
        if site is None or site.disconnected_at:
            raise Conflict("No Jira site is connected yet.")
        integrations.update_site(tx, site.id, stopped_reason=None, paused_until=None, failures=0)
        begin_backfill(tx, site, now)
    ctx.wake(actor.account_id)
    return get_integration(ctx, actor)


def begin_backfill(tx: Transaction, site: Site, now: int) -> None:
    """Have every connected flag of the site's account sent; note the start, so that progress can be shown."""
    pushes.mark_all_changed(tx, site.account_id, now)
    total = pushes.count_behind(tx, site.account_id)
    integrations.update_site(
        tx, site.id, backfill_total=total, backfill_started_at=now, backfill_finished_at=None if total else now
    )


# Checks -----------------------------------------------------------------------------------------------------------


def _resolve(tx: Transaction, actor: Actor, choices: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    chosen: dict[str, str] = {}
    problems: list[Problem] = []
    for number, (project, environment) in enumerate(choices):
        try:
            found = reach_project(tx, actor, project)
            place = reach_environment(tx, actor, found, environment)
        except NotFound as error:
            problems.append(Problem(f"projects[{number}]", error.message))
            continue
        if found.id in chosen:
            problems.append(Problem(f"projects[{number}]", f"Choose exactly one environment for {found.name}."))
        chosen[found.id] = place.id
    if not choices:
        problems.append(Problem("projects", "Choose at least one project."))
    if problems:
        raise InvalidInput(problems)
    return list(chosen.items())


def _new_token(tx: Transaction, actor: Actor, now: int) -> NewToken:
    secret = keys.new_secret("jira")
    key = ApiKey(
        id=str(uuid4()),
        account_id=actor.account_id,
        name="Jira Cloud integration",
        kind="jira",
        roles=("JIRA_INTEGRATION",),
        project_id=None,
        environment_ids=(),
        hint=secret[-4:],
        created_by=actor.name,
        created_at=now,
        expires_at=None,
        revoked_at=None,
        last_used_at=None,
    )
    api_keys.insert(tx, key, keys.hash_of(secret))
    return NewToken(secret, key)


def _checked_site(ctx: Context, address: str) -> str:
    """The site's address without a path. Raises InvalidInput for one that is not a Jira Cloud site's."""
    address = address.strip() if "://" in address else f"https://{address.strip()}"
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise InvalidInput("That is not an address. Example: https://your-team.atlassian.net", "site") from None
    site = f"{parts.scheme}://{parts.netloc}"
    if host.endswith((".atlassian.net", ".jira.com")) and parts.scheme == "https":
        return site
    if not (is_loopback(host) and ctx.settings.allow_insecure_jira):
        raise InvalidInput(_not_cloud(host), "site")
    if not _is_cloud(ctx, site):
        raise InvalidInput(_not_cloud(host), "site")
    return site


def _is_cloud(ctx: Context, site: str) -> bool:
    """Whether the site says of itself that it is Jira Cloud (Atlassian: `_edge/tenant_info`, which Server has not)."""
    try:
        answer = ctx.jira.get_public(f"{site}/_edge/tenant_info")
    except JiraUnreachable as error:
        raise InvalidInput(error.message, "site") from None
    except JiraError:
        return False
    return answer.ok and isinstance(answer.body, dict) and bool(answer.body.get("cloudId"))


def _not_cloud(host: str) -> str:
    return (
        f"{host or 'That'} is not a Jira Cloud site. Flagpost works with Jira Cloud only (your-team.atlassian.net): "
        "Jira Server and Data Center have no feature flags on their issues."
    )


def _required(tx: Transaction, actor: Actor) -> Integration:
    integration = integrations.find(tx, actor.account_id)
    if integration is None:
        raise NotFound(_NEEDED)
    return integration


def _shown(tx: Transaction, actor: Actor) -> dict[str, object]:
    chosen = integrations.chosen_projects(tx, actor.account_id)
    return {"projects": [f"{one.project.name}: {one.environment.name}" for one in chosen]}


def _record(
    tx: Transaction,
    actor: Actor,
    now: int,
    integration: Integration,
    change: str,
    before: dict[str, object] | None,
    after: dict[str, object] | None,
) -> None:
    record(
        tx,
        actor,
        now,
        change,
        object_type="integration",
        object_id=integration.id,
        object_name="Jira Cloud",
        before=before,
        after=after,
    )
