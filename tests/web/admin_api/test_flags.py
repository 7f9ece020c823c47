"""Split's Admin API, as Split's own client from PyPI (unmodified) sees it, and as its documents say."""

from typing import Any

import httpx2
import pytest
from splitapiclient.util.exceptions import (
    HTTPIncorrectParametersError,
    HTTPNotFoundError,
    HTTPResponseError,
    HTTPUnauthorizedError,
)

from tests.end_to_end.world import KEY
from tests.web.conftest import split_client

pytestmark = pytest.mark.slow

DEFINITION = {
    "treatments": [{"name": "on"}, {"name": "off", "configurations": '{"colour": "blue"}'}],
    "defaultTreatment": "off",
    "rules": [
        {
            "condition": {"matchers": [{"type": "IN_LIST_STRING", "attribute": "plan", "strings": ["pro", "team"]}]},
            "buckets": [{"treatment": "on", "size": 100}],
        }
    ],
    "defaultRule": [{"treatment": "on", "size": 10}, {"treatment": "off", "size": 90}],
    "trafficAllocation": 50,
}


def test_a_project_from_nothing_to_a_killed_flag_with_the_official_client(split: Any) -> None:
    workspace = split.workspaces.add({"name": "Checkout", "requiresTitleAndComments": False})
    assert split.workspaces.find("Checkout").id == workspace.id
    for name, production in (("Dev", False), ("Live", True)):
        split.environments.add({"name": name, "production": production}, workspace.id)
    live = split.environments.find("Live", workspace.id)
    assert live.production is True
    assert "Live" in [one.name for one in split.environments.list(workspace.id)]


def test_flags_and_definitions_with_the_official_client(split: Any) -> None:
    workspace = split.workspaces.find("Default")
    assert [kind.name for kind in split.traffic_types.list(workspace.id)] == ["user"]
    flag = workspace.add_split({"name": "pay", "description": "One click"}, "user")
    assert (flag.name, flag.description) == ("pay", "One click")
    live = split.environments.find("Production", workspace.id)
    flag.add_to_environment(live.id, DEFINITION)
    definition = split.split_definitions.find("pay", live.id, workspace.id)
    assert [one.export_dict()["name"] for one in definition.treatments] == ["on", "off"]
    assert (definition.default_treatment, definition.traffic_allocation, definition.killed) == ("off", 50, False)
    definition.kill()
    assert split.split_definitions.find("pay", live.id, workspace.id).killed is True
    definition.restore()
    assert split.split_definitions.find("pay", live.id, workspace.id).killed is False
    definition.update_definition({**DEFINITION, "rules": [], "trafficAllocation": 100})
    changed = split.split_definitions.find("pay", live.id, workspace.id)
    assert (changed.traffic_allocation, len(changed._rules)) == (100, 0)  # the client's own property gives nothing back
    flag.associate_tags(["payments", "q4"])
    assert [one.name for one in split.splits.list(workspace.id, ["q4"])] == ["pay"]
    flag.update_description("Two clicks")
    assert split.splits.get("pay", workspace.id).description == "Two clicks"
    flag.remove_from_environment(live.id, "done", "done")
    assert workspace.delete_split("pay") is True
    assert split.splits.list(workspace.id) == []


def test_lists_go_beyond_one_page_with_the_official_client(split: Any, raw: httpx2.Client) -> None:
    workspace = split.workspaces.find("Default")
    live = split.environments.find("Production", workspace.id)
    names = [f"flag{number:03}" for number in range(117)]
    for name in names:
        made = raw.post(f"/splits/ws/{workspace.id}/trafficTypes/user", json={"name": name})
        assert made.is_success, made.text
        raw.post(f"/splits/ws/{workspace.id}/{name}/environments/{live.id}", json=DEFINITION)
    assert [one.name for one in split.splits.list(workspace.id)] == names
    assert [one.name for one in split.split_definitions.list(live.id, workspace.id)] == names


def test_a_bad_key_a_missing_flag_and_a_bad_definition_raise_the_right_exceptions(server: str, split: Any) -> None:
    with pytest.raises(HTTPUnauthorizedError):
        split_client(server, "not-a-key").workspaces.list()
    workspace = split.workspaces.find("Default")
    live = split.environments.find("Production", workspace.id)
    with pytest.raises(HTTPNotFoundError):
        split.splits.get("missing", workspace.id)
    with pytest.raises(HTTPNotFoundError):
        split.split_definitions.kill("missing", live.id, workspace.id)
    flag = workspace.add_split({"name": "pay"}, "user")
    with pytest.raises(HTTPIncorrectParametersError):
        flag.add_to_environment(live.id, {**DEFINITION, "defaultRule": [{"treatment": "on", "size": 10}]})
    with pytest.raises(HTTPResponseError):
        workspace.add_split({"name": "pay"}, "user")
    with pytest.raises(HTTPIncorrectParametersError):
        workspace.add_split({"name": "9 lives"}, "user")


