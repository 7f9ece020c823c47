"""What is connected, changed and disconnected in Flagpost is what Jira shows."""

import pytest

from tests.end_to_end.world import FEATURE_FLAGS, World, until

pytestmark = pytest.mark.slow

MATCHER = {"type": "IN_LIST_STRING", "attribute": "plan", "strings": ["pro"]}
RULE = {"condition": {"combiner": "AND", "matchers": [MATCHER]}, "buckets": [{"treatment": "on", "size": 100}]}


def test_connecting_shows_the_flag_on_the_issue(world_on_both: World) -> None:
    world = world_on_both
    world.connect_jira()
    world.new_flag("pay", "PAY-1", share=30)
    shown = world.on_issue("pay")
    assert shown["issues"] == ["PAY-1"]
    assert shown["associations"] == [{"associationType": "issueIdOrKeys", "values": ["10001"]}]
    assert shown["details"][0]["environment"] == {"name": "Production", "type": "production"}
    assert shown["summary"]["status"] == {"enabled": True, "defaultValue": "off", "rollout": {"percentage": 30}}
    world.expect_equal()


def test_flags_connected_before_are_sent_when_jira_is_connected(world_on_both: World) -> None:
    world = world_on_both
    world.new_flag("early", "PAY-1", "pay-2")
    world.new_flag("apart")
    assert world.sandbox.flags() == {}
    world.connect_jira()
    assert world.on_issue("early")["issues"] == ["PAY-1", "PAY-2"]
    assert world.integration()["backfill"]["done"] == world.integration()["backfill"]["total"] == 1
    world.expect_equal()


def test_every_change_of_the_definition_reaches_jira(connected: World) -> None:
    world = connected
    world.new_flag("pay", "PAY-1", set_up=False)
    assert world.on_issue("pay")["summary"]["status"] == {"enabled": False, "rollout": {"text": "Not initiated"}}
    world.define("pay", share=10)
    assert world.on_issue("pay")["summary"]["status"]["rollout"] == {"percentage": 10}
    world.define("pay", rules=[RULE, RULE])
    assert world.on_issue("pay")["summary"]["status"]["rollout"] == {"rules": 2}
    world.define("pay", treatments=[{"name": "on", "keys": ["ada"]}, {"name": "off"}])
    assert world.on_issue("pay")["summary"]["status"]["rollout"] == {"rules": 1}
    world.act("kill", "pay")
    assert world.on_issue("pay")["summary"]["status"]["enabled"] is False
    world.act("restore", "pay")
    assert world.on_issue("pay")["summary"]["status"]["enabled"] is True
    world.undefine("pay")
    assert world.on_issue("pay")["summary"]["status"]["rollout"] == {"text": "Not initiated"}


def test_another_environment_than_the_primary_changes_nothing_in_jira(connected: World) -> None:
    connected.new_flag("pay", "PAY-1", share=10)
    before = connected.on_issue("pay")["summary"]["status"]
    connected.define("pay", place="Staging", share=99)
    connected.act("kill", "pay", place="Staging")
    assert connected.on_issue("pay")["summary"]["status"] == before


def test_connecting_twice_is_one_connection(connected: World) -> None:
    connected.new_flag("pay", "PAY-1")
    found = connected.connect("pay", "pay-1", f"{connected.sandbox.url}/browse/PAY-1", "10001")
    assert [issue["key"] for issue in found["issues"]] == ["PAY-1"]


def test_many_flags_to_an_issue_and_many_issues_to_a_flag(connected: World) -> None:
    for number in range(3):
        connected.new_flag(f"flag{number}", "PAY-1", "WEB-1", "MOB-1")
    connected.expect_equal()
    assert all(flag["issues"] == ["MOB-1", "PAY-1", "WEB-1"] for flag in connected.sandbox.flags().values())


def test_issues_are_looked_up_in_jira(connected: World) -> None:
    connected.new_flag("pay")
    issue = connected.connect("pay", "pay-2")["issues"][0]
    assert issue["summary"] == "Show the total in the customer's currency"
    assert (issue["type"], issue["status"], issue["assignee"]) == ("Story", "In Review", "Jonas Weber")
    assert issue["url"] == f"{connected.sandbox.url}/browse/PAY-2"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["PAY-999"], "PAY-999 does not exist"),
        (["PAY-1", "nonsense!"], "“nonsense!” is not an issue key"),
        (["MOB-4"], "MOB-4 does not exist"),
    ],
)
def test_an_issue_that_cannot_be_connected_connects_none(connected: World, typed: list[str], said: str) -> None:
    connected.sandbox.hide_issue("MOB-4")
    connected.new_flag("pay")
    path = "/api/v1/projects/Default/flags/pay/issues"
    answer = connected.call("POST", path, json={"issues": typed}, expect=400)
    assert said in answer["error"]["message"]
    assert connected.call("GET", path)["issues"] == []


def test_disconnecting_shows_in_jira(connected: World) -> None:
    connected.new_flag("pay", "PAY-1", "PAY-2")
    assert connected.on_issue("pay")["issues"] == ["PAY-1", "PAY-2"]
    connected.disconnect("pay", "PAY-2")
    assert connected.on_issue("pay")["issues"] == ["PAY-1"]
    connected.disconnect("pay", "PAY-1")
    connected.settled()
    assert connected.sandbox.flags() == {}
    answer = connected.call("DELETE", "/api/v1/projects/Default/flags/pay/issues/PAY-1", expect=404)
    assert "is not connected" in answer["error"]["message"]


