"""Flags and their definitions: what may be done, by whom, and what is told of it. On both stores."""

import threading
from typing import Any

import pytest

from flagpost.actions import audit
from flagpost.actions.access import Actor
from flagpost.actions.accounts import api_keys
from flagpost.actions.context import Context
from flagpost.actions.flags import definitions, flags
from flagpost.actions.flags.definitions import Draft
from flagpost.actions.projects import environments, projects
from flagpost.actions.unit_of_work import Summary
from flagpost.errors import Conflict, InvalidInput, NotAllowed, NotFound, NotSignedIn, StaleVersion
from flagpost.flags.definition_json import parse
from flagpost.store.flags.flags import FlagFilter
from tests.conftest import AccountFixture, Clock

PLACE = ("Shop", "pay", "Production")


def definition(share: int = 100, **more: Any) -> Any:
    body = {
        "treatments": [{"name": "on"}, {"name": "off"}],
        "defaultTreatment": "off",
        "defaultRule": [{"treatment": "on", "size": share}, {"treatment": "off", "size": 100 - share}],
        **more,
    }
    return parse(body)


@pytest.fixture
def admin(ctx: Context, account: AccountFixture) -> Actor:
    projects.create_project(ctx, account.admin, "Shop")
    flags.create_flag(ctx, account.admin, "Shop", name="pay", traffic_type="user", tags=["b", "a"])
    return account.admin


def holder(ctx: Context, admin: Actor, role: str, **scope: Any) -> Actor:
    """Whoever holds a new key of this role."""
    _, secret = api_keys.create_api_key(ctx, admin, name=role, roles=(role,), scope=api_keys.KeyScope(**scope))
    return api_keys.authenticate_key(ctx, secret)


def test_a_name_is_taken_once_in_a_project_even_by_an_archived_flag(ctx: Context, admin: Actor) -> None:
    flags.archive_flag(ctx, admin, "Shop", "pay")
    with pytest.raises(Conflict, match="already"):
        flags.create_flag(ctx, admin, "Shop", name="pay", traffic_type="user")
    projects.create_project(ctx, admin, "Other")
    assert flags.create_flag(ctx, admin, "Other", name="pay", traffic_type="user")


def test_a_bad_flag_names_every_field(ctx: Context, admin: Actor) -> None:
    with pytest.raises(InvalidInput) as caught:
        flags.create_flag(
            ctx, admin, "Shop", name="9", traffic_type="ghost", description="x" * 10_001, tags=["", "good"]
        )
    assert {problem.path for problem in caught.value.problems} == {"name", "trafficType", "description", "tags[0]"}


def test_of_two_who_save_at_once_one_is_told_and_nothing_is_overwritten(ctx: Context, admin: Actor) -> None:
    first = definitions.create_definition(ctx, admin, *PLACE, Draft(definition(10)))
    definitions.save_definition(ctx, admin, *PLACE, Draft(definition(20)), base_version=first.version)
    with pytest.raises(StaleVersion) as caught:
        definitions.save_definition(ctx, admin, *PLACE, Draft(definition(30)), base_version=first.version)
    assert caught.value.current["defaultRule"][0]["size"] == 20
    assert caught.value.saved_by == "Ada Admin"
    assert definitions.get_definition(ctx, admin, *PLACE).definition == definition(20)


