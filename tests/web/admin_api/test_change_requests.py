"""Change requests and environments that require approvals, as Split's own client from PyPI (unmodified) sees them."""

from pathlib import Path
from typing import Any

import httpx2
import pytest
from splitapiclient.util.exceptions import HTTPIncorrectParametersError, HTTPNotFoundError, HTTPResponseError

from tests.web.conftest import split_client

pytestmark = pytest.mark.slow

DEFINITION = {
    "treatments": [{"name": "on"}, {"name": "off"}],
    "defaultTreatment": "off",
    "defaultRule": [{"treatment": "off", "size": 100}],
}
CHANGED = {**DEFINITION, "defaultRule": [{"treatment": "on", "size": 25}, {"treatment": "off", "size": 75}]}


@pytest.fixture
def workspace(split: Any) -> str:
    return str(split.workspaces.find("Default").id)


@pytest.fixture
def live(split: Any, workspace: str) -> str:
    """The id of the production environment, which requires approvals once a flag and segments are set up in it."""
    live = str(split.environments.find("Production", workspace).id)
    split.workspaces.find("Default").add_split({"name": "pay"}, "user").add_to_environment(live, DEFINITION)
    split.segments.add({"name": "staff"}, "user", workspace).add_to_environment(live)
    split.rule_based_segments.add({"name": "payers"}, "user", workspace).add_to_environment(live)
    split.large_segments.add({"name": "crowd"}, "user", workspace).add_to_environment(live)
    require_approvals(split, workspace, live)
    return live


def require_approvals(split: Any, workspace: str, live: str, **more: Any) -> None:
    permissions = {"areApprovalsRequired": True, "allowKills": False, **more}
    split.environments.update(live, workspace, "changePermissions", permissions)


@pytest.fixture
def other(server: str, split: Any) -> Any:
    """Split's client with a key of somebody else's."""
    made = split.apikeys.create_apikey("approver", "admin", [], None, ["API_ALL_GRANTED"])
    return split_client(server, made["key"] if isinstance(made, dict) else made.key)


def ask(client: Any, workspace: str, live: str, /, **more: Any) -> Any:
    wanted = {"split": {"name": "pay", **CHANGED}, "operationType": "UPDATE", "title": "Go", "comment": "A quarter"}
    wanted |= {"approvers": ["ada@example.com"], **more}
    return client.change_requests.submit_change_request(live, workspace, wanted)


def test_direct_saves_are_refused_with_splits_403(split: Any, workspace: str, live: str) -> None:
    definition = split.split_definitions.find("pay", live, workspace)
    staff = split.segment_definitions.find("staff", live, workspace)
    payers = split.rule_based_segment_definitions.find("payers", live, workspace)
    attempts = [
        lambda: definition.update_definition(CHANGED),
        definition.kill,
        definition.restore,
        lambda: split.splits.get("pay", workspace).remove_from_environment(live, "", ""),
        lambda: split.splits.add({"name": "new"}, "user", workspace).add_to_environment(live, DEFINITION),
        lambda: staff.import_keys_from_json("false", {"keys": ["ada"]}),
        lambda: staff.remove_keys({"keys": ["ada"]}),
        lambda: payers.update({"rules": []}, workspace),
        lambda: split.segments.remove_from_environment("staff", live),
    ]
    for attempt in attempts:
        with pytest.raises(HTTPResponseError, match=rf"HTTP 403.*Approvals are required. orgId=.* envId={live}"):
            attempt()
    split.splits.get("pay", workspace).update_description("What is said of a flag needs no approval")


def test_a_change_is_asked_for_listed_and_approved_by_somebody_else(
    split: Any, other: Any, raw: httpx2.Client, workspace: str, live: str
) -> None:
    asked = ask(split, workspace, live)
    assert (asked._status, asked._title, asked._approvers) == ("REQUESTED", "Go", ["ada@example.com"])
    place = f"/splits/ws/{workspace}/pay/environments/{live}"
    assert raw.get(place).json()["openChangeRequestId"] == asked._id
    assert (
        raw.get(f"/splits/ws/{workspace}/environments/{live}").json()["objects"][0]["openChangeRequestId"] == asked._id
    )
    for found in (other.change_requests.find("pay", environment_id=live), other.change_requests.find("pay")):
        assert [one._id for one in found] == [asked._id]
    with pytest.raises(HTTPResponseError, match="Another user has to decide"):
        asked.update_status("APPROVED", "Me too")
    with pytest.raises(HTTPResponseError, match="already"):
        ask(split, workspace, live)
    decided = other.change_requests.update_status(asked._id, "APPROVED", "Fine")
    assert decided._status == "PUBLISHED"
    assert [(one["comment"], one["user"], one["role"]) for one in decided._comments] == [
        ("Fine", "approver", "APPROVER")
    ]
    saved = raw.get(place).json()
    assert (saved["defaultRule"], saved["openChangeRequestId"]) == (CHANGED["defaultRule"], None)
    with pytest.raises(HTTPResponseError, match="published already"):
        other.change_requests.update_status(asked._id, "REJECTED", "")
    assert other.change_requests.list(live, None) == []
    assert [one._id for one in other.change_requests.list(live, "PUBLISHED")] == [asked._id]


