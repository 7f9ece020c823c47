"""What definitions refer to is found by an index that never differs from them, and two saves close no circle."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa
from tests.conftest import AccountFixture, Clock, context_on, new_account
from tests.store.interleaving import LONG, wait_until_one_waits

from flagpost.actions.access import Actor
from flagpost.actions.context import Context
from flagpost.actions.flags import definitions, flags
from flagpost.actions.flags.definitions import Draft
from flagpost.actions.flags.flag_sets import create_flag_set, list_members
from flagpost.actions.projects.projects import create_project
from flagpost.actions.segments import segments
from flagpost.actions.segments.usage import SegmentUse, list_uses
from flagpost.actions.unit_of_work import Change, run
from flagpost.errors import Conflict, InvalidInput
from flagpost.flags.definition_json import parse
from flagpost.flags.targeting import SegmentKind
from flagpost.store.db import Database
from flagpost.store.flags import dependencies
from flagpost.store.schema.core import definition_dependencies
from flagpost.store.schema.core import definitions as stored

LIVE = "Production"


def draft(*asked: str, segments: tuple[str, ...] = (), flag_sets: Any = None, **more: Any) -> Draft:
    body = {
        "treatments": [{"name": "on", "segments": list(segments)}, {"name": "off"}],
        "defaultTreatment": "off",
        "defaultRule": [{"treatment": "on", "size": 100}],
        "prerequisites": [{"splitName": name, "treatment": ["on"]} for name in asked],
        **more,
    }
    return Draft(parse(body), flag_sets)


def shop(ctx: Context, account: AccountFixture) -> Actor:
    create_project(ctx, account.admin, "Shop")
    for name in ("pay", "search", "zoom"):
        flags.create_flag(ctx, account.admin, "Shop", name=name, traffic_type="user")
    return account.admin


@pytest.fixture
def admin(ctx: Context, account: AccountFixture) -> Actor:
    return shop(ctx, account)


@pytest.fixture
def on_postgres(postgres_url: str, clock: Clock) -> Iterator[tuple[Context, Actor]]:
    ctx = context_on(Database(postgres_url), clock)
    yield ctx, shop(ctx, new_account(ctx))
    ctx.db.close()


def create(ctx: Context, admin: Actor, flag: str, new: Draft) -> None:
    definitions.create_definition(ctx, admin, "Shop", flag, LIVE, new)


def save(ctx: Context, admin: Actor, flag: str, new: Draft) -> None:
    definitions.save_definition(ctx, admin, "Shop", flag, LIVE, new)


def add_segment(ctx: Context, admin: Actor, name: str) -> None:
    made = segments.create_segment(ctx, admin, "Shop", SegmentKind.STANDARD, name=name, traffic_type="user")
    with ctx.db.read() as tx:
        live = tx.scalar(sa.text("SELECT id FROM environments WHERE name = 'Production'"))
    segments.add_to_environment(ctx, admin, live, made.name)


def require_index_agrees(ctx: Context) -> None:
    """The index has what the definitions say, and nothing else."""
    with ctx.db.read() as tx:
        said = {
            (row.id, *one)
            for row in tx.execute(sa.select(stored))
            for one in dependencies.references_in(row.body) | {("flag_set", id) for id in row.flag_set_ids}
        }
        assert {tuple(row) for row in tx.execute(sa.select(definition_dependencies))} == said


def test_the_index_follows_every_way_to_write_a_definition(ctx: Context, admin: Actor) -> None:
    add_segment(ctx, admin, "staff")
    web = create_flag_set(ctx, admin, "Shop", name="web")
    app = create_flag_set(ctx, admin, "Shop", name="app")
    matcher = {"type": "IN_SPLIT", "depends": {"splitName": "zoom", "treatment": ["on"]}}
    rule = {"condition": {"combiner": "AND", "matchers": [matcher]}, "buckets": [{"treatment": "on", "size": 100}]}
    create(ctx, admin, "pay", draft("search", segments=("staff",), flag_sets=[web.id], rules=[rule]))
    require_index_agrees(ctx)
    save(ctx, admin, "pay", draft("zoom"))
    require_index_agrees(ctx)
    assert [member.flag for member in list_members(ctx, admin, "Shop")[web.id]] == ["pay"]
    save(ctx, admin, "pay", draft(segments=("staff",), flag_sets=[app.id]))
    definitions.kill(ctx, admin, "Shop", "pay", LIVE)
    require_index_agrees(ctx)
    assert set(list_members(ctx, admin, "Shop")) == {app.id}
    definitions.remove_definition(ctx, admin, "Shop", "pay", LIVE)
    with ctx.db.read() as tx:
        assert tx.execute(sa.select(definition_dependencies)).all() == []


def test_only_a_reference_counts_and_not_a_text_that_reads_like_one(ctx: Context, admin: Actor) -> None:
    add_segment(ctx, admin, "staff")
    add_segment(ctx, admin, "staf_")
    words = '"splitName": "pay" and "staff"'
    treatments = [{"name": "on", "description": words, "keys": ["staff", "pay"]}, {"name": "off"}]
    create(ctx, admin, "search", draft(treatments=treatments))
    create(ctx, admin, "zoom", draft(segments=("staf_",)))
    assert list_uses(ctx, admin, "Shop", "staff") == []
    assert list_uses(ctx, admin, "Shop", "staf_") == [SegmentUse("flag", "zoom", LIVE)]
    flags.archive_flag(ctx, admin, "Shop", "pay")


def test_a_flag_of_the_same_name_in_another_project_is_another_flag(ctx: Context, admin: Actor) -> None:
    create(ctx, admin, "search", draft("pay"))
    create_project(ctx, admin, "Other")
    flags.create_flag(ctx, admin, "Other", name="pay", traffic_type="user")
    flags.archive_flag(ctx, admin, "Other", "pay")
    with pytest.raises(Conflict, match="search"):
        flags.archive_flag(ctx, admin, "Shop", "pay")


def test_a_flag_that_others_ask_for_is_not_deleted(ctx: Context, admin: Actor) -> None:
    create(ctx, admin, "search", draft("pay"))
    with pytest.raises(Conflict, match="search"):
        flags.delete_flag(ctx, admin, "Shop", "pay")
    save(ctx, admin, "search", draft())
    flags.delete_flag(ctx, admin, "Shop", "pay")


def test_a_circle_over_several_flags_is_refused(ctx: Context, admin: Actor) -> None:
    create(ctx, admin, "pay", draft("search"))
    create(ctx, admin, "search", draft("zoom"))
    with pytest.raises(InvalidInput, match="in turn"):
        create(ctx, admin, "zoom", draft("pay"))


def test_a_flag_is_not_brought_back_into_a_circle_that_was_closed_without_it(ctx: Context, admin: Actor) -> None:
    create(ctx, admin, "pay", draft("search"))
    create(ctx, admin, "zoom", draft("pay"))
    for name in ("zoom", "pay"):
        flags.archive_flag(ctx, admin, "Shop", name)
    flags.unarchive_flag(ctx, admin, "Shop", "zoom")
    create(ctx, admin, "search", draft("zoom"))
    with pytest.raises(Conflict, match="“search” depends on “pay” now"):
        flags.unarchive_flag(ctx, admin, "Shop", "pay")
    save(ctx, admin, "search", draft())
    flags.unarchive_flag(ctx, admin, "Shop", "pay")


def test_of_two_saves_that_would_close_a_circle_one_is_refused(on_postgres: tuple[Context, Actor]) -> None:
    ctx, admin = on_postgres

    def first(change: Change) -> Any:
        definitions.create_definition.within(change, "Shop", "pay", LIVE, draft("search"))
        second = pool.submit(create, ctx, admin, "search", draft("pay"))
        wait_until_one_waits(ctx.db)
        return second

    with ThreadPoolExecutor(1) as pool:
        second = run(ctx, admin, first)
        with pytest.raises(InvalidInput, match="in turn"):
            second.result(LONG)
    require_index_agrees(ctx)


def test_saves_that_ask_for_each_other_over_and_over_never_leave_a_circle(on_postgres: tuple[Context, Actor]) -> None:
    ctx, admin = on_postgres
    for flag in ("pay", "search", "zoom"):
        create(ctx, admin, flag, draft())

    def attempt(flag: str, asked: str) -> bool:
        try:
            save(ctx, admin, flag, draft(asked))
        except InvalidInput:
            return False
        return True

    for _ in range(10):
        with ThreadPoolExecutor(3) as pool:
            done = [pool.submit(attempt, *pair) for pair in (("pay", "search"), ("search", "zoom"), ("zoom", "pay"))]
        assert sum(one.result() for one in done) == 2
        for flag in ("pay", "search", "zoom"):
            save(ctx, admin, flag, draft())


def test_a_flag_is_not_archived_while_a_save_begins_to_ask_for_it(on_postgres: tuple[Context, Actor]) -> None:
    ctx, admin = on_postgres

    def first(change: Change) -> Any:
        definitions.create_definition.within(change, "Shop", "pay", LIVE, draft("search"))
        second = pool.submit(flags.archive_flag, ctx, admin, "Shop", "search")
        wait_until_one_waits(ctx.db)
        return second

    with ThreadPoolExecutor(1) as pool:
        second = run(ctx, admin, first)
        with pytest.raises(Conflict, match="depend on"):
            second.result(LONG)


def test_a_save_that_asks_for_a_flag_waits_for_its_archiving(on_postgres: tuple[Context, Actor]) -> None:
    ctx, admin = on_postgres

    def first(change: Change) -> Any:
        flags.archive_flag.within(change, "Shop", "search")
        second = pool.submit(create, ctx, admin, "pay", draft("search"))
        wait_until_one_waits(ctx.db)
        return second

    with ThreadPoolExecutor(1) as pool:
        second = run(ctx, admin, first)
        with pytest.raises(InvalidInput, match="There is no feature flag"):
            second.result(LONG)
