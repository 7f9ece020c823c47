"""When a flag last changed: whatever it was about the flag that did. On both stores."""

from collections.abc import Callable

import pytest

from flagpost.actions.access import Actor
from flagpost.actions.context import Context
from flagpost.actions.flags import definitions, flags
from flagpost.actions.flags.definitions import Draft
from flagpost.actions.jira import issue_links
from flagpost.actions.projects import projects
from flagpost.flags.definition_json import parse
from flagpost.store.flags.flags import FlagFilter
from tests.conftest import AccountFixture, Clock

PLACE = ("Shop", "pay", "Production")
BODY = {
    "treatments": [{"name": "on"}, {"name": "off"}],
    "defaultTreatment": "off",
    "defaultRule": [{"treatment": "on", "size": 100}],
}
ONE = Draft(parse(BODY))
Step = Callable[[Context, Actor], object]

STEPS: dict[str, Step] = {
    "set up": lambda ctx, admin: definitions.create_definition(ctx, admin, *PLACE, ONE),
    "saved": lambda ctx, admin: definitions.save_definition(ctx, admin, *PLACE, ONE),
    "killed": lambda ctx, admin: definitions.kill(ctx, admin, *PLACE),
    "restored": lambda ctx, admin: definitions.restore(ctx, admin, *PLACE),
    "removed": lambda ctx, admin: definitions.remove_definition(ctx, admin, *PLACE),
    "described": lambda ctx, admin: flags.update_flag(ctx, admin, "Shop", "pay", description="Pays"),
    "tagged": lambda ctx, admin: flags.update_flag(ctx, admin, "Shop", "pay", tags=["new"]),
    "connected": lambda ctx, admin: issue_links.connect_issues(ctx, admin, "Shop", "pay", ["PAY-1"]),
    "disconnected": lambda ctx, admin: issue_links.disconnect_issue(ctx, admin, "Shop", "pay", "PAY-1"),
    "archived": lambda ctx, admin: flags.archive_flag(ctx, admin, "Shop", "pay"),
    "brought back": lambda ctx, admin: flags.unarchive_flag(ctx, admin, "Shop", "pay"),
}


@pytest.fixture
def admin(ctx: Context, account: AccountFixture) -> Actor:
    projects.create_project(ctx, account.admin, "Shop")
    flags.create_flag(ctx, account.admin, "Shop", name="pay", traffic_type="user")
    return account.admin


def test_every_change_of_a_flag_is_its_last_change(ctx: Context, admin: Actor, clock: Clock) -> None:
    for step, act in STEPS.items():
        clock.forward(seconds=60)
        act(ctx, admin)
        assert flags.get_flag(ctx, admin, "Shop", "pay").changed_at == clock.now, step


def test_what_changes_nothing_is_no_change(ctx: Context, admin: Actor, clock: Clock) -> None:
    definitions.create_definition(ctx, admin, *PLACE, ONE)
    before = clock.now
    clock.forward(seconds=60)
    definitions.restore(ctx, admin, *PLACE)
    assert flags.get_flag(ctx, admin, "Shop", "pay").changed_at == before


def test_the_list_is_sorted_by_the_last_change(ctx: Context, admin: Actor, clock: Clock) -> None:
    definitions.create_definition(ctx, admin, *PLACE, ONE)
    clock.forward(seconds=60)
    flags.create_flag(ctx, admin, "Shop", name="search", traffic_type="user")
    assert _by_change(ctx, admin) == ["search", "pay"]
    clock.forward(seconds=60)
    definitions.kill(ctx, admin, *PLACE)
    assert _by_change(ctx, admin) == ["pay", "search"]


def _by_change(ctx: Context, admin: Actor) -> list[str]:
    page = flags.list_flags(ctx, admin, "Shop", FlagFilter(sort="-updated"))
    return [one.name for one in page.items]
