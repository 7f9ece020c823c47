"""The Jira integration of an account, the site it is connected to, and the installations of the Jira app."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from flagpost.store import rows
from flagpost.store.accounts import accounts
from flagpost.store.db import Condition, Transaction, insert_new, insert_or
from flagpost.store.locks import Lock, take
from flagpost.store.records import Environment, Project
from flagpost.store.schema.core import environments, project_grants, projects
from flagpost.store.schema.jira import (
    jira_installations,
    jira_integration_projects,
    jira_integrations,
    jira_sites,
    used_invocation_tokens,
)


@dataclass(frozen=True, slots=True)
class Integration:
    """What an admin set up. Its token is the API key `key_id`. `expected_site`: the only site that may connect."""

    id: str
    account_id: str
    key_id: str
    expected_site: str | None
    created_at: int
    created_by: str


@dataclass(frozen=True, slots=True)
class ChosenProject:
    """A project of the integration with its primary environment. `visible`: the token may see the project."""

    project: Project
    environment: Environment
    visible: bool


@dataclass(frozen=True, slots=True)
class Installation:
    """The app on one Jira site (Atlassian: app.installationId). The system token is encrypted."""

    id: str
    cloud_id: str
    site_url: str | None
    api_base_url: str
    system_token: bytes | None
    system_token_expires_at: int | None
    installed_at: int
    last_seen_at: int
    removed_at: int | None


@dataclass(frozen=True, slots=True)
class Site:
    """The Jira site of an account, and the state of delivery to it. Times are milliseconds since 1970.

    `auth_method`: `app` or `oauth`; `installation_id` is empty for `oauth`. `paused_until`: no delivery before then,
    because requests failed. `quota_resets_at`: no request at all before then, because Jira's hourly quota is used up.
    `suspended_reason`: no delivery until a person has done what it says. `consecutive_failures`: failed deliveries
    since the last success. `resync_requested_at`: the next delivery begins with a resync of the whole site.
    `moved_to`: the address that the site's address redirects to, which a person has to confirm.
    """

    id: str
    account_id: str
    cloud_id: str
    site_url: str
    installation_id: str
    connected_at: int
    auth_method: str
    disconnected_at: int | None
    paused_until: int | None
    suspended_reason: str | None
    last_success_at: int | None
    last_error_at: int | None
    last_error: str | None
    consecutive_failures: int
    resync_total: int
    resync_started_at: int | None
    resync_finished_at: int | None
    resync_requested_at: int | None
    quota_resets_at: int | None
    moved_to: str | None

    def may_call(self, now: int) -> bool:
        """Whether any request at all may go to the site now."""
        return not self.disconnected_at and (self.quota_resets_at or 0) <= now

    def pause_began_in_future(self, now: int) -> bool:
        """Whether a pause began later than now. Then the clock was set back since, and the pause would end too late."""
        return bool(self.paused_until or self.quota_resets_at) and (self.last_error_at or 0) > now

    def may_deliver(self, now: int) -> bool:
        """Whether flags may be delivered to the site now."""
        return self.may_call(now) and not self.suspended_reason and (self.paused_until or 0) <= now


# The integration --------------------------------------------------------------------------------------------------


def find(tx: Transaction, account_id: str) -> Integration | None:
    """An account's integration."""
    row = tx.execute(sa.select(jira_integrations).where(jira_integrations.c.account_id == account_id)).first()
    return Integration(*row) if row else None


def find_by_key(tx: Transaction, key_id: str) -> Integration | None:
    """The integration whose token is this API key."""
    row = tx.execute(sa.select(jira_integrations).where(jira_integrations.c.key_id == key_id)).first()
    return Integration(*row) if row else None


def insert(tx: Transaction, account_id: str, key_id: str, expected_site: str | None, now: int, by: str) -> Integration:
    """A new integration without projects."""
    new = Integration(str(uuid4()), account_id, key_id, expected_site, now, by)
    tx.execute(
        sa.insert(jira_integrations).values(
            id=new.id,
            account_id=account_id,
            key_id=key_id,
            expected_site=expected_site,
            created_at=now,
            created_by=by,
        )
    )
    return new


