"""Numbers for applications: they rise with every change, in the order of the commits, whatever the clock does."""

import threading

import pytest
from tests.conftest import AccountFixture, Clock

from flagpost.actions.context import Context
from flagpost.actions.flags import definitions, flags
from flagpost.actions.flags.definitions import Draft
from flagpost.actions.projects import environments, projects
from flagpost.flags.definition_json import parse
from flagpost.store.flags import change_log
from flagpost.store.flags.change_log import ChangedFlag

BODY = {
    "treatments": [{"name": "on"}, {"name": "off"}],
    "defaultTreatment": "off",
    "defaultRule": [{"treatment": "on", "size": 100}],
}


@pytest.fixture
def place(ctx: Context, account: AccountFixture) -> str:
    """The id of an environment that the flags `a` and `b` are set up in."""
    projects.create_project(ctx, account.admin, "Shop")
    found = environments.list_environments(ctx, account.admin, "Shop")[0]
    for name in ("a", "b"):
        flags.create_flag(ctx, account.admin, "Shop", name=name, traffic_type="user")
        definitions.create_definition(ctx, account.admin, "Shop", name, found.id, Draft(parse(BODY)))
    return found.id


def since(ctx: Context, place: str, number: int = -1) -> dict[str, ChangedFlag]:
    with ctx.db.read() as tx:
        return {one.name: one for one in change_log.since(tx, place, number)}


def kill(ctx: Context, account: AccountFixture, place: str, name: str = "a") -> None:
    definitions.kill(ctx, account.admin, "Shop", name, place)


def test_each_change_has_a_number_above_all_before_it_even_if_the_clock_goes_back(
    ctx: Context, account: AccountFixture, place: str, clock: Clock
) -> None:
    before = since(ctx, place)
    assert before["a"].number < before["b"].number
    clock.forward(seconds=-3600)
    kill(ctx, account, place)
    after = since(ctx, place, before["b"].number)
    assert [(one.name, one.killed) for one in after.values()] == [("a", True)]
    with ctx.db.read() as tx:
        assert change_log.numbers(tx, [place, "gone"]) == {place: after["a"].number}


def test_what_is_removed_archived_or_deleted_is_told_of_as_gone(
    ctx: Context, account: AccountFixture, place: str
) -> None:
    start = since(ctx, place)["b"].number
    flags.archive_flag(ctx, account.admin, "Shop", "a")
    definitions.remove_definition(ctx, account.admin, "Shop", "b", place)
    flags.delete_flag(ctx, account.admin, "Shop", "b")
    gone = since(ctx, place, start)
    assert {name: (one.definition, one.traffic_type) for name, one in gone.items()} == dict.fromkeys(
        ("a", "b"), (None, "user")
    )
    flags.unarchive_flag(ctx, account.admin, "Shop", "a")
    assert since(ctx, place, gone["b"].number)["a"].definition is not None


def test_a_number_that_can_be_seen_has_none_below_it_still_to_come(
    ctx: Context, account: AccountFixture, place: str
) -> None:
    """Two that change flags at once, and one that reads: what it has read up to, it has read whole."""
    last = max(one.number for one in since(ctx, place).values())
    seen: list[int] = []
    done = threading.Event()

    def change(name: str) -> None:
        for _ in range(20):
            definitions.kill(ctx, account.admin, "Shop", name, place)
            definitions.restore(ctx, account.admin, "Shop", name, place)

    def read() -> None:
        while not done.is_set():
            found = sorted(one.number for one in since(ctx, place, seen[-1] if seen else last).values())
            seen.extend(found)

    changing = [threading.Thread(target=change, args=(name,)) for name in ("a", "b")]
    reading = threading.Thread(target=read)
    for thread in (*changing, reading):
        thread.start()
    for thread in changing:
        thread.join()
    done.set()
    reading.join()
    assert seen == sorted(set(seen))
    missed = set(since(ctx, place, seen[-1] if seen else last).values())
    assert all(one.number > seen[-1] for one in missed)
