"""Changes that were approved for a time: published when it comes, once, under both names, or given up with a reason."""

from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from flagpost.actions.access import Actor
from flagpost.actions.audit import list_audit
from flagpost.actions.change_requests import requests as change_requests
from flagpost.actions.change_requests import reviews
from flagpost.actions.change_requests.requests import Proposal
from flagpost.actions.context import Context
from flagpost.actions.flags import definitions, flag_sets, flags
from flagpost.actions.flags.definitions import Draft
from flagpost.actions.imports.flag_file import Outcome, import_flags
from flagpost.actions.projects import environments, projects
from flagpost.actions.segments import segments
from flagpost.errors import Conflict, InvalidInput
from flagpost.flags.definition_json import parse
from flagpost.flags.import_file import FlagLine
from flagpost.flags.targeting import SegmentKind
from flagpost.store.schema import core
from tests.conftest import AccountFixture, Clock

BODY: dict[str, Any] = {
    "treatments": [{"name": "on"}, {"name": "off"}],
    "defaultTreatment": "off",
    "defaultRule": [{"treatment": "off", "size": 100}],
}
CHANGED = {**BODY, "defaultRule": [{"treatment": "on", "size": 100}]}


@pytest.fixture
def shop(ctx: Context, account: AccountFixture) -> str:
    """A project whose production requires approvals, with a flag in it."""
    project = projects.create_project(ctx, account.admin, "Shop").id
    flags.create_flag(ctx, account.admin, project, name="pay", traffic_type="user")
    definitions.create_definition(ctx, account.admin, project, "pay", "Production", Draft(parse(BODY)))
    permissions = {"changePermissions": {"areApprovalsRequired": True}}
    environments.update_environment(ctx, account.admin, project, "Production", permissions=permissions)
    return project


@pytest.fixture
def bob(account: AccountFixture) -> Actor:
    return replace(account.admin, id="bob", name="Bob")


def ask(ctx: Context, actor: Actor, shop: str, **more: Any) -> str:
    proposal = Proposal("flag", "pay", "UPDATE", CHANGED, title="Go", comment="All of it", **more)
    return change_requests.submit(ctx, actor, shop, "Production", proposal).request.id


def serves(ctx: Context, actor: Actor, shop: str) -> str:
    found = definitions.get_definition(ctx, actor, shop, "pay", "Production")
    return found.definition.default_rule[0].treatment


def status(ctx: Context, actor: Actor, id: str) -> str:
    return change_requests.get_change_request(ctx, actor, id).status


def test_a_change_for_later_is_published_when_its_time_comes_and_once(
    ctx: Context, account: AccountFixture, clock: Clock, shop: str, bob: Actor
) -> None:
    later = clock.now + 60_000
    id = ask(ctx, account.admin, shop, scheduled_for=later, scheduled_timezone="Europe/Berlin")
    assert status(ctx, bob, id) == "SCHEDULE_REQUESTED"
    assert reviews.decide(ctx, bob, id, "APPROVED", "Fine").status == "SCHEDULED"
    with pytest.raises(Conflict, match="approved already"):
        reviews.decide(ctx, bob, id, "APPROVED")
    reviews.publish_due(ctx)
    assert serves(ctx, bob, shop) == "off"
    clock.forward(seconds=60)
    for _ in range(2):
        reviews.publish_due(ctx)
    assert (status(ctx, bob, id), serves(ctx, bob, shop)) == ("PUBLISHED", "on")
    entries = list_audit(ctx, bob, shop, flag="pay").items
    assert [one.change for one in entries] == ["updated", "approved_change", "requested_change", "initiated", "created"]
    assert (entries[0].actor_name, entries[0].title) == ("Ada Admin, approved by Bob", "Go")


def test_a_change_approved_after_its_time_is_published_at_once(
    ctx: Context, account: AccountFixture, clock: Clock, shop: str, bob: Actor
) -> None:
    id = ask(ctx, account.admin, shop, scheduled_for=clock.now + 1000)
    clock.forward(seconds=2)
    assert reviews.decide(ctx, bob, id, "APPROVED").status == "PUBLISHED"


def test_a_scheduled_change_can_be_withdrawn(
    ctx: Context, account: AccountFixture, clock: Clock, shop: str, bob: Actor
) -> None:
    id = ask(ctx, account.admin, shop, scheduled_for=clock.now + 1000)
    reviews.decide(ctx, bob, id, "APPROVED")
    reviews.decide(ctx, account.admin, id, "WITHDRAWN", "Not today")
    clock.forward(seconds=2)
    reviews.publish_due(ctx)
    assert (status(ctx, bob, id), serves(ctx, bob, shop)) == ("WITHDRAWN", "off")