def delete(tx: Transaction, integration_id: str) -> None:
    """Remove an integration. Its site stays until Jira has deleted every flag."""
    tx.execute(sa.delete(jira_integrations).where(jira_integrations.c.id == integration_id))


def move_expected_site(tx: Transaction, account_id: str, site_url: str) -> None:
    """Note the new address of the one site that may connect; does nothing where any site may connect."""
    mine = (jira_integrations.c.account_id == account_id) & jira_integrations.c.expected_site.is_not(None)
    tx.execute(sa.update(jira_integrations).where(mine).values(expected_site=site_url))


def replace_projects(tx: Transaction, integration_id: str, choices: Iterable[tuple[str, str]]) -> None:
    """Have the integration cover exactly these projects, each with its one environment (ids)."""
    mine = jira_integration_projects.c.integration_id == integration_id
    tx.execute(sa.delete(jira_integration_projects).where(mine))
    new = [{"integration_id": integration_id, "project_id": p, "environment_id": e} for p, e in choices]
    if new:
        tx.execute(sa.insert(jira_integration_projects), new)


_GRANTED = sa.exists().where(
    project_grants.c.project_id == projects.c.id, project_grants.c.grantee_id == jira_integrations.c.key_id
)
_CHOSEN = (
    sa.select(
        *rows.PROJECT,
        *rows.ENVIRONMENT,
        sa.or_(~projects.c.restricted, _GRANTED).label("visible"),
    )
    .join_from(jira_integration_projects, jira_integrations)
    .join(projects, projects.c.id == jira_integration_projects.c.project_id)
    .join(environments, environments.c.id == jira_integration_projects.c.environment_id)
    .where(jira_integrations.c.account_id == sa.bindparam("account"))
    .order_by(projects.c.name)
)


def chosen_projects(tx: Transaction, account_id: str) -> list[ChosenProject]:
    """The projects of the account's integration, by name."""
    return [_chosen(row) for row in tx.execute(_CHOSEN, {"account": account_id})]


def _chosen(row: Any) -> ChosenProject:
    return ChosenProject(
        rows.project(row),
        rows.environment(row),
        bool(row.visible),
    )


def shows_environment(tx: Transaction, environment_id: str) -> bool:
    """Whether Jira shows this environment: it is the primary one of a project of the integration."""
    there = sa.exists().where(jira_integration_projects.c.environment_id == environment_id)
    return bool(tx.scalar(sa.select(there)))


# Installations ----------------------------------------------------------------------------------------------------


_INSTALLATION = sa.select(jira_installations).where(jira_installations.c.id == sa.bindparam("installation"))


def find_installation(tx: Transaction, installation_id: str) -> Installation | None:
    """One installation of the app."""
    row = tx.execute(_INSTALLATION, {"installation": installation_id}).first()
    return Installation(*row) if row else None


def save_installation(tx: Transaction, installation_id: str, now: int, **values: Any) -> None:
    """Store what a call of an installation says about it. Values that are None stay as they were."""
    known = {column: value for column, value in values.items() if value is not None}
    known |= {"last_seen_at": now, "removed_at": None}
    new = insert_or(tx, jira_installations).values(id=installation_id, installed_at=now, **known)
    tx.execute(new.on_conflict_do_update(index_elements=[jira_installations.c.id], set_=known))


def mark_uninstalled(tx: Transaction, installation_id: str, now: int) -> None:
    """Note that the app was uninstalled, and drop its token, which no longer works."""
    mine = jira_installations.c.id == installation_id
    tx.execute(sa.update(jira_installations).where(mine).values(removed_at=now, system_token=None))


def use_token_id(tx: Transaction, token_id: str, expires_at: int, now: int) -> bool:
    """Note that an invocation token was used; False where it was used before. Deletes the notes of expired tokens."""
    tx.execute(sa.delete(used_invocation_tokens).where(used_invocation_tokens.c.expires_at < now))
    return insert_new(tx, used_invocation_tokens, id=token_id, expires_at=expires_at)


