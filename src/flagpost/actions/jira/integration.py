"""The Jira integration of an account: setting it up, its projects, its token, and its end.

An account has at most one integration and one site. Each of these actions decides under the account's lock whether
there is one, so of two admins who act at once the second sees what the first did. `flagpost.actions.jira.site` has the
shared checks.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import uuid4

from flagpost.actions.access import Actor, Right
from flagpost.actions.accounts import api_keys as keys
from flagpost.actions.context import Context
from flagpost.actions.jira.resync import start_resync
from flagpost.actions.jira.site import (
    FoundSite,
    checked_address,
    find_site,
    integration_subject,
    lock_integration,
    require_integration,
    site_subject,
)
from flagpost.actions.jira.status import IntegrationState, get_integration
from flagpost.actions.lookup import get_visible_environment, get_visible_project
from flagpost.actions.projects.projects import grant_view
from flagpost.actions.unit_of_work import Change, transactional
from flagpost.errors import Conflict, InvalidInput, NotFound, Problem
from flagpost.jira.removal import LEFT
from flagpost.store.accounts import accounts, api_keys
from flagpost.store.jira import credentials, integrations, removals, resyncs
from flagpost.store.jira.integrations import ChosenProject, Integration, Site
from flagpost.store.locks import Lock
from flagpost.store.projects import projects
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
    return _set_up(ctx, actor, choices, expected)


@transactional
def _set_up(change: Change, choices: Sequence[tuple[str, str]], expected_site: str | None) -> NewToken:
    tx, actor = change.tx, change.actor
    accounts.lock(tx, actor.account_id)
    if integrations.find(tx, actor.account_id):
        raise Conflict("Jira Cloud is set up already. Edit the integration instead.")
    chosen = _lock_choices(change, choices)
    token = _new_token(change)
    new = integrations.insert(tx, actor.account_id, token.key.id, expected_site, change.now, actor.name)
    integrations.replace_projects(tx, new.id, chosen)
    change.saved("created", integration_subject(new), after=_shown(_chosen_projects(change)))
    change.resend_account()
    return token


def change_projects(ctx: Context, actor: Actor, choices: Sequence[tuple[str, str]]) -> IntegrationState:
    """Choose other projects or environments. Jira is sent every flag that this adds or shows otherwise.

    Jira is asked to delete the flags of a project that is left out; reading a sample back proves it.
    """
    actor.require(Right.MANAGE_INTEGRATIONS)
    _change_projects(ctx, actor, choices)
    return get_integration(ctx, actor)


@transactional
def _change_projects(change: Change, choices: Sequence[tuple[str, str]]) -> None:
    integration = lock_integration(change)
    chosen = _lock_choices(change, choices)
    old = _chosen_projects(change)
    integrations.replace_projects(change.tx, integration.id, chosen)
    kept = {project for project, _ in chosen}
    _request_removals(change, [one for one in old if one.project.id not in kept])
    for project_id in {project for project, _ in {(one.project.id, one.environment.id) for one in old} ^ set(chosen)}:
        change.resend_project(project_id)
    after = _shown(_chosen_projects(change))
    change.saved("updated", integration_subject(integration), before=_shown(old), after=after)


def _request_removals(change: Change, left_out: Iterable[ChosenProject]) -> None:
    tx, actor = change.tx, change.actor
    site = integrations.lock_site(tx, actor.account_id)
    for one in left_out if site and not site.disconnected_at else ():
        removals.request(tx, actor.account_id, one.project.id, one.project.name, change.now, actor.name)


# Its token --------------------------------------------------------------------------------------------------------


@transactional
def regenerate_token(change: Change) -> NewToken:
    """A new token in place of the old one, which stops working. What is connected stays connected."""
    change.actor.require(Right.MANAGE_INTEGRATIONS)
    tx, account_id = change.tx, change.actor.account_id
    integration = lock_integration(change)
    api_keys.lock(tx, account_id, integration.key_id)
    secret = keys.new_secret("jira")
    api_keys.replace_secret(tx, integration.key_id, keys.hash_of(secret), secret[-4:], change.now)
    key = api_keys.find(tx, account_id, integration.key_id)
    assert key is not None  # noqa: S101 - a foreign key says so
    change.saved("regenerated_token", integration_subject(integration))
    return NewToken(secret, key)


@transactional
def revoke_token(change: Change) -> None:
    """End the token: it connects no site any more. It can be regenerated."""
    change.actor.require(Right.MANAGE_INTEGRATIONS)
    integration = lock_integration(change)
    _revoke(change, integration)
    change.saved("revoked_token", integration_subject(integration))


def grant_project(ctx: Context, actor: Actor, project: str) -> IntegrationState:
    """Let the integration's token view a restricted project."""
    actor.require(Right.MANAGE_INTEGRATIONS)
    with ctx.db.read() as tx:
        key_id = require_integration(tx, actor.account_id).key_id
    grant_view(ctx, actor, project, "api_key", key_id)
    return get_integration(ctx, actor)


