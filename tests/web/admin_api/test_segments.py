"""Segments of every kind, as Split's own client from PyPI (unmodified) sees them, and as its documents say."""

from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
from splitapiclient.util.exceptions import HTTPIncorrectParametersError, HTTPNotFoundError, HTTPResponseError

from tests.web.conftest import split_client

pytestmark = pytest.mark.slow

RULES = [
    {
        "condition": {
            "combiner": "AND",
            "matchers": [{"type": "IN_LIST_STRING", "attribute": "plan", "strings": ["pro"]}],
        }
    }
]


@pytest.fixture
def workspace(split: Any) -> Any:
    return split.workspaces.find("Default")


@pytest.fixture
def live(split: Any, workspace: Any) -> str:
    """The id of the production environment."""
    return str(split.environments.find("Production", workspace.id).id)


def definition(segment: str) -> dict[str, Any]:
    return {
        "treatments": [{"name": "on"}, {"name": "off"}],
        "defaultTreatment": "off",
        "rules": [
            {
                "condition": {"matchers": [{"type": "IN_SEGMENT", "string": segment}]},
                "buckets": [{"treatment": "on", "size": 100}],
            }
        ],
        "defaultRule": [{"treatment": "off", "size": 100}],
    }


def test_a_segment_from_nothing_to_its_keys_and_away_again_with_the_official_client(
    split: Any, workspace: Any, live: str, tmp_path: Path
) -> None:
    made = split.segments.add({"name": "staff", "description": "Us"}, "user", workspace.id)
    assert (made.name, made.description, made.traffic_type.name) == ("staff", "Us", "user")
    assert [one.name for one in split.segments.list(workspace.id)] == ["staff"]
    there = made.add_to_environment(live)
    assert there.environment["id"] == live
    there.import_keys_from_json("false", {"keys": ["ada", "bob"], "comment": "Begin", "title": "Staff"})
    there.import_keys_from_json("false", {"keys": ["bob", "cy, jr"], "comment": ""})
    assert there.get_keys() == ["ada", "bob", "cy, jr"]
    assert there.get_key_count() == 3
    assert there.export_keys_to_csv(str(tmp_path / "keys.csv"))
    there.remove_keys({"keys": ["bob", "never there"], "comment": "Left", "title": "Bye"})
    assert there.get_keys() == ["ada", "cy, jr"]
    there.import_keys_from_json("true", {"keys": ["dee"], "comment": "New"})
    assert there.get_keys() == ["dee"]
    found = split.segment_definitions.find("staff", live, workspace.id)
    assert found.get_keys() == ["dee"]
    with pytest.raises(HTTPResponseError, match="has 1 keys"):
        made.remove_from_environment(live)
    there.remove_keys({"keys": ["dee"], "comment": ""})
    with pytest.raises(HTTPResponseError, match="still in Production"):
        split.segments.delete("staff", workspace.id)
    assert made.remove_from_environment(live) is True
    assert split.segment_definitions.list(live, workspace.id) == []
    assert split.segments.delete("staff", workspace.id) is True
    assert split.segments.list(workspace.id) == []


def test_a_segment_that_comes_back_begins_empty(split: Any, workspace: Any, live: str) -> None:
    for key in ("ada", "bob"):
        made = split.segments.add({"name": "staff"}, "user", workspace.id)
        there = made.add_to_environment(live)
        assert there.get_keys() == []
        there.import_keys_from_json("false", {"keys": [key], "comment": ""})
        assert there.get_keys() == [key]
        there.remove_keys({"keys": [key], "comment": ""})
        made.remove_from_environment(live)
        split.segments.delete("staff", workspace.id)


@pytest.mark.slow
def test_a_hundred_thousand_keys_fit_and_one_more_does_not_with_the_official_client(
    split: Any, raw: httpx2.Client, workspace: Any, live: str
) -> None:
    there = split.segments.add({"name": "crowd"}, "user", workspace.id).add_to_environment(live)
    keys = [f"user-{number:06}" for number in range(100_000)]
    assert there.import_keys_from_json("true", {"keys": keys, "comment": "All"})  # ten calls, as the client makes them
    assert there.get_key_count() == 100_000
    with pytest.raises(HTTPIncorrectParametersError, match="100,001 keys"):
        there.import_keys_from_json("false", {"keys": ["one more"], "comment": ""})
    again = raw.put(
        f"/segments/{live}/crowd/upload",
        params={"replace": True},
        content="\n".join(["new", *keys[1:]]),
        headers={"content-type": "text/csv"},
        timeout=60,
    )
    assert again.json() == {"code": 200, "message": "Added 1 keys"}
    assert there.get_key_count() == 100_000


