"""A dry run: exactly what Jira would be sent of one flag now, without sending it."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from flagpost.actions.access import Actor, Right
from flagpost.actions.context import Context
from flagpost.actions.lookup import get_visible_flag, get_visible_project
from flagpost.jira.payload import bulk_request, flag_payload, tombstone_payload
from flagpost.jira.removal import properties
from flagpost.jira.site_access import OAUTH
from flagpost.store.db import Transaction
from flagpost.store.jira import credentials, integrations, issues, outbox, payload_source
from flagpost.store.jira.integrations import Site
from flagpost.store.jira.outbox import OutboxEntry
from flagpost.store.records import Flag


@dataclass(frozen=True, slots=True)
class Preview:
    """One request: `method`, `url` and `body`, the token aside; all None where nothing would be sent.

    `why` says in a sentence what the request does, or why there is none.
    """

    why: str
    method: str | None = None
    url: str | None = None
    body: dict[str, Any] | None = None


def preview(ctx: Context, actor: Actor, project: str, flag: str) -> Preview:
    """What Jira would be sent of this flag, if it were sent now. Raises NotFound as every action on a flag."""
    actor.require(Right.VIEW_FLAGS)
    with ctx.db.read() as tx:
        return read_preview(ctx, tx, actor, get_visible_flag(tx, get_visible_project(tx, actor, project), flag))


def read_preview(ctx: Context, tx: Transaction, actor: Actor, one: Flag) -> Preview:
    """Within a transaction: what Jira would be sent of this flag."""
    site = integrations.site_of_account(tx, actor.account_id)
    entry = outbox.find(tx, one.id) or _never_sent(one, ctx.clock())
    state = payload_source.load_flag_states(tx, actor.account_id, [entry], ctx.settings.public_url).get(one.id)
    reason = "" if state else _why_not(tx, actor, one)
    given = credentials.of_account(tx, actor.account_id)
    refusal = given.delete_refusal if given and site and site.auth_method == OAUTH else None
    url = _flags_url(ctx, tx, site)
    if state:
        body = bulk_request([flag_payload(state)], properties(actor.account_id, one.project_id))
        return Preview(
            "Flagpost sends the state of the flag, and the issues that it belongs to.", "POST", f"{url}/bulk", body
        )
    if entry.may_exist_remotely and site and not site.disconnected_at:
        if refusal:
            return _tombstone(ctx, site, entry, f"{reason} {refusal}", url)
        where = f"{url}/flag/{quote(one.id, safe='')}"
        return Preview(f"{reason} Jira received it before, so it is deleted there.", "DELETE", where)
    return Preview(f"{reason} Jira never received it, so there is nothing to send.")


def _tombstone(ctx: Context, site: Site, entry: OutboxEntry, why: str, url: str) -> Preview:
    """What is sent where Jira would not delete."""
    if not entry.sent_issues:
        return Preview(f"{why} It may still be shown.")
    now = ctx.clock()
    flag = tombstone_payload(
        entry.flag_id, entry.flag_name, entry.latest_version, entry.sent_issues, ctx.settings.public_url, now
    )
    body = bulk_request([flag], properties(site.account_id, entry.project_id))
    return Preview(f"{why} So Flagpost sends that it is off, and disconnects its issues.", "POST", f"{url}/bulk", body)


def _never_sent(flag: Flag, now: int) -> OutboxEntry:
    return OutboxEntry(flag.id, flag.project_id, flag.name, now, 0, False, None, None, now, None, None)


def _why_not(tx: Transaction, actor: Actor, flag: Flag) -> str:
    covered = {one.project.id for one in integrations.chosen_projects(tx, actor.account_id) if one.visible}
    connected = [one.issue for one in issues.connections_of(tx, flag.id)]
    if flag.project_id not in covered:
        return "The Jira integration does not cover the flag's project."
    if not connected:
        return "The flag is connected with no issue."
    return "Jira knows none of the flag's issues any more."


def _flags_url(ctx: Context, tx: Transaction, site: Site | None) -> str:
    if site is None or site.disconnected_at:
        return f"{ctx.settings.atlassian_api_url}/…"
    return ctx.keyring.flags_url(site, integrations.find_installation(tx, site.installation_id))