def test_of_many_who_save_at_the_same_moment_exactly_one_wins(ctx: Context, admin: Actor) -> None:
    base = definitions.create_definition(ctx, admin, *PLACE, Draft(definition(10))).version
    outcomes: list[str] = []

    def save(share: int) -> None:
        try:
            definitions.save_definition(ctx, admin, *PLACE, Draft(definition(share)), base_version=base)
            outcomes.append("saved")
        except StaleVersion:
            outcomes.append("stale")

    threads = [threading.Thread(target=save, args=(share,)) for share in range(20, 28)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["saved"] + ["stale"] * 7


def test_killing_twice_is_killing_once(ctx: Context, admin: Actor) -> None:
    definitions.create_definition(ctx, admin, *PLACE, Draft(definition()))
    for _ in range(2):
        assert definitions.kill(ctx, admin, *PLACE).killed
    assert [entry.change for entry in audit.list_audit(ctx, admin, "Shop", flag="pay").items].count("killed") == 1
    assert not definitions.restore(ctx, admin, *PLACE).killed


def test_what_is_not_initiated_cannot_be_killed(ctx: Context, admin: Actor) -> None:
    with pytest.raises(NotFound, match="not initiated"):
        definitions.kill(ctx, admin, *PLACE)


def test_an_archived_flag_is_not_changed(ctx: Context, admin: Actor) -> None:
    definitions.create_definition(ctx, admin, *PLACE, Draft(definition()))
    flags.archive_flag(ctx, admin, "Shop", "pay")
    with pytest.raises(Conflict, match="archived"):
        definitions.kill(ctx, admin, *PLACE)


def test_a_flag_that_others_depend_on_is_not_archived(ctx: Context, admin: Actor) -> None:
    flags.create_flag(ctx, admin, "Shop", name="search", traffic_type="user")
    matcher = {"type": "IN_SPLIT", "depends": {"splitName": "pay", "treatment": ["on"]}}
    rule = {"condition": {"combiner": "AND", "matchers": [matcher]}, "buckets": [{"treatment": "on", "size": 100}]}
    definitions.create_definition(ctx, admin, "Shop", "search", "Production", Draft(definition(rules=[rule])))
    with pytest.raises(Conflict, match="search"):
        flags.archive_flag(ctx, admin, "Shop", "pay")


def test_a_rule_cannot_depend_on_a_flag_that_does_not_exist(ctx: Context, admin: Actor) -> None:
    matcher = {"type": "IN_SPLIT", "depends": {"splitName": "ghost", "treatment": ["on"]}}
    rule = {"condition": {"combiner": "AND", "matchers": [matcher]}, "buckets": [{"treatment": "on", "size": 100}]}
    with pytest.raises(InvalidInput, match="ghost"):
        definitions.create_definition(ctx, admin, *PLACE, Draft(definition(rules=[rule])))


def test_a_prerequisite_is_a_dependency_too(ctx: Context, admin: Actor) -> None:
    def after(flag: str) -> Any:
        return definition(prerequisites=[{"splitName": flag, "treatment": ["on"]}], impressionsDisabled=True)

    flags.create_flag(ctx, admin, "Shop", name="search", traffic_type="user")
    with pytest.raises(InvalidInput, match="ghost"):
        definitions.create_definition(ctx, admin, "Shop", "search", "Production", Draft(after("ghost")))
    definitions.create_definition(ctx, admin, "Shop", "search", "Production", Draft(after("pay")))
    with pytest.raises(Conflict, match="search"):
        flags.archive_flag(ctx, admin, "Shop", "pay")
    stored = definitions.get_definition(ctx, admin, "Shop", "search", "Production")
    assert stored
    assert stored.definition == after("pay")
    definitions.save_definition(ctx, admin, "Shop", "search", "Production", Draft(definition()))
    entry = audit.list_audit(ctx, admin, "Shop", flag="search").items[0]
    assert [(change.label, change.before, change.after) for change in entry.differences] == [
        ("Prerequisites", "pay: on", ""),
        ("Impressions not reported", "yes", ""),
    ]


def test_a_rollout_status_that_comes_with_a_save_stands_in_the_audit_log_once(ctx: Context, admin: Actor) -> None:
    definitions.create_definition(ctx, admin, *PLACE, Draft(definition(), rollout_status="Ramping"))
    definitions.save_definition(ctx, admin, *PLACE, Draft(definition(30), rollout_status="Ramping"))
    log = audit.list_audit(ctx, admin, "Shop", flag="pay").items
    assert [one.after for one in log if one.after and "rolloutStatus" in one.after and len(one.after) == 1] == [
        {"rolloutStatus": "Ramping"}
    ]


def test_the_audit_log_says_who_when_and_what(ctx: Context, admin: Actor, clock: Clock) -> None:
    definitions.create_definition(ctx, admin, *PLACE, Draft(definition(10)))
    clock.forward(seconds=60)
    definitions.save_definition(ctx, admin, *PLACE, Draft(definition(20)), Summary("More", "It works"))
    entry = audit.list_audit(ctx, admin, "Shop", flag="pay").items[0]
    assert (entry.actor_name, entry.at, entry.title, entry.comment) == ("Ada Admin", clock.now, "More", "It works")
    assert [(change.label, change.before, change.after) for change in entry.differences] == [
        ("Default rule", "on 10 %, off 90 %", "on 20 %, off 80 %")
    ]


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (FlagFilter(), ["pay", "search", "zoom"]),
        (FlagFilter(text="EAR"), ["search"]),
        (FlagFilter(text="%"), []),
        (FlagFilter(tags=("a",)), ["pay"]),
        (FlagFilter(sort="-name"), ["zoom", "search", "pay"]),
        (FlagFilter(archived=True), ["old"]),
        (FlagFilter(archived=None), ["old", "pay", "search", "zoom"]),
        (FlagFilter(connected=True), []),
        (FlagFilter(connected=False), ["pay", "search", "zoom"]),
        (FlagFilter(name="zoom"), ["zoom"]),
    ],
)
def test_the_list_is_filtered_and_sorted(ctx: Context, admin: Actor, wanted: FlagFilter, names: list[str]) -> None:
    for name in ("search", "zoom", "old"):
        flags.create_flag(ctx, admin, "Shop", name=name, traffic_type="user")
    flags.archive_flag(ctx, admin, "Shop", "old")
    assert [flag.name for flag in flags.list_flags(ctx, admin, "Shop", wanted).items] == names