@pytest.mark.parametrize(("who", "status"), [("other", "REJECTED"), ("split", "WITHDRAWN")])
def test_a_change_is_rejected_or_withdrawn_and_leaves_everything_as_it_is(
    request: pytest.FixtureRequest, split: Any, raw: httpx2.Client, workspace: str, live: str, who: str, status: str
) -> None:
    asked = ask(split, workspace, live)
    client = request.getfixturevalue(who)
    assert client.change_requests.update_status(asked._id, status, "No")._status == status
    shown = raw.get(f"/splits/ws/{workspace}/pay/environments/{live}").json()
    assert (shown["defaultRule"], shown["openChangeRequestId"]) == (DEFINITION["defaultRule"], None)
    assert ask(split, workspace, live)._status == "REQUESTED"


@pytest.mark.parametrize(("operation", "killed"), [("KILL", True), ("ARCHIVE", None)])
def test_kills_and_removals_are_asked_for(
    split: Any, other: Any, raw: httpx2.Client, workspace: str, live: str, operation: str, killed: bool | None
) -> None:
    asked = ask(split, workspace, live, split={"name": "pay"}, operationType=operation)
    other.change_requests.update_status(asked._id, "APPROVED", "")
    answer = raw.get(f"/splits/ws/{workspace}/pay/environments/{live}")
    assert answer.json().get("killed") is killed
    assert answer.status_code == (404 if killed is None else 200)


def test_flag_sets_and_a_rollout_status_come_with_a_change(
    split: Any, other: Any, raw: httpx2.Client, workspace: str, live: str
) -> None:
    sets = [{"id": split.flag_sets.add({"name": "backend"}, workspace).id, "type": "FLAG_SET"}]
    ramping = next(one for one in split.workspaces.get_rollout_statuses(workspace) if one["name"] == "Ramping")
    asked = ask(
        split, workspace, live, split={"name": "pay", **CHANGED, "flagSets": sets}, rolloutStatus={"id": ramping["id"]}
    )
    other.change_requests.update_status(asked._id, "APPROVED", "")
    assert raw.get(f"/splits/ws/{workspace}/pay/environments/{live}").json()["flagSets"] == sets
    assert raw.get(f"/splits/ws/{workspace}/pay").json()["rolloutStatus"]["name"] == "Ramping"
    with pytest.raises(HTTPNotFoundError):
        ask(split, workspace, live, split={"name": "missing", **DEFINITION})


def test_kills_pass_where_the_environment_lets_them_even_while_a_change_is_waiting(
    split: Any, other: Any, workspace: str, live: str
) -> None:
    require_approvals(split, workspace, live, allowKills=True)
    asked = ask(split, workspace, live)
    definition = split.split_definitions.find("pay", live, workspace)
    definition.kill()
    assert other.change_requests.update_status(asked._id, "APPROVED", "")._status == "PUBLISHED"
    assert split.split_definitions.find("pay", live, workspace).killed is True


def test_what_is_asked_for_locks_the_flag_where_no_approval_is_required_too(
    split: Any, workspace: str, live: str
) -> None:
    require_approvals(split, workspace, live, areApprovalsRequired=False)
    ask(split, workspace, live)
    with pytest.raises(HTTPResponseError, match=r"HTTP 409.*change request is open"):
        split.split_definitions.find("pay", live, workspace).update_definition(CHANGED)


def test_those_who_may_skip_approvals_save_directly_and_only_named_approvers_approve(
    server: str, split: Any, other: Any, raw: httpx2.Client, workspace: str, live: str
) -> None:
    made = raw.post("/apiKeys", json={"name": "boss", "apiKeyType": "admin", "roles": ["API_ALL_GRANTED"]}).json()
    boss = split_client(server, made["key"])
    named = [{"id": made["id"], "type": "api_key"}]
    require_approvals(split, workspace, live, areApproversRestricted=True, approvers=named, approvalSkippableBy=named)
    asked = ask(split, workspace, live)
    with pytest.raises(HTTPResponseError, match="not one of those who approve"):
        other.change_requests.update_status(asked._id, "APPROVED", "")
    assert boss.change_requests.update_status(asked._id, "APPROVED", "")._status == "PUBLISHED"
    boss.split_definitions.find("pay", live, workspace).update_definition(DEFINITION)


def test_segments_change_by_request_with_the_official_client(split: Any, other: Any, workspace: str, live: str) -> None:
    staff = split.segment_definitions.find("staff", live, workspace)

    def approved(asked: Any) -> None:
        assert other.change_requests.update_status(asked._id, "APPROVED", "")._status == "PUBLISHED"

    asked = staff.submit_change_request(["ada", "bob"], "CREATE", "T", "C", ["x@y.z"], None, workspace)
    assert [one._id for one in other.change_requests.find(segment_name="staff")] == [asked._id]
    approved(asked)
    assert staff.get_keys() == ["ada", "bob"]
    approved(staff.submit_change_request(["ada"], "ARCHIVE", "T", "C", [], None, workspace))
    assert staff.get_keys() == ["bob"]
    payers = split.rule_based_segment_definitions.find("payers", live, workspace)
    rules = [{"condition": {"matchers": [{"type": "IN_SEGMENT", "string": "staff"}]}}]
    excluded = [{"name": "staff", "type": "standard_segment"}]
    approved(payers.submit_change_request(rules, ["eve"], excluded, "UPDATE", "T", "C", [], workspace))
    found = split.rule_based_segment_definitions.find("payers", live, workspace)
    assert (found.excluded_keys, found.excluded_segments) == (["eve"], excluded)


