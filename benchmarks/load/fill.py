"""Fill a database with accounts, each connected to a Jira site of its own, and with connected flags.

The product's own actions create the accounts, projects, keys and integrations. The flags are inserted into the tables,
many rows at a time: the same rows as a hundred thousand creations through the actions, in a hundredth of the time.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import uuid4

import sqlalchemy as sa

from flagpost.actions.access import Actor, system
from flagpost.actions.accounts.api_keys import create_api_key
from flagpost.actions.context import Context
from flagpost.actions.jira.integration import set_up_integration
from flagpost.actions.projects.projects import create_project
from flagpost.flags.definition_json import dump
from flagpost.flags.model import Bucket, Definition, Treatment
from flagpost.store.accounts import accounts
from flagpost.store.jira import integrations
from flagpost.store.projects import projects
from flagpost.store.schema.core import audit_entries, definitions, flag_changes, flag_tags, flags
from flagpost.store.schema.jira import connections, issues, outbox_entries

A_DAY = 86_400_000
DEFINITION = Definition((Treatment("on"), Treatment("off")), "off", (Bucket("on", 30), Bucket("off", 70)))
_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Account:
    """An account: its key to the Admin API, its project, its Jira site, and its flags by name."""

    id: str
    key: str
    project_id: str
    cloud_id: str
    flag_ids: dict[str, str]


def fill(ctx: Context, jira_url: str, sites: int, count: int) -> list[Account]:
    """Create accounts with so many flags in all, each with a definition in Production and one issue."""
    each = max(1, count // sites)
    return [_account(ctx, jira_url, number, each) for number in range(sites)]


def _account(ctx: Context, jira_url: str, number: int, count: int) -> Account:
    now, cloud_id, key = ctx.clock(), f"cloud-{number:05}", f"key-of-the-load-benchmark-{number:05}"
    with ctx.db.write() as tx:
        account_id = accounts.insert(tx, f"Account {number}", now)
    actor = system(account_id)
    project = create_project(ctx, actor, "Default")
    create_api_key(ctx, actor, name="Load", roles=("API_ALL_GRANTED",), secret=key)
    set_up_integration(ctx, actor, [("Default", "Production")])
    _connect(ctx, account_id, cloud_id, jira_url)
    ids = _add_flags(ctx, actor, project.id, count)
    return Account(account_id, key, project.id, cloud_id, ids)


def _connect(ctx: Context, account_id: str, cloud_id: str, jira_url: str) -> None:
    """Connect a site as if its app had sent a token that does not expire."""
    now, url = ctx.clock(), f"http://{cloud_id}.invalid"
    token = {"system_token": ctx.box.encrypt("token"), "system_token_expires_at": now + A_DAY}
    base = f"{jira_url}/ex/jira/{cloud_id}"
    with ctx.db.write() as tx:
        integrations.save_installation(
            tx, f"app-{cloud_id}", now, cloud_id=cloud_id, site_url=url, api_base_url=base, **token
        )
        at = {"cloud_id": cloud_id, "site_url": url, "auth_method": "app", "installation_id": f"app-{cloud_id}"}
        site = integrations.save_site(tx, account_id, **at, now=now)
        done = {"resync_requested_at": None, "resync_started_at": now, "resync_finished_at": now}
        integrations.update_site(tx, site.id, **done)


def _add_flags(ctx: Context, actor: Actor, project_id: str, count: int) -> dict[str, str]:
    with ctx.db.read() as tx:
        production = next(one.id for one in projects.list_environments(tx, project_id) if one.production)
        kind = projects.list_traffic_types(tx, project_id)[0].id
        status = projects.list_rollout_statuses(tx, project_id)[0].id
    ids: dict[str, str] = {}
    for start in range(0, count, _AT_ONCE):
        names = {f"flag{number:06}": str(uuid4()) for number in range(start, min(start + _AT_ONCE, count))}
        rows = list(_rows(actor, project_id, production, kind, status, names, ctx.clock()))
        with ctx.db.write() as tx:
            for table in (
                flags,
                flag_tags,
                definitions,
                flag_changes,
                issues,
                connections,
                outbox_entries,
                audit_entries,
            ):
                tx.execute(sa.insert(table), [row for of, row in rows if of is table])
        ids |= names
    return ids


def _rows(
    actor: Actor, project_id: str, environment_id: str, kind: str, status: str, names: dict[str, str], now: int
) -> Iterator[tuple[sa.Table, dict[str, object]]]:
    """Insert the rows that creating, defining and connecting a flag would leave."""
    times, project = {"created_at": now, "updated_at": now}, {"project_id": project_id}
    mine, body = {"account_id": actor.account_id}, dump(DEFINITION)
    by = {"actor_type": "system", "actor_id": actor.id, "actor_name": actor.name}
    for name, flag_id in names.items():
        number, issue_id, of_flag = int(name[4:]), str(uuid4()), {"flag_id": flag_id}
        labels = {"traffic_type_id": kind, "rollout_status_id": status, "rollout_status_at": now}
        yield flags, {"id": flag_id, "name": name, **project, **labels, **times, "changed_at": now}
        yield flag_tags, {"name": f"tag{number % 20}", **of_flag, **project}
        place = {"environment_id": environment_id, "body": body, "updated_by": actor.name}
        yield definitions, {"id": str(uuid4()), **of_flag, **place, **times}
        heard = {"flag_name": name, "traffic_type": "user", "change_number": number + 1}
        yield flag_changes, {"environment_id": environment_id, **of_flag, **heard}
        found = {"jira_id": f"{10_000 + number}", "key": f"LOAD-{number + 1}", "summary": f"Release {name} to all"}
        yield issues, {"id": issue_id, **mine, **found, "state": "known", "checked_at": now, "due_at": now + A_DAY}
        yield connections, {**of_flag, "issue_id": issue_id, "created_at": now, "created_by": actor.name}
        sent = {"latest_version": now, "pending_since": now, "delivered_version": now, "delivered_at": now}
        sent |= {"may_exist_remotely": True}
        yield outbox_entries, {**of_flag, **mine, **project, "flag_name": name, **sent}
        for change, after in (("created", {"name": name}), ("initiated", body), ("connected_issue", {"key": number})):
            at = {"object_type": "flag", "object_id": flag_id, "object_name": name, "change": change, "at": now}
            yield audit_entries, {**mine, **project, **by, **at, "environment_id": environment_id, "after": after}
