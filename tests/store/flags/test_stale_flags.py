"""Stale flags: judged in the database, and the same as by a reading of the rule, one flag at a time."""

from random import Random

import pytest
import sqlalchemy as sa
from tests.conftest import AccountFixture, Clock

from flagpost.actions.context import Context
from flagpost.actions.flags import definitions, flags, pages
from flagpost.actions.flags.definitions import Draft
from flagpost.actions.flags.pages import FlagQuery
from flagpost.actions.projects import environments, projects
from flagpost.flags.definition_json import parse
from flagpost.store.flags import impressions
from flagpost.store.flags.flags import FlagFilter
from flagpost.store.flags.impressions import CONTROL, DAY_MS, UNKNOWN, Sum, SumKey
from flagpost.store.flags.stale_flags import StaleFlags
from flagpost.store.schema.core import flags as flag_table

pytestmark = pytest.mark.slow

BODY = {
    "treatments": [{"name": "on"}, {"name": "off"}],
    "defaultTreatment": "off",
    "defaultRule": [{"treatment": "on", "size": 100}],
}
DAYS = 30


class Shop:
    """The project *Shop*; times are days ago."""

    def __init__(self, ctx: Context, account: AccountFixture, clock: Clock) -> None:
        self.ctx, self.actor, self.clock = ctx, account.admin, clock
        self.home = projects.create_project(ctx, self.actor, "Shop").id
        places = {one.production: one.id for one in environments.list_environments(ctx, self.actor, "Shop")}
        self.production, self.staging = places[True], places[False]

    def flag(self, name: str, age: float = 90, set_up: float | None = None, status: str | None = None) -> str:
        self.clock.forward(days=-age)
        made = flags.create_flag(self.ctx, self.actor, "Shop", name=name, traffic_type="user", rollout_status=status)
        self.clock.forward(days=age)
        if set_up is not None:
            self.clock.forward(days=-set_up)
            definitions.create_definition(self.ctx, self.actor, "Shop", name, self.production, Draft(parse(BODY)))
            self.clock.forward(days=set_up)
        return made.id

    def serve(self, name: str, treatment: str, first: float, last: float, place: str | None = None) -> None:
        now = self.clock()
        times = (int(now - first * DAY_MS), int(now - last * DAY_MS))
        with self.ctx.db.write() as tx:
            impressions.add(tx, {SumKey(place or self.production, name, treatment, 0): Sum(1, *times)})

    def marked(self, kind: str | None = None) -> dict[str, str]:
        """The mark of each stale flag, by its name, as the list of flags shows it."""
        query = FlagQuery(FlagFilter(archived=None), self.production, kind, limit=1000)  # type: ignore[arg-type]
        rows = pages.load_flag_list(self.ctx, self.actor, "Shop", query).page
        if kind:
            assert all(row.only is not None for row in rows.items)
        return {row.flag.name: row.only for row in rows.items if row.only is not None}


@pytest.fixture
def shop(ctx: Context, account: AccountFixture, clock: Clock) -> Shop:
    return Shop(ctx, account, clock)


def test_nothing_is_said_before_there_was_traffic_for_long_enough(shop: Shop) -> None:
    shop.flag("quiet")
    shop.flag("busy")
    assert shop.marked() == {}
    shop.serve("busy", "on", 10, 0)
    assert shop.marked() == {}
    shop.serve("busy", "on", 31, 0)
    assert shop.marked() == {"quiet": "", "busy": "on"}


def test_flags_without_traffic_or_with_one_treatment_are_marked_and_found(shop: Shop) -> None:
    for name in ("quiet", "gone", "settled", "mixed", "changed", "staging-only", "ready"):
        shop.flag(name, set_up=80)
    shop.serve("gone", "on", 80, 31)
    shop.serve("settled", "on", 80, 0)
    shop.serve("settled", "off", 80, 40)
    shop.serve("mixed", "on", 80, 0)
    shop.serve("mixed", "off", 80, 29)
    shop.serve("changed", "off", 80, 31)
    shop.serve("changed", "on", 20, 0)
    shop.serve("staging-only", "on", 80, 0, shop.staging)
    shop.serve("ready", "on", 80, 0)
    for silent in (CONTROL, UNKNOWN):
        shop.serve("ready", silent, 80, 0)
    assert shop.marked() == {"quiet": "", "gone": "", "settled": "on", "ready": "on"}
    assert shop.marked("any") == shop.marked()
    assert shop.marked("unused") == {"quiet": "", "gone": ""}
    assert shop.marked("settled") == {"settled": "on", "ready": "on"}


def test_what_is_young_permanent_archived_or_just_set_up_is_left_alone(shop: Shop) -> None:
    shop.flag("settled", set_up=80)
    shop.serve("settled", "on", 80, 0)
    shop.flag("young", age=29)
    shop.flag("just-set-up", set_up=10)
    shop.flag("stays", status="Permanent")
    shop.flag("archived")
    flags.archive_flag(shop.ctx, shop.actor, "Shop", "archived")
    assert shop.marked() == {"settled": "on"}


def test_what_is_only_counted_tells_of_traffic_and_not_of_a_treatment(shop: Shop) -> None:
    shop.flag("counted")
    shop.serve("counted", UNKNOWN, 80, 0)
    assert shop.marked() == {}


def test_the_database_judges_as_the_rule_says(shop: Shop) -> None:
    chance = Random(7)
    expected = {}
    for number in range(60):
        name = f"flag{number}"
        shop.flag(name)
        served = {
            (place, treatment): sorted((chance.choice([5, 29, 31, 60]), chance.choice([0, 29, 31, 50])), reverse=True)
            for place in (shop.production, shop.staging)
            for treatment in ("on", "off", UNKNOWN, CONTROL)
            if chance.random() < 0.25
        }
        for (place, treatment), (first, last) in served.items():
            shop.serve(name, treatment, first, last, place)
        lately = {key: first for key, (first, last) in served.items() if last < DAYS}
        named = {t: first for (place, t), first in lately.items() if place == shop.production and t in ("on", "off")}
        if not lately:
            expected[name] = ""
        elif len(named) == 1 and max(named.values()) >= DAYS:
            expected[name] = next(iter(named))
    assert len(set(expected.values())) == 3
    assert shop.marked() == expected
    assert shop.marked("any") == expected


def test_judging_goes_by_the_index(shop: Shop) -> None:
    """However many rows there are: a plan that reads a table from end to end would grow with every flag served."""
    if not shop.ctx.db.is_sqlite:
        pytest.skip("SQLite says plainly how it will go about it; the indexes are the same.")
    shop.flag("pay")
    condition = StaleFlags(shop.home, shop.production, shop.clock()).condition("any")
    with shop.ctx.db.read() as tx:
        query = sa.select(flag_table.c.id).where(flag_table.c.project_id == shop.home, condition)
        text = query.compile(tx.engine, compile_kwargs={"literal_binds": True}).string
        plan = [row.detail for row in tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}")]
    assert not [line for line in plan if line.startswith("SCAN") and "treatments_served" in line], plan
