"""The Jira integration of an account: setting it up, its token, sending everything again, and its end."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

from flagpost.actions.access import Actor, Right
from flagpost.actions.accounts import api_keys as keys
from flagpost.actions.audit import record
from flagpost.actions.context import Context
from flagpost.actions.jira.resync import send_again
from flagpost.actions.jira.site import checked_address, find_site, record_site, require_integration
from flagpost.actions.jira.status import IntegrationState, get_integration
from flagpost.actions.lookup import get_visible_environment, get_visible_project
from flagpost.actions.projects.projects import grant_view
from flagpost.errors import Conflict, InvalidInput, NotFound, Problem
from flagpost.jira.removal import LEFT
from flagpost.store.accounts import api_keys
from flagpost.store.db import Transaction
from flagpost.store.jira import credentials, integrations, outbox, removals, resyncs
from flagpost.store.jira.integrations import ChosenProject, Integration, Site
from flagpost.store.records import ApiKey


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token, to be shown this once."""

    secret: str
    key: ApiKey


# Setting it up ----------------------------------------------------------------------------------------------------


def set_up_integration(
    ctx: Context, actor: Actor, choices: Sequence[tuple[str, str]], *, site: str | None = None
) -> NewToken:
    """Choose projects, each with its one primary environment, and get the token for Jira's Configure page.

    `site` bounds the integration to one Jira Cloud address; a Server or Data Center address is refused. Conflict
    where the account has an integration already.
    """
    actor.require(Right.MANAGE_INTEGRATIONS)
    expected = checked_address(ctx, site) if site and site.strip() else None
    now = ctx.clock()
    with ctx.db.write() as tx:
        if integrations.find(tx, actor.account_id):
            raise Conflict("Jira Cloud is set up already. Edit the integration instead.")
        chosen = _resolve(tx, actor, choices)
        token = _new_token(tx, actor, now)
        new = integrations.insert(tx, actor.account_id, token.key.id, expected, now, actor.name)
        integrations.replace_projects(tx, new.id, chosen)
        _record(tx, actor, now, new, "created", None, _shown(tx, actor))
        told = outbox.bump_account(tx, actor.account_id, now)
    if told:
        ctx.wake(actor.account_id)
    return token


def change_projects(ctx: Context, actor: Actor, choices: Sequence[tuple[str, str]]) -> IntegrationState:
    """Choose other projects or environments. Jira hears of every flag that this adds or shows otherwise.

    It forgets those of a project that is left out, which is proven by reading a sample back.
    """
    actor.require(Right.MANAGE_INTEGRATIONS)
    now, told = ctx.clock(), 0
    with ctx.db.write() as tx:
        integration = require_integration(tx, actor)
        chosen = _resolve(tx, actor, choices)
        before = _shown(tx, actor)
        old = integrations.chosen_projects(tx, actor.account_id)
        integrations.replace_projects(tx, integration.id, chosen)
        _request_removals(tx, actor, old, chosen, now)
        changed = {(one.project.id, one.environment.id) for one in old} ^ set(chosen)
        for project_id in {project for project, _ in changed}:
            told += outbox.bump_project(tx, project_id, now)
        _record(tx, actor, now, integration, "updated", before, _shown(tx, actor))
    if told:
        ctx.wake(actor.account_id)
    return get_integration(ctx, actor)


def _request_removals(
    tx: Transaction, actor: Actor, old: Sequence[ChosenProject], chosen: Sequence[tuple[str, str]], now: int
) -> None:
    site = integrations.site_of_account(tx, actor.account_id)
    kept = {project for project, _ in chosen}
    for one in old:
        if site and not site.disconnected_at and one.project.id not in kept:
            removals.request(tx, actor.account_id, one.project.id, one.project.name, now, actor.name)


def regenerate_token(ctx: Context, actor: Actor) -> NewToken:
    """A new token in place of the old one, which stops working. What is connected stays connected."""
    actor.require(Right.MANAGE_INTEGRATIONS)
    now = ctx.clock()
    with ctx.db.write() as tx:
        integration = require_integration(tx, actor)
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
        integration = require_integration(tx, actor)
        api_keys.update(tx, integration.key_id, revoked_at=now)
        _record(tx, actor, now, integration, "revoked_token", None, None)