# Sites ------------------------------------------------------------------------------------------------------------


_SITE = sa.select(*(jira_sites.c[field.name] for field in fields(Site)))
_SITE_OF_ACCOUNT = _SITE.where(jira_sites.c.account_id == sa.bindparam("account"))


def site_of_account(tx: Transaction, account_id: str) -> Site | None:
    """The Jira site that an account is connected to, or was connected to."""
    row = tx.execute(_SITE_OF_ACCOUNT, {"account": account_id}).first()
    return Site(*row) if row else None


def lock_site(tx: Transaction, account_id: str, strength: Lock = Lock.CHANGE) -> Site | None:
    """The Jira site of an account, locked until the commit (`store.locks`): a delivery changes its row too.

    A site that does not exist yet has no row to lock: sites are added and deleted under their account's lock.
    """
    if found := site_of_account(tx, account_id):
        take(tx, jira_sites, [found.id], strength)
    return site_of_account(tx, account_id)


def site_of_cloud(tx: Transaction, cloud_id: str) -> Site | None:
    """The site with this cloud id, whichever account it belongs to."""
    return _site(tx, jira_sites.c.cloud_id == cloud_id)


def site_of_installation(tx: Transaction, installation_id: str) -> Site | None:
    """The site that is connected through this installation of the app."""
    return _site(tx, jira_sites.c.installation_id == installation_id)


def _site(tx: Transaction, condition: Condition) -> Site | None:
    row = tx.execute(_SITE.where(condition)).first()
    return Site(*row) if row else None


def connected_sites(tx: Transaction) -> list[Site]:
    """Every site that is connected now."""
    return [Site(*row) for row in tx.execute(_SITE.where(jira_sites.c.disconnected_at.is_(None)))]


def sites(tx: Transaction) -> list[Site]:
    """Every site, connected or not."""
    return [Site(*row) for row in tx.execute(_SITE)]


def accounts_with_site_work(tx: Transaction) -> list[str]:
    """The accounts whose delivery has more to do than send flags: begin a resync, or remove the site."""
    leaving = ~sa.exists().where(jira_integrations.c.account_id == jira_sites.c.account_id)
    requested = sa.or_(jira_sites.c.resync_requested_at.is_not(None), leaving)
    return list(tx.scalars(sa.select(jira_sites.c.account_id).where(requested)))


def save_site(
    tx: Transaction,
    account_id: str,
    *,
    cloud_id: str,
    site_url: str,
    auth_method: str,
    installation_id: str = "",
    now: int,
) -> Site:
    """Connect an account to a site, in place of an earlier one. Delivery starts without its errors, with a resync."""
    accounts.lock(tx, account_id)
    tx.execute(sa.delete(jira_sites).where(jira_sites.c.account_id == account_id))
    tx.execute(
        sa.insert(jira_sites).values(
            id=str(uuid4()),
            account_id=account_id,
            cloud_id=cloud_id,
            site_url=site_url,
            installation_id=installation_id,
            auth_method=auth_method,
            connected_at=now,
            resync_requested_at=now,
        )
    )
    site = site_of_account(tx, account_id)
    assert site is not None  # noqa: S101 - inserted a line above
    return site


def update_site(tx: Transaction, site_id: str, **values: Any) -> None:
    """Set columns of a site."""
    tx.execute(sa.update(jira_sites).where(jira_sites.c.id == site_id).values(**values))


def request_resync(tx: Transaction, site_id: str, now: int) -> None:
    """Have the next delivery begin with a resync, and end whatever suspended or paused the site."""
    nothing = dict.fromkeys(("suspended_reason", "paused_until", "quota_resets_at"))
    update_site(tx, site_id, resync_requested_at=now, consecutive_failures=0, **nothing)


def delete_site(tx: Transaction, site_id: str) -> None:
    """Delete a site: Jira holds nothing of the account any more."""
    tx.execute(sa.delete(jira_sites).where(jira_sites.c.id == site_id))