def test_restrictions_and_keys_with_the_official_client(server: str, split: Any) -> None:
    workspace = split.workspaces.find("Default")
    live = split.environments.find("Production", workspace.id)
    made = split.apikeys.create_apikey("ci", "admin", [live.id], workspace.id, ["API_FEATURE_FLAG_VIEWER"])
    secret = made["key"] if isinstance(made, dict) else made.key
    viewer = split_client(server, secret)
    assert viewer.splits.list(workspace.id) == []
    with pytest.raises(HTTPResponseError):
        viewer.splits.add({"name": "pay"}, "user", workspace.id)
    split.apikeys.delete_apikey(secret)
    with pytest.raises(HTTPUnauthorizedError):
        viewer.splits.list(workspace.id)


# The documents --------------------------------------------------------------------------------------------------------


def home(raw: httpx2.Client) -> str:
    return str(raw.get("/workspaces").json()["objects"][0]["id"])


def test_both_ways_to_send_the_key(server: str) -> None:
    for headers in ({"Authorization": f"Bearer {KEY}"}, {"x-api-key": KEY}):
        assert httpx2.get(f"{server}/internal/api/v2/workspaces", headers=headers, trust_env=False).status_code == 200
    answer = httpx2.get(f"{server}/internal/api/v2/workspaces", trust_env=False)
    assert answer.status_code == 401
    assert answer.json()["code"] == 401


def test_an_error_names_every_field(raw: httpx2.Client) -> None:
    place = f"/splits/ws/{home(raw)}/pay/environments/Production"
    raw.post(f"/splits/ws/{home(raw)}/trafficTypes/user", json={"name": "pay"})
    bad = {**DEFINITION, "trafficAllocation": 101, "defaultRule": [{"treatment": "maybe", "size": 60}]}
    answer = raw.post(place, json=bad)
    assert answer.status_code == 400
    body = answer.json()
    assert set(body) == {"code", "message", "details", "transactionId"}
    for path in ("trafficAllocation", "defaultRule", "defaultRule[0].treatment"):
        assert f'"path": "{path}"' in body["details"]
    assert raw.get(place).status_code == 404


def test_a_definition_is_patched_with_json_patch(raw: httpx2.Client) -> None:
    place = f"/splits/ws/{home(raw)}/pay/environments/Production"
    raw.post(f"/splits/ws/{home(raw)}/trafficTypes/user", json={"name": "pay"})
    raw.post(place, json=DEFINITION)
    patch = [{"op": "replace", "path": "/trafficAllocation", "value": 7}]
    assert raw.patch(place, json=patch).json()["trafficAllocation"] == 7
    assert raw.patch(place, json=[{"op": "replace", "path": "/trafficAllocation", "value": 700}]).status_code == 400
    assert raw.patch(place, json=[{"op": "remove", "path": "/nowhere"}]).status_code == 400
    assert raw.get(place).json()["trafficAllocation"] == 7


def test_a_page_has_its_limits(raw: httpx2.Client) -> None:
    for number in range(3):
        raw.post(f"/splits/ws/{home(raw)}/trafficTypes/user", json={"name": f"flag{number}"})
    page = raw.get(f"/splits/ws/{home(raw)}", params={"offset": 1, "limit": 1}).json()
    assert (page["offset"], page["limit"], page["totalCount"]) == (1, 1, 3)
    assert [one["name"] for one in page["objects"]] == ["flag1"]
    assert raw.get(f"/splits/ws/{home(raw)}", params={"limit": 10_000}).json()["limit"] == 50


def test_a_flag_that_is_set_up_cannot_be_deleted(raw: httpx2.Client) -> None:
    raw.post(f"/splits/ws/{home(raw)}/trafficTypes/user", json={"name": "pay"})
    raw.post(f"/splits/ws/{home(raw)}/pay/environments/Production", json=DEFINITION)
    assert raw.delete(f"/splits/ws/{home(raw)}/pay").status_code == 409


def test_a_title_and_a_comment_are_asked_for_where_the_project_wants_them(raw: httpx2.Client) -> None:
    patch = [{"op": "replace", "path": "/requiresTitleAndComments", "value": True}]
    assert raw.patch(f"/workspaces/{home(raw)}", json=patch).is_success
    raw.post(f"/splits/ws/{home(raw)}/trafficTypes/user", json={"name": "pay"})
    place = f"/splits/ws/{home(raw)}/pay/environments/Production"
    assert raw.post(place, json=DEFINITION).status_code == 400
    assert raw.post(place, json={**DEFINITION, "title": "Go", "comment": "At last"}).is_success
    assert raw.put(f"{place}/kill").status_code == 400
    assert raw.put(f"{place}/kill", json={"title": "Stop", "comment": "It breaks"}).is_success


def test_a_body_that_is_too_large_is_refused(raw: httpx2.Client) -> None:
    raw.post(f"/splits/ws/{home(raw)}/trafficTypes/user", json={"name": "pay"})
    huge = {**DEFINITION, "treatments": [{"name": "on", "keys": ["x" * 200] * 60_000}, {"name": "off"}]}
    answer = raw.post(f"/splits/ws/{home(raw)}/pay/environments/Production", json=huge)
    assert answer.status_code in (400, 413)
