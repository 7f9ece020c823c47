"""One unit of work: no action does by hand what a `Change` does, and a `Change` does all of it or nothing."""

import ast
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
import sqlalchemy as sa

import flagpost
from flagpost.actions import audit
from flagpost.actions.access import Actor, ActorType
from flagpost.actions.context import Context
from flagpost.actions.flags import definitions, flags
from flagpost.actions.flags.definitions import Draft
from flagpost.actions.jira import issue_links
from flagpost.actions.projects import projects
from flagpost.actions.unit_of_work import Change, Subject, flag_subject, run, transactional
from flagpost.errors import Conflict, TransactionBroken
from flagpost.store.accounts import accounts
from flagpost.store.db import Database
from flagpost.store.jira import outbox
from flagpost.store.records import Flag
from tests.actions.flags.test_flags import definition
from tests.conftest import AccountFixture, Clock, context_on, new_account
from tests.store.interleaving import LONG

ACTIONS = Path(flagpost.__file__).parent / "actions"
OWNER = ACTIONS / "unit_of_work.py"
BY_HAND = {
    "*.db.write": "opens a transaction of its own: make it @transactional, and take a Change",
    "*.db.transact": "opens a transaction of its own: make it @transactional, and take a Change",
    "*.wake": "wakes delivery before it is known whether the change commits: call change.wake_delivery()",
    "*.bring_up_to_date": "writes outside of the change: ask with look_up_known, store with store_answers in a Change",
    "flagpost.store.audit.write": "writes an audit entry by hand: call change.saved(), or what names the deed",
    "flagpost.store.jira.outbox.bump*": "sends flags by hand, before the other locks: call change.resend_…()",
    "flagpost.store.jira.outbox.enqueue": "sends a flag by hand, before the other locks: call change.issues_changed()",
    "flagpost.store.flags.change_log.append*": "serves a flag by hand: call change.definition_saved() or flag_switched()",
    "flagpost.store.flags.change_sequence.*": "numbers a change by hand: call what names the deed, as definition_saved()",
}
"""What only `Change` does, by full name or by the end of an expression, each with what to do instead."""


# Nothing by hand --------------------------------------------------------------------------------------------------


