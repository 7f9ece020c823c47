"""Environments in memory follow the database: deleted flags are served no more, and every state is of one moment."""

import json
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import pytest

from flagpost.actions.flags import definitions
from flagpost.actions.segments import keys, segments
from flagpost.flags.split_wire_format import Spec
from flagpost.flags.targeting import SegmentKind
from flagpost.serving.environment import ServedEnvironment
from flagpost.serving.environments import Environments
from flagpost.store.db import Transaction
from flagpost.store.flags import change_log, flags
from tests.conftest import Clock
from tests.serving.conftest import Shop

NO_SETS: frozenset[str] = frozenset()


@pytest.fixture
def environments(shop: Shop) -> Environments:
    """Environments that are refreshed by the tests only."""
    return Environments(shop.ctx)


def downloaded(served: ServedEnvironment, since: int) -> dict[str, dict[str, Any]]:
    """The flags that changed since a number, by name, as an SDK gets them."""
    body = json.loads(served.split_changes(Spec.V1_3, since, -1, NO_SETS).body)
    return {flag["name"]: flag for flag in body["ff"]["d"]}


def evaluated(served: ServedEnvironment, flag: str) -> dict[str, Any]:
    """The OFREP response for a flag."""
    response: dict[str, Any] = json.loads(served.evaluate_for_ofrep(flag, "ann", {})[1])
    return response


def served_now(shop: Shop, environments: Environments) -> ServedEnvironment:
    environments.refresh()
    return environments.load(shop.account.id, shop.production)


def test_a_deleted_flag_is_served_no_more_though_its_definition_was_created_in_that_moment(
    shop: Shop, environments: Environments, clock: Clock
) -> None:
    """The deletion takes along a definition that applications have already: no action has removed it before."""
    pay = shop.add_flag("pay")
    shop.add_flag("other")
    before = served_now(shop, environments)
    assert set(downloaded(before, -1)) == {"pay", "other"}
    assert evaluated(before, "pay")["value"] is True
    with shop.ctx.db.write() as tx:
        flags.delete(tx, pay.id)
        change_log.append_everywhere(tx, pay.id, clock())
    after = served_now(shop, environments)
    assert set(downloaded(after, -1)) == {"other"}
    gone = downloaded(after, before.change_number)
    assert {name: (flag["status"], flag["killed"]) for name, flag in gone.items()} == {"pay": ("ARCHIVED", True)}
    assert evaluated(after, "pay")["errorCode"] == "FLAG_NOT_FOUND"
    assert evaluated(after, "other")["value"] is True


def test_a_flag_with_the_name_of_a_deleted_one_is_served(shop: Shop, environments: Environments, clock: Clock) -> None:
    first = shop.add_flag("pay")
    before = served_now(shop, environments)
    with shop.ctx.db.write() as tx:
        flags.delete(tx, first.id)
        change_log.append_everywhere(tx, first.id, clock())
    shop.add_flag("pay")
    for served in (served_now(shop, environments), Environments(shop.ctx).load(shop.account.id, shop.production)):
        assert downloaded(served, before.change_number)["pay"]["status"] == "ACTIVE"
        assert evaluated(served, "pay")["value"] is True


def test_an_environment_is_read_as_of_one_moment(shop: Shop, environments: Environments) -> None:
    """Changes that are committed between two of its queries come with the next refresh, all of them."""
    admin, place = shop.account.admin, shop.production
    shop.add_flag("pay")
    segments.create_segment(shop.ctx, admin, "Shop", SegmentKind.STANDARD, name="staff", traffic_type="user")
    segments.add_to_environment(shop.ctx, admin, place, "staff")

    def change_everything() -> None:
        definitions.kill(shop.ctx, admin, "Shop", "pay", place)
        keys.add_keys(shop.ctx, admin, place, "staff", ["ann"])
        shop.add_flag("late")

    with patch.object(change_log, "since", after(change_everything, change_log.since)):
        served = environments.load(shop.account.id, place)
    assert max(flag.change_number for flag in served.flags.values()) <= served.change_number
    assert set(served.flags) == {"pay"}
    assert evaluated(served, "pay")["value"] is True
    assert served.keys["staff"].keys == frozenset()
    served = served_now(shop, environments)
    assert set(served.flags) == {"pay", "late"}
    assert evaluated(served, "pay")["value"] is False
    assert served.keys["staff"].keys == {"ann"}


def after(change: Callable[[], None], query: Callable[..., Any]) -> Callable[..., Any]:
    """A query before which another connection commits a change."""

    def queried(tx: Transaction, *arguments: Any) -> Any:
        change()
        return query(tx, *arguments)

    return queried


def test_an_environment_that_was_deleted_is_dropped(shop: Shop, environments: Environments) -> None:
    from flagpost.actions.projects import environments as environment_actions

    environments.load(shop.account.id, shop.staging)
    environment_actions.delete_environment(shop.ctx, shop.account.admin, "Shop", shop.staging)
    environments.refresh()
    assert environments.find(shop.staging) is None
