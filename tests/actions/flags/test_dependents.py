"""Flags that depend on a flag are sent to Jira with it, since its kill changes what they serve. On both stores."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from flagpost.actions.access import Actor
from flagpost.actions.context import Context
from flagpost.actions.flags import definitions, flags
from flagpost.actions.flags.definitions import Draft
from flagpost.actions.jira import integration, issue_links
from flagpost.actions.projects import projects
from flagpost.flags.model import Depends
from flagpost.store.jira import outbox
from tests.actions.flags.test_flags import definition
from tests.conftest import AccountFixture, Clock

Wanted = Callable[[], dict[str, int]]


@pytest.fixture
def admin(ctx: Context, account: AccountFixture) -> Actor:
    """`third` depends on `second`, which depends on `first`, in Production; `apart` on none. All are connected."""
    projects.create_project(ctx, account.admin, "Shop")
    integration.set_up_integration(ctx, account.admin, [("Shop", "Production")])
    needs = {"first": (), "second": ("first",), "third": ("second",), "apart": ()}
    for name, others in needs.items():
        flags.create_flag(ctx, account.admin, "Shop", name=name, traffic_type="user")
        wanted = replace(definition(100), prerequisites=tuple(Depends(other, ("on",)) for other in others))
        definitions.create_definition(ctx, account.admin, "Shop", name, "Production", Draft(wanted))
        definitions.create_definition(ctx, account.admin, "Shop", name, "Staging", Draft(definition(100)))
        issue_links.connect_issues(ctx, account.admin, "Shop", name, ["PAY-1"])
    return account.admin


@pytest.fixture
def wanted(ctx: Context, admin: Actor) -> Wanted:
    """The version of each flag that Jira should have."""
    ids = {name: flags.get_flag(ctx, admin, "Shop", name).id for name in ("first", "second", "third", "apart")}

    def read() -> dict[str, int]:
        with ctx.db.read() as tx:
            found = {name: outbox.find(tx, id) for name, id in ids.items()}
        return {name: entry.latest_version for name, entry in found.items() if entry}

    return read


def raised(before: dict[str, int], after: dict[str, int]) -> set[str]:
    return {name for name, version in after.items() if version > before[name]}


def test_a_kill_sends_every_flag_that_depends_on_the_killed_one(
    ctx: Context, admin: Actor, wanted: Wanted, clock: Clock
) -> None:
    for act in (definitions.kill, definitions.restore):
        clock.forward(seconds=1)
        before = wanted()
        act(ctx, admin, "Shop", "first", "Production")
        assert raised(before, wanted()) == {"first", "second", "third"}


def test_a_save_in_an_environment_without_dependents_sends_its_own_flag_alone(
    ctx: Context, admin: Actor, wanted: Wanted, clock: Clock
) -> None:
    clock.forward(seconds=1)
    before = wanted()
    definitions.kill(ctx, admin, "Shop", "first", "Staging")
    assert raised(before, wanted()) == {"first"}


def test_a_removed_definition_sends_the_flags_that_depend_on_it(
    ctx: Context, admin: Actor, wanted: Wanted, clock: Clock
) -> None:
    clock.forward(seconds=1)
    before = wanted()
    definitions.remove_definition(ctx, admin, "Shop", "second", "Production")
    assert raised(before, wanted()) == {"second", "third"}
