"""Row locks: what two transactions at once see of each other."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import sqlalchemy as sa
from tests.conftest import AccountFixture, Clock, context_on, new_account
from tests.store.interleaving import LONG, beside, wait_until_one_waits

from flagpost.actions.context import Context
from flagpost.actions.flags.flags import create_flag
from flagpost.actions.projects.projects import create_project
from flagpost.flags.model import Bucket, Definition, Treatment
from flagpost.store.db import Database, Transaction
from flagpost.store.flags import definitions, flags
from flagpost.store.locks import LOCK_ORDER, Lock, take
from flagpost.store.projects import projects
from flagpost.store.records import Flag
from flagpost.store.schema import core
from flagpost.store.schema.metadata import metadata


@dataclass(frozen=True)
class World:
    ctx: Context
    account: AccountFixture
    flag: Flag

    @property
    def db(self) -> Database:
        return self.ctx.db


@pytest.fixture
def world(postgres_url: str, clock: Clock) -> Iterator[World]:
    ctx = context_on(Database(postgres_url), clock)
    account = new_account(ctx)
    create_project(ctx, account.admin, "Shop")
    yield World(ctx, account, create_flag(ctx, account.admin, "Shop", name="pay", traffic_type="user"))
    ctx.db.close()


def test_who_waited_for_a_flag_reads_what_the_other_left(world: World) -> None:
    """Also where a column has changed that a join goes by: PostgreSQL would answer that there is no such row."""
    flag = world.flag

    def second() -> Flag | None:
        with world.db.write() as tx:
            return flags.lock(tx, flag.project_id, "pay")

    with world.db.write() as tx:
        other = projects.find_rollout_status(tx, flag.project_id, "Ramping")
        assert other is not None
        assert flags.lock(tx, flag.project_id, "pay")
        with beside(second) as found:
            wait_until_one_waits(world.db)
            flags.set_rollout_status(tx, flag.id, other.id, 5)
            tx.commit()
            seen = found.result(LONG)
    assert seen is not None
    assert (seen.rollout_status.name, seen.version) == ("Ramping", flag.version + 1)


def test_a_definition_is_made_and_its_flag_deleted_at_once_the_delete_sees_the_definition(world: World) -> None:
    flag = world.flag

    def delete_if_unused() -> bool:
        with world.db.write() as tx:
            assert flags.lock(tx, flag.project_id, "pay", Lock.DELETE)
            unused = not definitions.of_flag(tx, flag.id)
            if unused:
                flags.delete(tx, flag.id)
            return unused

    with world.db.write() as tx:
        place = definitions.lock(tx, flag.project_id, "pay", "Production")
        assert place is not None
        assert place.current is None
        definitions.insert(tx, flag.id, place.environment.id, _on(), "Ada", 5)
        with beside(delete_if_unused) as deleted:
            wait_until_one_waits(world.db)
            tx.commit()
            assert deleted.result(LONG) is False


def _on() -> Definition:
    return Definition(
        treatments=(Treatment("on"), Treatment("off")), default_treatment="off", default_rule=(Bucket("on", 100),)
    )


def test_an_environment_is_deleted_only_after_a_definition_that_is_being_made_there(world: World) -> None:
    flag = world.flag

    def count_before_deletion(environment_id: str) -> int:
        with world.db.write() as tx:
            assert projects.lock_environment(tx, environment_id, Lock.DELETE)
            return projects.count_definitions(tx, environment_id)

    with world.db.write() as tx:
        place = definitions.lock(tx, flag.project_id, "pay", "Production")
        assert place is not None
        with beside(lambda: count_before_deletion(place.environment.id)) as counted:
            wait_until_one_waits(world.db)
            definitions.insert(tx, flag.id, place.environment.id, _on(), "Ada", 5)
            tx.commit()
            assert counted.result(LONG) == 1


def test_locks_that_keep_do_not_wait_for_each_other_nor_for_a_change(world: World) -> None:
    def keep() -> bool:
        with world.db.write() as tx:
            return projects.lock(tx, world.flag.project_id, Lock.KEEP) is not None

    with world.db.write() as tx:
        assert projects.lock(tx, world.flag.project_id, Lock.CHANGE)
        with beside(keep) as kept:
            assert kept.result(LONG)


def test_what_is_not_there_cannot_be_locked(ctx: Context, account: AccountFixture) -> None:
    project = create_project(ctx, account.admin, "Shop")
    with ctx.db.write() as tx:
        assert flags.lock(tx, project.id, "nowhere") is None
        assert definitions.lock(tx, project.id, "nowhere", "Production") is None
        assert projects.lock(tx, "nowhere") is None
        assert projects.lock_environment(tx, "nowhere") is None


def test_on_sqlite_a_lock_asks_nothing(sqlite_database: Database) -> None:
    with sqlite_database.write() as tx:
        asked = _statements(tx)
        take(tx, core.accounts, ["some"], Lock.CHANGE)
        assert asked == []


def _statements(tx: Transaction) -> list[str]:
    seen: list[str] = []
    sa.event.listen(tx, "before_cursor_execute", lambda _c, _cursor, statement, *_rest: seen.append(statement))
    return seen


def test_every_table_of_the_lock_order_is_there() -> None:
    assert set(LOCK_ORDER) <= set(metadata.tables)