def _new_token(change: Change) -> NewToken:
    secret, actor = keys.new_secret("jira"), change.actor
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
        created_at=change.now,
        expires_at=None,
        revoked_at=None,
        last_used_at=None,
    )
    api_keys.insert(change.tx, key, keys.hash_of(secret))
    return NewToken(secret, key)


def _revoke(change: Change, integration: Integration) -> None:
    api_keys.lock(change.tx, change.actor.account_id, integration.key_id)
    api_keys.update(change.tx, integration.key_id, revoked_at=change.now)


# Its site and its end ---------------------------------------------------------------------------------------------


@transactional
def remove_integration(change: Change) -> None:
    """Remove the integration: its token ends, and Jira is asked to delete every flag, which a sample proves.

    The connections stay in Flagpost. A site that the app was uninstalled from holds no flags any more.
    """
    change.actor.require(Right.MANAGE_INTEGRATIONS)
    tx, actor = change.tx, change.actor
    integration = lock_integration(change)
    change.saved("deleted", integration_subject(integration), before=_shown(_chosen_projects(change)))
    _revoke(change, integration)
    integrations.delete(tx, integration.id)
    site = integrations.lock_site(tx, actor.account_id)
    if site and site.disconnected_at:
        _forget(change, site)
    elif site:
        removals.request(tx, actor.account_id, None, "Everything", change.now, actor.name)
        change.resend_account()
        change.wake_delivery()


def resync_all(ctx: Context, actor: Actor) -> IntegrationState:
    """Send every connected flag again, also where delivery had stopped or paused."""
    start_resync(ctx, actor)
    return get_integration(ctx, actor)


@transactional
def forget_site(change: Change) -> None:
    """Forget the site of an integration that was removed, though Jira has not deleted all of its flags."""
    change.actor.require(Right.MANAGE_INTEGRATIONS)
    tx, actor = change.tx, change.actor
    accounts.lock(tx, actor.account_id)
    site = integrations.lock_site(tx, actor.account_id)
    if site is None or integrations.find(tx, actor.account_id):
        raise Conflict("Only the site of an integration that was removed can be forgotten.")
    resyncs.end_all(tx, actor.account_id, change.now, actor.name)
    words = f"{actor.name} had Flagpost forget the site before Jira had deleted everything."
    removals.finish_all(tx, actor.account_id, LEFT, words, change.now)
    change.saved("forgot_site", site_subject(site))
    _forget(change, site)


def confirm_address(ctx: Context, actor: Actor) -> IntegrationState:
    """Use the address that the site has moved to. InvalidInput or Conflict where another site answers there.

    A site that has moved keeps its cloud id.
    """
    actor.require(Right.MANAGE_INTEGRATIONS)
    with ctx.db.read() as tx:
        site = integrations.site_of_account(tx, actor.account_id)
    if site is None or site.moved_to is None:
        raise _not_moved()
    _move_site(ctx, actor, find_site(ctx, checked_address(ctx, site.moved_to)))
    return get_integration(ctx, actor)


@transactional
def _move_site(change: Change, found: FoundSite) -> None:
    tx, account_id = change.tx, change.actor.account_id
    accounts.lock(tx, account_id)
    site = integrations.lock_site(tx, account_id)
    if site is None or site.moved_to is None:
        raise _not_moved()
    if found.cloud_id != site.cloud_id:
        raise Conflict(f"{found.url} is another Jira site. Connect that one by itself, if it is yours.")
    go_on = {"suspended_reason": None, "paused_until": None, "consecutive_failures": 0}
    integrations.update_site(tx, site.id, site_url=found.url, moved_to=None, **go_on)
    credentials.move(tx, account_id, site.site_url, found.url)
    integrations.move_expected_site(tx, account_id, found.url)
    change.saved("moved_site", site_subject(site), before={"site": site.site_url}, after={"site": found.url})
    change.wake_delivery()


def _not_moved() -> Conflict:
    return Conflict("The site has not moved.")


def _forget(change: Change, site: Site) -> None:
    credentials.delete(change.tx, site.account_id)
    integrations.delete_site(change.tx, site.id)


# Its projects -----------------------------------------------------------------------------------------------------


def _lock_choices(change: Change, choices: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The ids of the chosen projects and their environments, which are not deleted until the commit."""
    chosen = _resolve(change, choices)
    for project_id in sorted(chosen):
        projects.lock(change.tx, project_id, Lock.KEEP)
    for environment_id in sorted(chosen.values()):
        projects.lock_environment(change.tx, environment_id, Lock.KEEP)
    return list(_resolve(change, choices).items())


def _resolve(change: Change, choices: Sequence[tuple[str, str]]) -> dict[str, str]:
    chosen: dict[str, str] = {}
    problems: list[Problem] = []
    for number, (project, environment) in enumerate(choices):
        try:
            found = get_visible_project(change.tx, change.actor, project)
            place = get_visible_environment(change.tx, change.actor, found, environment)
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
    return chosen


def _chosen_projects(change: Change) -> list[ChosenProject]:
    return integrations.chosen_projects(change.tx, change.actor.account_id)


def _shown(chosen: Iterable[ChosenProject]) -> dict[str, object]:
    return {"projects": [f"{one.project.name}: {one.environment.name}" for one in chosen]}