def done_by_hand(source: str) -> Iterator[str]:
    """Every use of a name in BY_HAND, also under another name, and without a call."""
    tree = ast.parse(source)
    imported = dict(_imports(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{one.name}" for one in node.names]
        elif isinstance(node, ast.Attribute):
            root, _, rest = ast.unparse(node).partition(".")
            names = [f"{imported.get(root, root)}.{rest}"]
        else:
            continue
        for name in names:
            yield from (f"line {node.lineno}: {name} {why}" for what, why in BY_HAND.items() if fnmatchcase(name, what))


def _imports(tree: ast.AST) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from ((one.asname or one.name, f"{node.module}.{one.name}") for one in node.names)
        elif isinstance(node, ast.Import):
            yield from ((one.asname, one.name) for one in node.names if one.asname)


def test_no_action_does_by_hand_what_a_change_does() -> None:
    modules = [path for path in sorted(ACTIONS.rglob("*.py")) if path != OWNER]
    found = {str(path.relative_to(ACTIONS)): list(done_by_hand(path.read_text())) for path in modules}
    assert {path: said for path, said in found.items() if said} == {}


@pytest.mark.parametrize(
    "source",
    [
        "with ctx.db.write() as tx: pass",
        "change.ctx.db.transact(work)",
        "ctx.wake(actor.account_id)",
        "later = self.ctx.wake",
        "ctx.issues.bring_up_to_date(site, stale, patience)",
        "from flagpost.store import audit\naudit.write(tx, {})",
        "from flagpost.store import audit as log\nlog.write(tx, {})",
        "from flagpost.store.audit import write",
        "from flagpost.store.jira import outbox\noutbox.bump(tx, ids, now)",
        "from flagpost.store.jira import outbox\noutbox.bump_account(tx, account, now)",
        "from flagpost.store.jira.outbox import enqueue as add",
        "import flagpost.store.jira.outbox\nflagpost.store.jira.outbox.enqueue(tx)",
        "from flagpost.store.flags import change_log\nchange_log.append_everywhere(tx, flag, now)",
        "from flagpost.store.flags.change_sequence import next_change_number",
    ],
)
def test_the_check_finds_what_is_done_by_hand(source: str) -> None:
    assert len(list(done_by_hand(source))) == 1


def test_the_check_lets_pass_what_reads_and_what_a_change_offers() -> None:
    source = """
from flagpost.actions import audit
from flagpost.store.jira import outbox
with ctx.db.read() as tx: outbox.find(tx, flag), outbox.lock(tx, [flag])
audit.list_audit(ctx, actor, project)
change.wake_delivery()
"""
    assert list(done_by_hand(source)) == []


# All of it or nothing ---------------------------------------------------------------------------------------------


class Deliveries:
    """Which accounts a delivery was woken for, and how many audit entries were committed by then."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.woken: list[str] = []
        self.entries: list[int] = []

    def wake(self, account_id: str) -> None:
        self.woken.append(account_id)
        with self._database.read() as tx:
            self.entries.append(tx.exec_driver_sql("SELECT count(*) FROM audit_entries").scalar_one())


@pytest.fixture
def deliveries(sqlite_database: Database) -> Deliveries:
    return Deliveries(sqlite_database)


@pytest.fixture
def world(sqlite_ctx: Context, deliveries: Deliveries) -> Context:
    """A context whose deliveries are noted."""
    return replace(sqlite_ctx, wake=deliveries.wake)


@pytest.fixture
def pay(world: Context, sqlite_account: AccountFixture, deliveries: Deliveries) -> Flag:
    """A flag that is connected with an issue, and set up in production."""
    admin = sqlite_account.admin
    projects.create_project(world, admin, "Shop")
    flag = flags.create_flag(world, admin, "Shop", name="pay", traffic_type="user")
    definitions.create_definition(world, admin, "Shop", "pay", "Production", Draft(definition(90)))
    issue_links.connect_issues(world, admin, "Shop", "pay", ["PAY-1"])
    deliveries.woken.clear()
    deliveries.entries.clear()
    return flag


@transactional
def describe(change: Change, flag: Flag, text: str, *, fails: bool = False) -> str:
    """Say something about a flag, and send it again; Conflict where it is to fail."""
    flags_table = sa.text("UPDATE flags SET description = :text WHERE id = :id")
    change.tx.execute(flags_table, {"text": text, "id": flag.id})
    change.saved("described", flag_subject(flag), after={"description": text})
    change.resend_flags([flag.id])
    if fails:
        raise Conflict("No.")
    return text


def changes_of(ctx: Context, account: AccountFixture, flag: Flag) -> list[str]:
    return [one.change for one in audit.list_audit(ctx, account.admin, "Shop", flag=flag.name).items]


def version(ctx: Context, flag: Flag) -> int:
    with ctx.db.read() as tx:
        entry = outbox.find(tx, flag.id)
    assert entry is not None
    return entry.latest_version


def test_delivery_is_woken_once_after_the_commit(
    world: Context, sqlite_account: AccountFixture, pay: Flag, deliveries: Deliveries
) -> None:
    before = version(world, pay)
    entries_before = len(audit.list_account_audit(world, sqlite_account.admin, limit=100).items)
    assert describe(world, sqlite_account.admin, pay, "Pay with a card") == "Pay with a card"
    assert (deliveries.woken, deliveries.entries) == ([sqlite_account.id], [entries_before + 1])
    assert version(world, pay) > before


def test_an_action_that_raises_leaves_nothing_and_wakes_nothing(
    world: Context, sqlite_account: AccountFixture, pay: Flag, deliveries: Deliveries
) -> None:
    before, changes = version(world, pay), changes_of(world, sqlite_account, pay)
    with pytest.raises(Conflict):
        describe(world, sqlite_account.admin, pay, "Pay with a card", fails=True)
    assert flags.get_flag(world, sqlite_account.admin, "Shop", "pay").description == ""
    assert (version(world, pay), changes_of(world, sqlite_account, pay), deliveries.woken) == (before, changes, [])


def test_what_was_never_connected_wakes_nothing_unless_the_action_asks_for_it(
    world: Context, sqlite_account: AccountFixture, pay: Flag, deliveries: Deliveries
) -> None:
    apart = flags.create_flag(world, sqlite_account.admin, "Shop", name="apart", traffic_type="user")
    describe(world, sqlite_account.admin, apart, "Not in Jira")
    assert deliveries.woken == []
    run(world, sqlite_account.admin, lambda change: change.wake_delivery())
    assert deliveries.woken == [sqlite_account.id]


def test_an_action_within_another_shares_its_transaction_and_its_end(
    world: Context, sqlite_account: AccountFixture, pay: Flag, deliveries: Deliveries
) -> None:
    seen: list[Change] = []

    @transactional
    def describe_twice(change: Change, *, fails: bool) -> None:
        seen.append(change)
        describe.within(change, pay, "One")
        describe.within(change, pay, "Two", fails=fails)

    before = version(world, pay)
    with pytest.raises(Conflict):
        describe_twice(world, sqlite_account.admin, fails=True)
    assert flags.get_flag(world, sqlite_account.admin, "Shop", "pay").description == ""
    describe_twice(world, sqlite_account.admin, fails=False)
    assert flags.get_flag(world, sqlite_account.admin, "Shop", "pay").description == "Two"
    assert changes_of(world, sqlite_account, pay)[:2] == ["described", "described"]
    assert len(seen) == 2
    assert (deliveries.woken, version(world, pay)) == ([sqlite_account.id], max(world.clock(), before + 1))


def test_an_action_keeps_its_name_and_its_docstring() -> None:
    assert (describe.__name__, str(describe.__doc__)[:19]) == ("describe", "Say something about")  # type: ignore[attr-defined]


def test_another_actor_stands_in_the_audit_log_of_the_same_change(
    world: Context, sqlite_account: AccountFixture, pay: Flag, deliveries: Deliveries
) -> None:
    jira = Actor(sqlite_account.id, ActorType.JIRA, "cloud", "https://team.atlassian.net", frozenset())
    run(world, sqlite_account.admin, lambda change: describe.within(change.acting_as(jira), pay, "In Jira"))
    newest = audit.list_audit(world, sqlite_account.admin, "Shop", flag="pay").items[0]
    assert (newest.actor_type, newest.actor_name) == ("jira", "https://team.atlassian.net")
    assert deliveries.woken == [sqlite_account.id]


@contextmanager
def written_tables(database: Database) -> Iterator[list[str]]:
    """The tables that are written to while the block runs, one after the other."""
    tables: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        found = re.match(r"(?:INSERT INTO|UPDATE|DELETE FROM) (\w+)", statement)
        if found and found[1] not in tables[-1:]:
            tables.append(found[1])

    sa.event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield tables
    finally:
        sa.event.remove(database.engine, "before_cursor_execute", note)


def test_outbox_entries_and_then_change_numbers_are_written_last(
    world: Context, sqlite_account: AccountFixture, pay: Flag
) -> None:
    """Deliveries and polls wait for them, so they are held for the shortest time, in the lock order."""
    with written_tables(world.db) as tables:
        run(world, sqlite_account.admin, lambda change: _kill_and_describe(change, pay))
    written = [
        one for one in tables if one in ("definitions", "flags", "audit_entries", "outbox_entries", "change_sequence")
    ]
    assert written == [
        "definitions",
        "flags",
        "audit_entries",
        "flags",
        "audit_entries",
        "outbox_entries",
        "change_sequence",
    ]


def _kill_and_describe(change: Change, flag: Flag) -> None:
    definitions.kill.within(change, "Shop", flag.name, "Production")
    describe.within(change, flag, "Killed")


# Deadlocks --------------------------------------------------------------------------------------------------------


@pytest.fixture
def postgres(postgres_url: str, clock: Clock) -> Iterator[Context]:
    ctx = context_on(Database(postgres_url), clock)
    yield ctx
    ctx.db.close()


def test_of_two_changes_that_wait_for_each_other_both_are_made(postgres: Context) -> None:
    """PostgreSQL breaks one of them off. It is done again, and nothing of its first try is left."""
    one, other = new_account(postgres, "One"), new_account(postgres, "Other")
    deliveries = Deliveries(postgres.db)
    ctx = replace(postgres, wake=deliveries.wake)
    both_hold_one = threading.Barrier(2, timeout=LONG)
    tries: list[str] = []

    @transactional
    def lock_both(change: Change, first: str, second: str) -> None:
        tries.append(first)
        accounts.lock(change.tx, first)
        change.saved("locked", Subject("test", first, "One after the other"))
        change.wake_delivery()
        if tries.count(first) == 1:
            both_hold_one.wait()
        accounts.lock(change.tx, second)

    with ThreadPoolExecutor(2) as pool:
        made = [
            pool.submit(lock_both, ctx, one.admin, one.id, other.id),
            pool.submit(lock_both, ctx, other.admin, other.id, one.id),
        ]
        assert [future.result(LONG) for future in made] == [None, None]
    assert sorted(tries.count(account.id) for account in (one, other)) == [1, 2]
    assert sorted(deliveries.woken) == sorted([one.id, other.id])
    for account in (one, other):
        assert [entry.change for entry in audit.list_account_audit(ctx, account.admin).items] == ["locked"]


def test_a_change_that_is_broken_off_each_time_says_so_and_wakes_nothing(
    world: Context, sqlite_account: AccountFixture, deliveries: Deliveries
) -> None:
    tries: list[int] = []

    def break_off(change: Change) -> None:
        tries.append(1)
        change.saved("tried", Subject("test", "1", "Never"))
        change.wake_delivery()
        raise TransactionBroken("deadlock detected")

    with pytest.raises(TransactionBroken):
        run(world, sqlite_account.admin, break_off)
    assert len(tries) > 1
    assert (deliveries.woken, audit.list_account_audit(world, sqlite_account.admin).items) == ([], [])