def test_a_rule_based_segment_with_the_official_client(split: Any, workspace: Any, live: str) -> None:
    split.segments.add({"name": "banned"}, "user", workspace.id).add_to_environment(live)
    made = split.rule_based_segments.add({"name": "payers", "description": "Pay"}, "user", workspace.id)
    there = made.add_to_environment(live)
    assert (there.rules, there.excluded_keys, there.excluded_segments) == ([], [], [])
    excluded = [{"name": "banned", "type": "standard_segment"}]
    wanted = {"rules": RULES, "excludedKeys": ["eve"], "excludedSegments": excluded, "title": "T", "comment": "C"}
    new = there.update(wanted, workspace.id)
    assert (new.excluded_keys, new.excluded_segments) == (["eve"], excluded)
    found = split.rule_based_segment_definitions.find("payers", live, workspace.id)
    assert found.rules[0]["condition"]["matchers"][0]["strings"] == ["pro"]
    assert split.rule_based_segments.find("payers", workspace.id).description == "Pay"
    with pytest.raises(HTTPResponseError, match="payers"):
        split.segments.remove_from_environment("banned", live)
    assert split.rule_based_segment_definitions.delete("payers", live) is True
    assert split.segments.remove_from_environment("banned", live) is True
    assert split.rule_based_segments.delete("payers", workspace.id) is True
    with pytest.raises(HTTPNotFoundError):
        split.rule_based_segments.delete("payers", workspace.id)


def test_rule_based_segments_are_listed_beyond_one_page_with_the_official_client(
    split: Any, raw: httpx2.Client, workspace: Any
) -> None:
    names = [f"segment{number:03}" for number in range(100)]
    for name in names:
        path = f"/rule-based-segments/ws/{workspace.id}/trafficTypes/user"
        assert raw.post(path, json={"name": name}).is_success
    assert [one.name for one in split.rule_based_segments.list(workspace.id)] == names


def test_a_large_segment_with_the_official_client(split: Any, workspace: Any, live: str) -> None:
    made = split.large_segments.add({"name": "visitors"}, "user", workspace.id)
    there = made.add_to_environment(live)
    assert (there.name, there.environment["id"]) == ("visitors", live)
    assert [one.name for one in split.large_segments.list(workspace.id)] == ["visitors"]
    assert split.large_segment_definitions.find("visitors", live, workspace.id).name == "visitors"
    made.remove_from_environment(live)
    assert split.large_segments.delete("visitors", workspace.id) is True


def test_a_segment_that_a_flag_uses_stays_with_the_list_of_flags(split: Any, workspace: Any, live: str) -> None:
    made = split.segments.add({"name": "staff"}, "user", workspace.id)
    flag = workspace.add_split({"name": "pay"}, "user")
    with pytest.raises(HTTPIncorrectParametersError, match="no segment “staff” in Production"):
        flag.add_to_environment(live, definition("staff"))
    made.add_to_environment(live)
    flag.add_to_environment(live, definition("staff"))
    targets = {
        **definition("staff"),
        "rules": [],
        "treatments": [{"name": "on", "segments": ["staff"]}, {"name": "off"}],
    }
    workspace.add_split({"name": "search"}, "user").add_to_environment(live, targets)
    attempts = (partial(made.remove_from_environment, live), partial(split.segments.delete, "staff", workspace.id))
    for attempt in attempts:
        with pytest.raises(HTTPResponseError, match=r"used by pay \(Production\), search \(Production\)"):
            attempt()
    flag.remove_from_environment(live, "", "")
    with pytest.raises(HTTPResponseError, match=r"used by search \(Production\)"):
        made.remove_from_environment(live)


def test_a_segment_cannot_be_made_of_itself(raw: httpx2.Client, workspace: Any, live: str) -> None:
    for name in ("a", "b"):
        raw.post(f"/rule-based-segments/ws/{workspace.id}/trafficTypes/user", json={"name": name})
        raw.post(f"/rule-based-segments/{live}/{name}")

    def made_of(name: str, other: str) -> httpx2.Response:
        rule = {"condition": {"matchers": [{"type": "IN_SEGMENT", "string": other}]}}
        place = f"/rule-based-segments/ws/{workspace.id}/{name}/environments/{live}"
        return raw.put(place, json={"rules": [rule]})

    assert "leads back" in made_of("a", "a").json()["message"]
    assert made_of("a", "b").is_success
    assert "leads back" in made_of("b", "a").json()["message"]
    assert raw.get(f"/rule-based-segments/ws/{workspace.id}/environments/{live}").json()[1]["rules"] == []


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"rules": [{"condition": {"matchers": [{"type": "NONSENSE"}]}}]}, "rules[0].condition.matchers[0].type"),
        ({"rules": "none"}, "rules"),
        ({"rules": [7]}, "rules[0]"),
        ({"rules": [], "excludedKeys": ["ok", ""]}, "excludedKeys[1]"),
        ({"rules": [], "excludedKeys": "eve"}, "excludedKeys"),
        ({"rules": [], "excludedSegments": [{"name": "x", "type": "other"}]}, "excludedSegments[0]"),
        ({"rules": [], "excludedSegments": [{"name": "x", "type": "large_segment"}]}, "excludedSegments[0].name"),
        (
            {
                "rules": [
                    {
                        "condition": {
                            "matchers": [{"type": "IN_SPLIT", "depends": {"splitName": "pay", "treatment": ["on"]}}]
                        }
                    }
                ]
            },
            "rules[0].condition.matchers[0].type",
        ),
    ],
)
def test_bad_rules_are_refused_with_their_place(
    raw: httpx2.Client, workspace: Any, live: str, body: dict[str, Any], path: str
) -> None:
    raw.post(f"/rule-based-segments/ws/{workspace.id}/trafficTypes/user", json={"name": "payers"})
    raw.post(f"/rule-based-segments/{live}/payers")
    answer = raw.put(f"/rule-based-segments/ws/{workspace.id}/payers/environments/{live}", json=body)
    assert answer.status_code == 400
    assert f'"path": "{path}"' in answer.json()["details"]