def test_a_flag_that_was_disconnected_can_be_connected_again(connected: World) -> None:
    connected.new_flag("pay", "PAY-1")
    for _ in range(3):
        connected.settled()
        connected.disconnect("pay", "PAY-1")
        connected.settled()
        connected.connect("pay", "PAY-1")
    connected.expect_equal()


def test_archiving_and_bringing_back(connected: World) -> None:
    connected.new_flag("pay", "PAY-1")
    home = connected.workspace()
    connected.call("POST", f"/internal/api/v2/splits/ws/{home}/pay/archive")
    assert connected.on_issue("pay")["summary"]["status"] == {
        "enabled": False,
        "defaultValue": "off",
        "rollout": {"text": "Archived"},
    }
    connected.call("POST", f"/internal/api/v2/splits/ws/{home}/pay/unarchive")
    connected.expect_equal()


def test_deleting_a_flag_removes_it_from_jira(connected: World) -> None:
    connected.new_flag("pay", "PAY-1", set_up=False)
    connected.on_issue("pay")
    connected.call("DELETE", f"/internal/api/v2/splits/ws/{connected.workspace()}/pay")
    connected.settled()
    assert connected.sandbox.flags() == {}


def test_another_primary_environment(connected: World) -> None:
    connected.new_flag("pay", "PAY-1", share=10)
    connected.define("pay", place="Staging", share=77)
    chosen = [{"project": "Default", "environment": "Staging"}]
    connected.call("PUT", "/api/v1/jira/integration", json={"projects": chosen})
    shown = connected.on_issue("pay")
    assert shown["details"][0]["environment"] == {"name": "Staging", "type": "staging"}
    assert shown["summary"]["status"]["rollout"] == {"percentage": 77}
    assert "environment=" in shown["summary"]["url"]


def test_removing_and_adding_a_project(connected: World) -> None:
    made = connected.call("POST", "/internal/api/v2/workspaces", json={"name": "Other"})
    connected.call("POST", f"/internal/api/v2/environments/ws/{made['id']}", json={"name": "Live", "production": True})
    connected.call("POST", f"/internal/api/v2/trafficTypes/ws/{made['id']}", json={"name": "user"})
    connected.new_flag("there", "PAY-1", project="Other", set_up=False)
    connected.new_flag("here", "PAY-1")
    connected.settled()
    assert [flag["key"] for flag in connected.sandbox.flags().values()] == ["here"]
    both = [{"project": "Default", "environment": "Production"}, {"project": "Other", "environment": "Live"}]
    connected.call("PUT", "/api/v1/jira/integration", json={"projects": both})
    connected.expect_equal()
    assert connected.in_jira("there")
    connected.call("PUT", "/api/v1/jira/integration", json={"projects": both[1:]})
    connected.expect_equal()
    assert connected.in_jira("here") is None


def test_renaming_an_environment_shows_in_jira(connected: World) -> None:
    connected.new_flag("pay", "PAY-1")
    connected.settled()
    patch = [{"op": "replace", "path": "/name", "value": "Live"}]
    connected.call("PATCH", f"/internal/api/v2/environments/ws/{connected.workspace()}/Production", json=patch)
    assert connected.on_issue("pay")["details"][0]["environment"]["name"] == "Live"


def test_a_moved_issue_keeps_its_connection(connected: World) -> None:
    connected.new_flag("pay", "PAY-3")
    connected.settled()
    moved = connected.sandbox.move_issue("PAY-3", "WEB")
    assert connected.known_in_jira("pay")["issues"] == [moved]
    connected.act("kill", "pay")
    assert connected.on_issue("pay")["issues"] == [moved]
    connected.connect("pay", "PAY-3")  # the old key still leads there
    found = connected.call("GET", "/api/v1/projects/Default/flags/pay/issues")["issues"]
    assert [issue["key"] for issue in found] == [moved]


def test_keys_are_accepted_while_jira_is_away_and_looked_up_later(connected: World) -> None:
    connected.new_flag("pay")
    connected.settled()
    connected.sandbox.faults(drop_connections=100, prefix="/ex/")
    found = connected.connect("pay", "PAY-1", "PAY-998")["issues"]
    connected.sandbox.no_faults()
    assert {issue["state"] for issue in found} <= {"unchecked", "known", "missing"}
    connected.settled()
    assert connected.known_in_jira("pay")["issues"] == ["PAY-1"]
    states = {
        i["key"]: i["state"] for i in connected.call("GET", "/api/v1/projects/Default/flags/pay/issues")["issues"]
    }
    assert states == {"PAY-1": "known", "PAY-998": "missing"}


def test_the_delivery_status_says_how_far_a_flag_is(connected: World) -> None:
    connected.new_flag("pay")
    path = "/api/v1/projects/Default/flags/pay/issues"
    assert connected.call("GET", path)["delivery"]["state"] == "none"
    connected.sandbox.faults(unavailable={"count": 1, "retry_after": 2}, prefix=FEATURE_FLAGS)
    connected.connect("pay", "PAY-1")
    assert connected.call("GET", path)["delivery"]["state"] == "waiting"
    connected.settled()
    assert connected.call("GET", path)["delivery"]["state"] == "delivered"
    connected.sandbox.faults(reject_flags=[{"key": "pay", "message": "No flags on Tuesdays"}])
    connected.act("kill", "pay")
    connected.settled()
    delivery = connected.call("GET", path)["delivery"]
    assert (delivery["state"], delivery["words"]) == ("refused", "No flags on Tuesdays")
    assert connected.integration()["refused_flags"][0]["words"] == "No flags on Tuesdays"
    connected.sandbox.no_faults()
    connected.call("POST", "/api/v1/jira/integration/resend", expect=202)
    until(lambda: connected.call("GET", path)["delivery"]["state"] == "delivered", "it was taken after all")
