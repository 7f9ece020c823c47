"""Two actions on PostgreSQL in one moment: the second reads what the first left, and nothing that was acknowledged goes.

Each test pauses the first action just before its commit, starts the second, waits until that waits for a lock, and then
lets the first go on. An action that decided on a row without locking it would not wait, or would decide on an old row.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import pytest

from flagpost.actions.access import Actor, system
from flagpost.actions.accounts import bootstrap, users
from flagpost.actions.change_requests import requests, reviews
from flagpost.actions.change_requests.requests import Proposal
from flagpost.actions.context import Context
from flagpost.actions.flags import definitions, flag_sets, flags
from flagpost.actions.flags.definitions import Draft
from flagpost.actions.jira import issue_links
from flagpost.actions.projects import attributes, environments, projects
from flagpost.actions.unit_of_work import Change
from flagpost.errors import Conflict, FlagpostError, NotFound, StaleVersion
from flagpost.flags.definition_json import parse
from flagpost.store.accounts import accounts
from flagpost.store.accounts import users as stored_users
from flagpost.store.db import Database
from flagpost.store.jira.issues import Issue
from flagpost.store.projects.attributes import Attribute
from flagpost.web.admin_api import attributes as admin_attributes
from flagpost.web.admin_api import users as admin_users
from flagpost.web.admin_api import workspaces as admin_workspaces
from flagpost.web.admin_api.json_patch import Patch
from tests.actions.test_lock_order import BODY, ON, unchecked
from tests.conftest import Clock, context_on, new_account
from tests.store.interleaving import LONG, wait_until_one_waits

Outcome = Any


@dataclass
class Race:
    """A project *Shop* with the flag `pay`, and a way to run two actions at once."""

    ctx: Context
    admin: Actor
    monkeypatch: pytest.MonkeyPatch

    def do(self, action: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return action(self.ctx, self.admin, *args, **kwargs)

    def run(self, first: Callable[[], Any], second: Callable[[], Any]) -> tuple[Outcome, Outcome]:
        """What came of both: a result, or the error that Flagpost raised."""
        paused, go_on = threading.Event(), threading.Event()
        flush, once = Change.flush, iter([True])

        def pausing(change: Change) -> bool:
            pending = flush(change)
            if next(once, False):
                paused.set()
                assert go_on.wait(LONG)
            return pending

        self.monkeypatch.setattr(Change, "flush", pausing)
        with ThreadPoolExecutor(2) as pool:
            one = pool.submit(outcome_of, first)
            assert paused.wait(LONG)
            two = pool.submit(outcome_of, second)
            self._wait_for_a_lock(two)
            go_on.set()
            return one.result(LONG), two.result(LONG)

    def _wait_for_a_lock(self, second: "Future[Outcome]") -> None:
        wait_until_one_waits(self.ctx.db)
        assert not second.done()

    def killed(self) -> bool:
        return definitions.get_definition(self.ctx, self.admin, "Shop", "pay", "Production").killed


def outcome_of(act: Callable[[], Any]) -> Outcome:
    try:
        return act()
    except FlagpostError as error:
        return error


@pytest.fixture
def race(postgres_url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Race]:
    ctx = context_on(Database(postgres_url), clock)
    found = Race(ctx, new_account(ctx).admin, monkeypatch)
    found.do(projects.create_project, "Shop")
    found.do(flags.create_flag, "Shop", name="pay", traffic_type="user")
    yield found
    ctx.db.close()


@pytest.fixture
def defined(race: Race) -> Race:
    race.do(definitions.create_definition, "Shop", "pay", "Production", Draft(parse(BODY)))
    return race


PLACE = ("Shop", "pay", "Production")


def test_a_kill_wins_over_a_save_of_the_same_moment(defined: Race) -> None:
    saved, killed = defined.run(
        lambda: defined.do(definitions.save_definition, *PLACE, Draft(parse(ON))),
        lambda: defined.do(definitions.kill, *PLACE),
    )
    assert saved.version == 2
    assert (killed.killed, killed.version) == (True, 3)
    assert killed.definition == parse(ON)


def test_a_save_on_a_version_that_a_kill_replaced_is_refused(defined: Race) -> None:
    killed, saved = defined.run(
        lambda: defined.do(definitions.kill, *PLACE),
        lambda: defined.do(definitions.save_definition, *PLACE, Draft(parse(ON)), base_version=1),
    )
    assert killed.killed
    assert isinstance(saved, StaleVersion)
    assert defined.killed()


def test_of_two_saves_of_a_flags_settings_on_one_version_the_second_is_refused(race: Race) -> None:
    first, second = race.run(
        lambda: race.do(flags.update_flag, "Shop", "pay", base_version=1, description="one"),
        lambda: race.do(flags.update_flag, "Shop", "pay", base_version=1, description="two"),
    )
    assert first.description == "one"
    assert isinstance(second, StaleVersion)
    assert second.current["description"] == "one"


@pytest.mark.parametrize("change", [{"role": "viewer"}, {"active": False}], ids=["demote", "deactivate"])
def test_two_admins_who_remove_each_other_leave_one(race: Race, change: dict[str, Any]) -> None:
    ada, bob = (person(race, name) for name in ("ada", "bob"))
    first, second = race.run(
        lambda: users.update_user(race.ctx, ada, bob.id, **change),
        lambda: users.update_user(race.ctx, bob, ada.id, **change),
    )
    assert not isinstance(first, FlagpostError)
    assert isinstance(second, Conflict)
    left = [one.name for one in users.list_users(race.ctx, ada) if (one.role, one.status) == ("admin", "ACTIVE")]
    assert left == ["ada"]


def person(race: Race, name: str) -> Actor:
    """An admin who has signed in."""
    email = f"{name}@example.com"
    user = race.do(users.invite_user, email=email, name=name, role="admin").user
    with race.ctx.db.write() as tx:
        stored_users.update_user(tx, user.id, status="ACTIVE", password_hash="x")
    return replace(race.admin, id=user.id, name=name)


def test_a_flag_is_not_deleted_beside_the_creation_of_its_definition(race: Race) -> None:
    created, deleted = race.run(
        lambda: race.do(definitions.create_definition, *PLACE, Draft(parse(BODY))),
        lambda: race.do(flags.delete_flag, "Shop", "pay"),
    )
    assert created.version == 1
    assert isinstance(deleted, Conflict)
    assert race.do(definitions.get_definition, *PLACE).version == 1


def test_no_definition_is_created_for_a_flag_that_is_being_deleted(race: Race) -> None:
    deleted, created = race.run(
        lambda: race.do(flags.delete_flag, "Shop", "pay"),
        lambda: race.do(definitions.create_definition, *PLACE, Draft(parse(BODY))),
    )
    assert deleted is None
    assert isinstance(created, NotFound)


def test_an_archive_and_an_approval_take_turns(defined: Race) -> None:
    """They locked flag and change request in opposite orders, and PostgreSQL ended one of them."""
    asked = defined.do(requests.submit, "Shop", "Production", Proposal("flag", "pay", "UPDATE", ON)).request.id
    bob = replace(defined.admin, id="bob", name="Bob")
    archived, approved = defined.run(
        lambda: defined.do(flags.archive_flag, "Shop", "pay"),
        lambda: reviews.decide(defined.ctx, bob, asked, "APPROVED"),
    )
    assert archived.status == "archived"
    assert isinstance(approved, Conflict)


def test_an_approval_and_an_archive_take_turns(defined: Race) -> None:
    asked = defined.do(requests.submit, "Shop", "Production", Proposal("flag", "pay", "UPDATE", ON)).request.id
    bob = replace(defined.admin, id="bob", name="Bob")
    approved, archived = defined.run(
        lambda: reviews.decide(defined.ctx, bob, asked, "APPROVED"),
        lambda: defined.do(flags.archive_flag, "Shop", "pay"),
    )
    assert (approved.status, archived.status) == ("PUBLISHED", "archived")


def test_approvals_that_are_switched_on_hold_back_the_save_that_waited(defined: Race) -> None:
    permissions = {"changePermissions": {"areApprovalsRequired": True}}
    _, saved = defined.run(
        lambda: defined.do(environments.update_environment, "Shop", "Production", permissions=permissions),
        lambda: defined.do(definitions.save_definition, *PLACE, Draft(parse(ON))),
    )
    assert isinstance(saved, FlagpostError)
    assert saved.status == 403


def test_a_flag_set_is_not_deleted_under_a_save_that_chooses_it(defined: Race) -> None:
    web = defined.do(flag_sets.create_flag_set, "Shop", name="web")
    _, deleted = defined.run(
        lambda: defined.do(definitions.save_definition, *PLACE, Draft(parse(ON), [web.id])),
        lambda: defined.do(flag_sets.delete_flag_set, web.id),
    )
    assert isinstance(deleted, Conflict)


def test_two_flags_that_are_made_to_depend_on_each_other_close_no_cycle(defined: Race) -> None:
    defined.do(flags.create_flag, "Shop", name="search", traffic_type="user")
    defined.do(definitions.create_definition, "Shop", "search", "Production", Draft(parse(BODY)))

    def depending_on(other: str) -> Draft:
        return Draft(parse({**ON, "prerequisites": [{"splitName": other, "treatment": ["on"]}]}))

    first, second = defined.run(
        lambda: defined.do(definitions.save_definition, *PLACE, depending_on("search")),
        lambda: defined.do(definitions.save_definition, "Shop", "search", "Production", depending_on("pay")),
    )
    assert first.version == 2
    assert isinstance(second, FlagpostError)
    assert second.status == 400


def test_two_connections_of_one_flag_at_once_are_both_kept(defined: Race) -> None:
    def connect(key: str) -> Callable[[], Any]:
        issue: Issue = unchecked(key)
        return lambda: defined.do(issue_links.connect_checked, "Shop", "pay", [issue])

    assert defined.run(connect("PAY-1"), connect("PAY-2")) == (["PAY-1"], ["PAY-2"])
    keys = [one.issue.key for one in issue_links.list_connections(defined.ctx, defined.admin, "Shop", "pay")]
    assert keys == ["PAY-1", "PAY-2"]


def test_two_processes_that_start_on_an_empty_database_make_one_account(
    postgres_url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ctx = context_on(Database(postgres_url), clock)
    race = Race(ctx, system(""), monkeypatch)
    first, second = race.run(lambda: bootstrap.ensure_account(ctx), lambda: bootstrap.ensure_account(ctx))
    with ctx.db.read() as tx:
        assert accounts.all_ids(tx) == [first]
    assert first == second
    ctx.db.close()


def test_of_two_deletes_of_a_traffic_type_the_second_finds_none(race: Race) -> None:
    kind = race.do(environments.create_traffic_type, "Shop", "visit").id
    first, second = race.run(
        lambda: race.do(environments.delete_traffic_type, kind), lambda: race.do(environments.delete_traffic_type, kind)
    )
    assert first is None
    assert isinstance(second, NotFound)


def _patch(field: str, value: Any) -> Patch:
    return Patch.model_validate([{"op": "replace", "path": f"/{field}", "value": value}])


def _patch_project(race: Race, patch: Patch) -> Any:
    return admin_workspaces.update_workspace(race.ctx, race.admin, race.do(projects.get_project, "Shop").id, patch)


def _patch_environment(race: Race, patch: Patch) -> Any:
    return admin_workspaces.update_environment(race.ctx, race.admin, "Shop", "Staging", patch)


def _patch_attribute(race: Race, patch: Patch) -> Any:
    return admin_attributes.update_attribute(race.ctx, race.admin, "Shop", "user", "plan", patch)


def _patch_user(race: Race, patch: Patch) -> Any:
    return admin_users.patch_user(race.ctx, race.admin, "vi@example.com", patch)


_RIGHTS = {"areApprovalsRequired": True}
_EXPORTS = {"areExportersRestricted": True, "exporters": []}


@pytest.mark.parametrize(
    ("act", "one", "other"),
    [
        (_patch_project, ("requiresTitleAndComments", True), ("name", "Store")),
        (_patch_environment, ("production", True), ("jiraType", "testing")),
        (_patch_environment, ("changePermissions", _RIGHTS), ("dataExportPermissions", _EXPORTS)),
        (_patch_attribute, ("displayName", "Plan"), ("description", "Of the customer")),
        (_patch_user, ("role", "editor"), ("name", "Vi")),
        (_patch_user, ("name", "Vi"), ("status", "DEACTIVATED")),
    ],
)
def test_patches_of_two_fields_of_one_thing_are_both_kept(
    race: Race, act: Callable[[Race, Patch], Any], one: tuple[str, Any], other: tuple[str, Any]
) -> None:
    """The second was worked out from what it had read before it waited, and wrote the old value back."""
    race.do(users.invite_user, email="vi@example.com", name="vi", role="viewer")
    race.do(attributes.save_attributes, "Shop", "user", [Attribute("", "plan", "plan", "", None, False, [])])
    first, second = race.run(lambda: act(race, _patch(*one)), lambda: act(race, _patch(*other)))
    assert first[one[0]] == one[1]
    assert (second[one[0]], second[other[0]]) == (one[1], other[1])