def test_a_file_with_one_bad_line_changes_nothing(raw: httpx2.Client, workspace: Any, live: str) -> None:
    raw.post(f"/segments/ws/{workspace.id}/trafficTypes/user", json={"name": "staff"})
    raw.post(f"/segments/{live}/staff")

    def upload(content: bytes, kind: str = "text/csv") -> httpx2.Response:
        return raw.put(f"/segments/{live}/staff/upload", content=content, headers={"content-type": kind})

    answer = upload(b"ada\nbob,admin\n" + b"x" * 251)
    assert answer.status_code == 400
    assert '"path": "line 2"' in answer.json()["details"]
    assert '"path": "line 3"' in answer.json()["details"]
    for content, kind in (
        (b"\xff\xfe", "text/csv"),
        (b'{"keys": []}', "application/json"),
        (b"[1]", "application/json"),
    ):
        assert upload(content, kind).status_code == 400
    assert upload(b"k\n" * 20_000_000).status_code == 413
    assert raw.get(f"/segments/{live}/staff/keys").json()["count"] == 0
    assert upload('\ufeff"cy, jr"\r\n\r\nada\r\nada'.encode()).json()["message"] == "Added 2 keys"
    assert upload(b'["bob"]', "application/json").json()["message"] == "Added 1 keys"
    shown = raw.get(f"/segments/{live}/staff/keys", params={"offset": 1, "limit": 1}).json()
    assert shown == {"keys": [{"key": "bob"}], "openChangeRequestId": None, "count": 3, "offset": 1, "limit": 1}


def test_keys_of_api_reach_as_far_as_their_roles_and_scope(server: str, split: Any, workspace: Any, live: str) -> None:
    made = split.segments.add({"name": "staff"}, "user", workspace.id)
    made.add_to_environment(live)
    staging = split.environments.find("Staging", workspace.id).id

    def client(role: str) -> Any:
        key = split.apikeys.create_apikey(role, "admin", [live], workspace.id, [role])
        return split_client(server, key["key"] if isinstance(key, dict) else key.key)

    viewer, editor, flags = map(client, ("API_SEGMENT_VIEWER", "API_SEGMENT_EDITOR", "API_FEATURE_FLAG_EDITOR"))
    assert [one.name for one in viewer.segments.list(workspace.id)] == ["staff"]
    with pytest.raises(HTTPResponseError, match="not allowed to change segments"):
        viewer.segment_definitions.import_keys_from_json("staff", live, "false", {"keys": ["ada"]})
    assert editor.segment_definitions.import_keys_from_json("staff", live, "false", {"keys": ["ada"]})
    with pytest.raises(HTTPNotFoundError):
        editor.segments.add_to_environment("staff", staging)
    with pytest.raises(HTTPResponseError, match="not allowed to see segments"):
        flags.segments.list(workspace.id)
    with pytest.raises(HTTPResponseError, match="not allowed to change flags"):
        editor.splits.add({"name": "pay"}, "user", workspace.id)


def test_names_that_clash_or_cannot_be_are_refused(raw: httpx2.Client, workspace: Any, live: str) -> None:
    place = f"/segments/ws/{workspace.id}/trafficTypes"
    assert raw.post(f"{place}/user", json={"name": "staff"}).is_success
    assert raw.post(f"{place}/user", json={"name": "staff"}).status_code == 409
    rule_based = raw.post(f"/rule-based-segments/ws/{workspace.id}/trafficTypes/user", json={"name": "staff"})
    assert rule_based.status_code == 409
    assert raw.post(f"{place}/user", json={"name": "9 lives"}).status_code == 400
    assert raw.post(f"{place}/nobody", json={"name": "others"}).status_code == 400
    assert raw.get(f"/rule-based-segments/ws/{workspace.id}/staff").status_code == 404
    assert raw.post(f"/segments/{live}/staff").is_success
    assert raw.post(f"/segments/{live}/staff").status_code == 409
    assert raw.get("/segments/nowhere/staff/keys").status_code == 404
