"""Flag sets, as Split's own client from PyPI (unmodified) sees them, and as its documents say."""

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


def test_a_flag_set_comes_and_goes_with_the_official_client(split: Any) -> None:
    workspace = split.workspaces.find("Default").id
    made = split.flag_sets.add({"name": "backend", "description": "Servers"}, workspace)
    assert (made.name, made.workspace_id) == ("backend", workspace)
    assert split.flag_sets.find("backend", workspace).id == made.id
    assert split.flag_sets.get(made.id).name == "backend"
    assert split.flag_sets.delete(made.id) is True
    assert split.flag_sets.list(workspace) == []
    with pytest.raises(HTTPNotFoundError):
        split.flag_sets.get(made.id)


def test_flag_sets_are_listed_beyond_one_page_with_the_official_client(split: Any) -> None:
    workspace = split.workspaces.find("Default").id
    names = [f"set_{number:03}" for number in range(100)]
    for name in reversed(names):
        split.flag_sets.add({"name": name}, workspace)
    assert [one.name for one in split.flag_sets.list(workspace)] == names


def test_names_that_sdks_would_leave_out_are_refused(split: Any) -> None:
    workspace = split.workspaces.find("Default").id
    for name in ("Backend", "_x", "two words", "x" * 51, ""):
        with pytest.raises(HTTPIncorrectParametersError):
            split.flag_sets.add({"name": name}, workspace)
    split.flag_sets.add({"name": "backend"}, workspace)
    with pytest.raises(HTTPResponseError, match="already"):
        split.flag_sets.add({"name": "backend"}, workspace)


def test_both_addresses_of_version_3_answer(server: str, split: Any, raw: httpx2.Client) -> None:
    workspace = split.workspaces.find("Default").id
    split.flag_sets.add({"name": "backend"}, workspace)
    answers = [
        httpx2.get(
            f"{server}{prefix}/flag-sets",
            params={"workspace_id": workspace},
            headers=raw.headers,
            trust_env=False,
        ).json()
        for prefix in ("/api/v3", "/internal/api/v3")
    ]
    assert answers[0] == answers[1]
    assert set(answers[0]) == {"data", "nextMarker", "previousMarker", "limit", "count"}
    assert split_client(server, "wrong") is not None
    assert httpx2.get(f"{server}/api/v3/flag-sets", trust_env=False).json()["code"] == 401


def test_a_definition_is_in_flag_sets_and_keeps_them_in_use(split: Any, raw: httpx2.Client) -> None:
    workspace = split.workspaces.find("Default").id
    sets = [split.flag_sets.add({"name": name}, workspace).id for name in ("backend", "frontend")]
    raw.post(f"/splits/ws/{workspace}/trafficTypes/user", json={"name": "pay"})
    place = f"/splits/ws/{workspace}/pay/environments/Production"
    listed = [{"id": id, "type": "FLAG_SET"} for id in sets]
    assert raw.post(place, json={**DEFINITION, "flagSets": listed[:1]}).json()["flagSets"] == listed[:1]
    assert raw.put(place, json=DEFINITION).json()["flagSets"] == listed[:1]
    patch = [{"op": "add", "path": "/flagSets/-", "value": listed[1]}]
    assert raw.patch(place, json=patch).json()["flagSets"] == listed
    assert raw.get(place).json()["flagSets"] == listed
    with pytest.raises(HTTPResponseError, match=r"These are in “backend”: pay \(Production\)"):
        split.flag_sets.delete(sets[0])
    assert raw.put(place, json={**DEFINITION, "flagSets": []}).json()["flagSets"] == []
    assert split.flag_sets.delete(sets[0]) is True
    for wrong in (listed[:1], "backend", [{"id": 7}], [7]):
        assert raw.put(place, json={**DEFINITION, "flagSets": wrong}).status_code == 400