def test_a_scheduled_change_that_cannot_be_published_is_given_up_with_the_reason(
    ctx: Context, account: AccountFixture, clock: Clock, shop: str, bob: Actor
) -> None:
    segments.create_segment(ctx, account.admin, shop, SegmentKind.STANDARD, name="staff", traffic_type="user")
    place = environments.get_environment(ctx, account.admin, shop, "Production").id
    segments.add_to_environment(ctx, account.admin, place, "staff")
    targeted = {**BODY, "treatments": [{"name": "on", "segments": ["staff"]}, {"name": "off"}]}
    proposal = Proposal("flag", "pay", "UPDATE", targeted, scheduled_for=clock.now + 1000)
    id = change_requests.submit(ctx, account.admin, shop, "Production", proposal).request.id
    reviews.decide(ctx, bob, id, "APPROVED")
    environments.update_environment(ctx, account.admin, shop, "Production", permissions={"changePermissions": {}})
    segments.remove_from_environment(ctx, bob, place, "staff")
    clock.forward(seconds=2)
    reviews.publish_due(ctx)
    request = change_requests.get_change_request(ctx, bob, id)
    assert request.status == "REJECTED"
    said = change_requests.comments_of(ctx, [request])[id]
    assert "Could not be published" in said[-1].text
    assert "no segment “staff”" in said[-1].text
    assert serves(ctx, bob, shop) == "off"


def test_what_is_asked_of_a_flag_that_goes_out_of_use_is_closed(
    ctx: Context, account: AccountFixture, shop: str, bob: Actor
) -> None:
    id = ask(ctx, account.admin, shop)
    flags.archive_flag(ctx, bob, shop, "pay")
    assert status(ctx, bob, id) == "WITHDRAWN"


def test_what_was_said_is_kept_in_order(
    ctx: Context, account: AccountFixture, clock: Clock, shop: str, bob: Actor
) -> None:
    id = ask(ctx, account.admin, shop)
    for who, text in ((bob, "Why all?"), (account.admin, "It is ready")):
        clock.forward(seconds=1)
        change_requests.add_comment(ctx, who, id, text)
    with pytest.raises(InvalidInput):
        change_requests.add_comment(ctx, bob, id, " ")
    request = change_requests.get_change_request(ctx, bob, id)
    said = change_requests.comments_of(ctx, [request])[id]
    assert [(one.author_name, one.role, one.text) for one in said] == [
        ("Bob", "COMMENTER", "Why all?"),
        ("Ada Admin", "SUBMITTER", "It is ready"),
    ]


def test_a_file_that_never_came_locks_its_segment_for_minutes_only(
    ctx: Context, account: AccountFixture, clock: Clock, shop: str, bob: Actor
) -> None:
    segments.create_segment(ctx, account.admin, shop, SegmentKind.LARGE, name="crowd", traffic_type="user")
    place = environments.get_environment(ctx, account.admin, shop, "Production").id
    segments.add_to_environment(ctx, account.admin, place, "crowd")
    proposal = Proposal("large_segment", "crowd", "UPLOAD")
    first = change_requests.submit(ctx, account.admin, shop, "Production", proposal)
    with pytest.raises(Conflict):
        change_requests.submit(ctx, account.admin, shop, "Production", proposal)
    clock.forward(seconds=301)
    change_requests.submit(ctx, account.admin, shop, "Production", proposal)
    assert status(ctx, bob, first.request.id) == "WITHDRAWN"


def test_an_import_is_no_way_around_approvals(ctx: Context, account: AccountFixture, shop: str) -> None:
    [report] = import_flags(ctx, account.admin, shop, [FlagLine(1, "other", default=True)])
    assert report.outcome is Outcome.REFUSED
    assert report.problems[0].message.startswith("Approvals are required")


def test_what_asks_for_a_flag_that_is_not_there_is_refused_when_it_is_submitted(
    ctx: Context, account: AccountFixture, shop: str
) -> None:
    for other, said in (("none", "no feature flag “none”"), ("pay", "a treatment of its own")):
        wanted = CHANGED | {"prerequisites": [{"splitName": other, "treatment": ["on"]}]}
        with pytest.raises(InvalidInput, match=said):
            change_requests.submit(ctx, account.admin, shop, "Production", Proposal("flag", "pay", "UPDATE", wanted))


def test_flag_sets_that_changed_meanwhile_are_a_change(ctx: Context, account: AccountFixture, shop: str) -> None:
    backend, frontend = (
        flag_sets.create_flag_set(ctx, account.admin, shop, name=name) for name in ("backend", "frontend")
    )
    asked = ask(ctx, account.admin, shop, flag_sets=[backend.id])
    with ctx.db.write() as tx:
        tx.execute(sa.update(core.definitions).values(flag_set_ids=[frontend.id]))
    bob = replace(account.admin, id="bob", name="Bob")
    with pytest.raises(Conflict, match="has changed since"):
        reviews.decide(ctx, bob, asked, "APPROVED")
    with ctx.db.write() as tx:
        tx.execute(sa.update(core.definitions).values(flag_set_ids=[]))
    assert reviews.decide(ctx, bob, asked, "APPROVED").status == "PUBLISHED"
    found = definitions.get_definition(ctx, account.admin, shop, "pay", "Production")
    assert found.flag_set_ids == (backend.id,)