@pytest.mark.parametrize(("state", "names"), [("active", ["pay"]), ("killed", ["search"]), ("none", ["zoom"])])
def test_the_list_is_filtered_by_the_state_in_an_environment(
    ctx: Context, admin: Actor, state: Any, names: list[str]
) -> None:
    for name in ("search", "zoom"):
        flags.create_flag(ctx, admin, "Shop", name=name, traffic_type="user")
    for name in ("pay", "search"):
        definitions.create_definition(ctx, admin, "Shop", name, "Production", Draft(definition()))
    definitions.kill(ctx, admin, "Shop", "search", "Production")
    place = environments.get_environment(ctx, admin, "Shop", "Production").id
    found = flags.list_flags(ctx, admin, "Shop", FlagFilter(environment_id=place, state=state)).items
    assert [flag.name for flag in found] == names


# Who may --------------------------------------------------------------------------------------------------------------


def test_a_viewer_sees_and_changes_nothing(ctx: Context, admin: Actor) -> None:
    viewer = holder(ctx, admin, "API_FEATURE_FLAG_VIEWER")
    assert flags.get_flag(ctx, viewer, "Shop", "pay")
    for act in (
        lambda: flags.create_flag(ctx, viewer, "Shop", name="x", traffic_type="user"),
        lambda: flags.archive_flag(ctx, viewer, "Shop", "pay"),
        lambda: flags.delete_flag(ctx, viewer, "Shop", "pay"),
        lambda: definitions.create_definition(ctx, viewer, *PLACE, Draft(definition())),
        lambda: definitions.kill(ctx, viewer, *PLACE),
        lambda: projects.create_project(ctx, viewer, "x"),
        lambda: environments.create_environment(ctx, viewer, "Shop", "x"),
        lambda: api_keys.create_api_key(ctx, viewer, name="x", roles=("API_ALL_GRANTED",)),
    ):
        with pytest.raises(NotAllowed):
            act()


def test_a_key_reaches_its_project_and_environments_only(ctx: Context, admin: Actor) -> None:
    projects.create_project(ctx, admin, "Other")
    flags.create_flag(ctx, admin, "Other", name="pay", traffic_type="user")
    editor = holder(ctx, admin, "API_FEATURE_FLAG_EDITOR", project="Shop", environments=["Staging"])
    definitions.create_definition(ctx, editor, "Shop", "pay", "Staging", Draft(definition()))
    with pytest.raises(NotFound):
        definitions.create_definition(ctx, editor, *PLACE, Draft(definition()))
    with pytest.raises(NotFound):
        flags.get_flag(ctx, editor, "Other", "pay")


def test_nobody_makes_a_key_that_may_more_than_they_may(ctx: Context, admin: Actor) -> None:
    keeper = holder(ctx, admin, "API_APIKEY")
    with pytest.raises(NotAllowed):
        api_keys.create_api_key(ctx, keeper, name="x", roles=("API_ALL_GRANTED",))
    bound = holder(ctx, admin, "API_ALL_GRANTED", project="Shop", environments=["Staging"])
    for scope in ({}, {"project": "Shop"}):
        with pytest.raises(NotAllowed):
            key_scope = api_keys.KeyScope(**scope)
            api_keys.create_api_key(ctx, bound, name="x", roles=("API_FEATURE_FLAG_VIEWER",), scope=key_scope)


def test_a_restricted_project_does_not_exist_for_those_not_listed(ctx: Context, admin: Actor) -> None:
    inside, outside = holder(ctx, admin, "API_FEATURE_FLAG_EDITOR"), holder(ctx, admin, "API_FEATURE_FLAG_VIEWER")
    projects.set_restriction(ctx, admin, "Shop", restricted=True, grants=[("api_key", inside.id)])
    assert flags.get_flag(ctx, inside, "Shop", "pay")
    with pytest.raises(NotFound):
        flags.get_flag(ctx, outside, "Shop", "pay")
    assert projects.list_projects(ctx, outside).items == []
    projects.set_restriction(ctx, admin, "Shop", restricted=False, grants=[])
    assert flags.get_flag(ctx, outside, "Shop", "pay")


def test_a_key_expires_and_is_revoked(ctx: Context, admin: Actor, clock: Clock) -> None:
    _, short = api_keys.create_api_key(
        ctx, admin, name="short", roles=("API_FEATURE_FLAG_VIEWER",), expires_at=clock.now + 1000
    )
    key, other = api_keys.create_api_key(ctx, admin, name="other", roles=("API_FEATURE_FLAG_VIEWER",))
    clock.forward(seconds=2)
    with pytest.raises(NotSignedIn, match="expired"):
        api_keys.authenticate_key(ctx, short)
    api_keys.revoke_api_key(ctx, admin, key.id)
    with pytest.raises(NotSignedIn, match="revoked"):
        api_keys.authenticate_key(ctx, other)


def test_secrets_are_stored_as_hashes_only(ctx: Context, admin: Actor) -> None:
    import sqlalchemy as sa

    from flagpost.store.schema import core

    _, secret = api_keys.create_api_key(ctx, admin, name="x", roles=("API_FEATURE_FLAG_VIEWER",))
    with ctx.db.read() as tx:
        for table in core.metadata.tables.values():
            for row in tx.execute(sa.select(table)):
                assert secret not in str(tuple(row))