def test_a_large_segment_is_filled_and_emptied_by_request_with_the_official_client(
    split: Any, other: Any, raw: httpx2.Client, workspace: str, live: str, tmp_path: Path
) -> None:
    file = tmp_path / "keys.csv"
    file.write_text("ada\nbob\n")
    crowd = split.large_segment_definitions.find("crowd", live, workspace)

    def count() -> int:
        return int(raw.get(f"/large-segments/ws/{workspace}/environments/{live}").json()[0]["keyCount"])

    assert crowd.submit_upload("T", "C", ["x@y.z"], str(file)).status_code == 200
    assert count() == 0
    [asked] = raw.get("/changeRequests").json()["data"]
    assert asked["largeSegment"]["name"] == "crowd"
    other.change_requests.update_status(asked["id"], "APPROVED", "")
    assert count() == 2
    require_approvals(split, workspace, live, areApprovalsRequired=False)
    file.write_text("cy\n")
    assert crowd.submit_upload("T", "C", [], str(file)).status_code == 200
    assert count() == 1
    assert crowd.remove_all_members("T", "C", [])
    assert count() == 0


def test_a_file_is_taken_once_and_not_approved_before_it_has_come(
    split: Any, other: Any, raw: httpx2.Client, workspace: str, live: str
) -> None:
    wanted = {"largeSegment": {"name": "crowd"}, "operationType": "UPLOAD", "title": "", "comment": ""}
    asked = raw.post(f"/changeRequests/ws/{workspace}/environments/{live}", json=wanted).json()
    url = asked["transactionMetadata"]["url"]
    with pytest.raises(HTTPResponseError, match="not been sent"):
        other.change_requests.update_status(asked["id"], "APPROVED", "")
    assert httpx2.put(url, content="a,b\n", trust_env=False).status_code == 400
    assert httpx2.put(url, content="a\n", trust_env=False).status_code == 200
    assert httpx2.put(url, content="b\n", trust_env=False).status_code == 404
    assert "transactionMetadata" not in raw.get(f"/changeRequests/{asked['id']}").json()


def test_a_change_that_was_overtaken_is_not_published(split: Any, other: Any, workspace: str, live: str) -> None:
    split.segments.add({"name": "temporary"}, "user", workspace).add_to_environment(live)
    rule = {
        "condition": {"matchers": [{"type": "IN_SEGMENT", "string": "temporary"}]},
        "buckets": [{"treatment": "on", "size": 100}],
    }
    asked = ask(split, workspace, live, split={"name": "pay", **DEFINITION, "rules": [rule]})
    require_approvals(split, workspace, live, areApprovalsRequired=False)
    split.segments.remove_from_environment("temporary", live)
    with pytest.raises(HTTPIncorrectParametersError, match="no segment “temporary”"):
        other.change_requests.update_status(asked._id, "APPROVED", "")
    assert [one._status for one in split.change_requests.list(live, None)] == ["REQUESTED"]


def test_change_requests_are_listed_beyond_one_page_with_the_official_client(
    split: Any, raw: httpx2.Client, workspace: str, live: str
) -> None:
    ids = []
    for number in range(103):
        name = f"flag{number:03}"
        raw.post(f"/splits/ws/{workspace}/trafficTypes/user", json={"name": name})
        ids.append(ask(split, workspace, live, split={"name": name, **DEFINITION}, operationType="CREATE")._id)
    assert {one._id for one in split.change_requests.list(live, "REQUESTED")} == set(ids)
    assert split.change_requests.list(None, "SCHEDULED") == []
    with pytest.raises(HTTPIncorrectParametersError):
        split.change_requests.list(None, "LATER")


@pytest.mark.parametrize(
    "wrong",
    [
        {"operationType": "EXPLODE"},
        {"split": None},
        {"split": {"name": "pay", **DEFINITION, "defaultRule": []}},
        {"segment": {"name": "staff", "keys": ["ada"]}},
        {"split": None, "segment": {"name": "staff", "keys": []}},
        {"split": {**DEFINITION}},
        {"scheduledFor": 1},
        {"scheduledForTimezone": "Mars/Olympus"},
        {"rolloutStatus": {"id": "none"}},
        {"split": {"name": "pay", **DEFINITION, "flagSets": [{"id": "none"}]}},
        {"split": {"name": "pay", **DEFINITION, "flagSets": "none"}},
    ],
)
def test_what_cannot_be_asked_for_is_refused(split: Any, workspace: str, live: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(HTTPIncorrectParametersError):
        ask(split, workspace, live, **wrong)
    assert split.change_requests.list(live, None) == []