def remove_integration(ctx: Context, actor: Actor) -> None:
    """Remove the integration: its token ends, and Jira forgets every flag, which is proven by reading a sample back.

    The connections stay in Flagpost. A site that is disconnected has forgotten everything already.
    """
    actor.require(Right.MANAGE_INTEGRATIONS)
    now = ctx.clock()
    with ctx.db.write() as tx:
        integration = require_integration(tx, actor)
        _record(tx, actor, now, integration, "deleted", _shown(tx, actor), None)
        integrations.delete(tx, integration.id)
        api_keys.update(tx, integration.key_id, revoked_at=now)
        site = integrations.site_of_account(tx, actor.account_id)
        if site and site.disconnected_at:
            _forget(tx, site)
        elif site:
            removals.request(tx, actor.account_id, None, "Everything", now, actor.name)
        outbox.bump_account(tx, actor.account_id, now)
    ctx.wake(actor.account_id)


def grant_project(ctx: Context, actor: Actor, project: str) -> IntegrationState:
    """Let the integration's token view a restricted project."""
    actor.require(Right.MANAGE_INTEGRATIONS)
    with ctx.db.read() as tx:
        key_id = require_integration(tx, actor).key_id
    grant_view(ctx, actor, project, "api_key", key_id)
    return get_integration(ctx, actor)


def resend(ctx: Context, actor: Actor) -> IntegrationState:
    """Send every connected flag again, and try again whatever had stopped delivery."""
    send_again(ctx, actor)
    return get_integration(ctx, actor)


def forget_site(ctx: Context, actor: Actor) -> None:
    """Give up on having Jira forget: forget the site of an integration that was removed, as it is."""
    actor.require(Right.MANAGE_INTEGRATIONS)
    now = ctx.clock()
    with ctx.db.write() as tx:
        site = integrations.site_of_account(tx, actor.account_id)
        if site is None or integrations.find(tx, actor.account_id):
            raise Conflict("Only the site of an integration that was removed can be forgotten.")
        resyncs.end_all(tx, actor.account_id, now, actor.name)
        words = f"{actor.name} had Flagpost forget the site before Jira had forgotten everything."
        removals.finish_all(tx, actor.account_id, LEFT, words, now)
        record_site(tx, actor, now, site, "forgot_site")
        _forget(tx, site)


def confirm_address(ctx: Context, actor: Actor) -> IntegrationState:
    """Use the address that the site has moved to, once it proves to be the same site: its cloud id is the same."""
    actor.require(Right.MANAGE_INTEGRATIONS)
    with ctx.db.read() as tx:
        site = integrations.site_of_account(tx, actor.account_id)
    if site is None or site.moved_to is None:
        raise Conflict("The site has not moved.")
    found = find_site(ctx, checked_address(ctx, site.moved_to))
    if found.cloud_id != site.cloud_id:
        raise Conflict(f"{found.url} is another Jira site. Connect that one by itself, if it is yours.")
    with ctx.db.write() as tx:
        go_on = {"suspended_reason": None, "paused_until": None, "failures": 0}
        integrations.update_site(tx, site.id, site_url=found.url, moved_to=None, **go_on)
        credentials.move(tx, actor.account_id, site.site_url, found.url)
        integrations.move_expected_site(tx, actor.account_id, found.url)
        record_site(tx, actor, ctx.clock(), site, "moved_site", {"site": site.site_url}, {"site": found.url})
    ctx.wake(actor.account_id)
    return get_integration(ctx, actor)


def _forget(tx: Transaction, site: Site) -> None:
    credentials.delete(tx, site.account_id)
    integrations.delete_site(tx, site.id)


# Checks -----------------------------------------------------------------------------------------------------------


def _resolve(tx: Transaction, actor: Actor, choices: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    chosen: dict[str, str] = {}
    problems: list[Problem] = []
    for number, (project, environment) in enumerate(choices):
        try:
            found = get_visible_project(tx, actor, project)
            place = get_visible_environment(tx, actor, found, environment)
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
