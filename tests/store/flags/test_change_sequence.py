"""What SDKs are told of segments: numbers that only rise, and what came and went after one."""

import json
import re
import threading

import pytest
import sqlalchemy as sa
from tests.conftest import AccountFixture, Clock

from flagpost.actions.context import Context
from flagpost.actions.projects.projects import create_project
from flagpost.actions.segments import keys as segment_keys
from flagpost.actions.segments import segments
from flagpost.flags.targeting import SegmentKind
from flagpost.serving.environment import ServedEnvironment
from flagpost.store.flags import snapshot
from flagpost.store.flags.change_sequence import next_change_number
from flagpost.store.projects.projects import list_environments
from flagpost.store.segments import keys as stored_keys
from flagpost.store.segments import segments as stored
from flagpost.store.segments.keys import KeyChanges
from flagpost.store.segments.segments import SegmentDefinition


@pytest.fixture
def live(ctx: Context, account: AccountFixture) -> str:
    """The id of an environment."""
    project = create_project(ctx, account.admin, "Shop")
    with ctx.db.read() as tx:
        return list_environments(tx, project.id)[-1].id


@pytest.fixture
def staff(ctx: Context, account: AccountFixture, live: str) -> str:
    """The name of a segment that is in the environment."""
    segments.create_segment(ctx, account.admin, "Shop", SegmentKind.STANDARD, name="staff", traffic_type="user")
    segments.add_to_environment(ctx, account.admin, live, "staff")
    return "staff"


def there(ctx: Context, live: str, name: str) -> SegmentDefinition:
    with ctx.db.read() as tx:
        found = stored.find_definition(tx, live, name)
    assert found
    return found


def since(ctx: Context, live: str, name: str, number: int) -> KeyChanges:
    with ctx.db.read() as tx:
        found = stored_keys.changed_since(tx, there(ctx, live, name), number)
    return KeyChanges(sorted(found.added), sorted(found.removed), found.number)


def test_a_number_is_larger_than_every_one_before_though_the_clock_stands_still_or_goes_back(
    ctx: Context, clock: Clock, live: str
) -> None:
    taken = []
    for seconds in (0, 0, -5, 0, 60):
        clock.forward(seconds=seconds)
        with ctx.db.write() as tx:
            taken.append(next_change_number(tx, live, clock.now))
    assert taken == sorted(set(taken))
    assert taken[-1] == clock.now


def test_whoever_comes_second_waits_until_the_first_number_is_committed(ctx: Context, clock: Clock, live: str) -> None:
    numbers: list[int] = []
    taken = threading.Event()

    def second() -> None:
        with ctx.db.write() as tx:
            numbers.append(next_change_number(tx, live, clock.now))
            taken.set()

    other = threading.Thread(target=second)
    with ctx.db.write() as tx:
        numbers.append(next_change_number(tx, live, clock.now))
        other.start()
        assert not taken.wait(0.3)
    other.join(10)
    assert numbers == [numbers[0], numbers[0] + 1]


def test_keys_that_came_and_went_since_a_number(ctx: Context, account: AccountFixture, live: str, staff: str) -> None:
    start = there(ctx, live, staff).change_number
    segment_keys.add_keys(ctx, account.admin, live, staff, ["ada", "bob"])
    first = since(ctx, live, staff, start)
    assert (first.added, first.removed) == (["ada", "bob"], [])
    segment_keys.remove_keys(ctx, account.admin, live, staff, ["ada"])
    segment_keys.add_keys(ctx, account.admin, live, staff, ["cy", "bob"])
    second = since(ctx, live, staff, first.number)
    assert (second.added, second.removed) == (["cy"], ["ada"])
    assert since(ctx, live, staff, -1) == KeyChanges(["bob", "cy"], [], second.number)
    assert since(ctx, live, staff, second.number) == KeyChanges([], [], second.number)
    segment_keys.add_keys(ctx, account.admin, live, staff, ["ada"])
    assert since(ctx, live, staff, first.number).added == ["ada", "cy"]


def test_a_change_that_changes_nothing_takes_no_number(
    ctx: Context, account: AccountFixture, live: str, staff: str
) -> None:
    segment_keys.add_keys(ctx, account.admin, live, staff, ["ada"])
    before = there(ctx, live, staff).change_number
    assert segment_keys.add_keys(ctx, account.admin, live, staff, ["ada"]) == 0
    assert segment_keys.remove_keys(ctx, account.admin, live, staff, ["bob"]) == 0
    assert there(ctx, live, staff).change_number == before


def test_keys_are_written_before_their_number_is_taken(
    ctx: Context, account: AccountFixture, live: str, staff: str
) -> None:
    """Every other change in the environment, a kill among them, waits from then until the commit."""
    written: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        written.extend(re.findall(r"^(?:INSERT INTO|UPDATE) (\w+)", statement))

    sa.event.listen(ctx.db.engine, "before_cursor_execute", note)
    segment_keys.add_keys(ctx, account.admin, live, staff, ["ada", "bob"])
    segment_keys.add_keys(ctx, account.admin, live, staff, ["cy"], replace=True)
    sa.event.remove(ctx.db.engine, "before_cursor_execute", note)
    one_change = written[: written.index("audit_entries") + 1]
    assert one_change == [
        "segment_keys",
        "change_sequence",
        "segment_definitions",
        "segment_revisions",
        "audit_entries",
    ]
    assert "segment_keys" not in written[len(written) - written[::-1].index("change_sequence") :]


def test_which_segments_a_key_is_in(ctx: Context, account: AccountFixture, live: str, staff: str) -> None:
    segments.create_segment(ctx, account.admin, "Shop", SegmentKind.LARGE, name="crowd", traffic_type="user")
    segments.add_to_environment(ctx, account.admin, live, "crowd")
    segment_keys.add_keys(ctx, account.admin, live, staff, ["ada", "bob"])
    segment_keys.add_keys(ctx, account.admin, live, "crowd", ["ada"], kinds=[SegmentKind.LARGE])
    segment_keys.remove_keys(ctx, account.admin, live, staff, ["bob"])
    with ctx.db.read() as tx:
        read = snapshot.read(tx, "", live, -1)
    served = ServedEnvironment("", live).with_changes(read)
    of_ada, of_bob = (json.loads(served.memberships(key)) for key in ("ada", "bob"))
    assert [one["n"] for one in of_ada["ms"]["k"]] == ["staff"]
    assert [one["n"] for one in of_ada["ls"]["k"]] == ["crowd"]
    assert of_bob["ms"]["k"] == []


def test_a_segment_that_was_taken_out_is_told_as_removed(
    ctx: Context, account: AccountFixture, live: str, staff: str
) -> None:
    before = there(ctx, live, staff).change_number
    segments.remove_from_environment(ctx, account.admin, live, staff)
    segments.delete_segment(ctx, account.admin, "Shop", staff)
    with ctx.db.read() as tx:
        told = stored.changed_since(tx, live, SegmentKind.STANDARD, before)
        assert [(one.segment.name, one.removed) for one in told] == [("staff", True)]
        assert stored.changed_since(tx, live, SegmentKind.STANDARD, told[0].change_number) == []
