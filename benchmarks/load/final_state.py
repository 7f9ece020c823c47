"""Compares the final state of every flag in Jira, in Flagpost, and of the last request."""

import json
from collections.abc import Iterator, Sequence, Set
from dataclasses import fields

import sqlalchemy as sa

from benchmarks.load.fill import Account
from benchmarks.load.stores import PUBLIC_URL
from benchmarks.stage import Client
from flagpost.jira.payload import flag_payload
from flagpost.store.db import Database
from flagpost.store.jira import payload_source
from flagpost.store.jira.outbox import OutboxEntry
from flagpost.store.schema.jira import outbox_entries

_AT_ONCE = 1000
_ROWS = sa.select(*(outbox_entries.c[field.name] for field in fields(OutboxEntry)))


def require_equal(database: Database, jira: Client, accounts: Sequence[Account], killed: Set[str]) -> int:
    """Compare all flags. Gives their number. AssertionError names the first difference, or a broken rule."""
    compared = 0
    for account in accounts:
        shown = jira.get(f"/stand-in/flags?cloud={account.cloud_id}")
        wanted = dict(_wanted(database, account.id))
        assert shown.keys() == wanted.keys() == set(account.flag_ids.values()), account.cloud_id
        for flag_id, payload in wanted.items():
            assert shown[flag_id] == payload, (account.cloud_id, shown[flag_id], payload)
            assert json.loads(payload)["summary"]["status"]["enabled"] == (flag_id not in killed), payload
        compared += len(wanted)
    breaches = jira.get("/stand-in/counts")["breaches"]
    assert not breaches, breaches
    return compared


def _wanted(database: Database, account_id: str) -> Iterator[tuple[str, str]]:
    """Every flag of an account as Jira has to show it."""
    with database.read() as tx:
        rows = [OutboxEntry(*row) for row in tx.execute(_ROWS.where(outbox_entries.c.account_id == account_id))]
        assert not [row for row in rows if row.pending]
        for start in range(0, len(rows), _AT_ONCE):
            told = payload_source.load_flag_states(tx, account_id, rows[start : start + _AT_ONCE], PUBLIC_URL)
            for flag_id, flag in told.items():
                yield flag_id, json.dumps(flag_payload(flag), sort_keys=True)
