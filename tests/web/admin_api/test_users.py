"""Users, groups, attributes and identities, as Split's own client from PyPI (unmodified) sees them."""

from typing import Any

import httpx2
import pytest
from splitapiclient.resources import Attribute
from splitapiclient.resources.identity import Identity
from splitapiclient.util.exceptions import HTTPIncorrectParametersError, HTTPNotFoundError, HTTPResponseError

pytestmark = pytest.mark.slow


def test_somebody_is_invited_changed_and_uninvited_with_the_official_client(split: Any) -> None:
    group = split.groups.create_group({"name": "Designers", "description": "They draw"})
    other = split.groups.create_group({"name": "Writers"})
    assert split.users.invite_user({"email": "Vi@example.com", "groups": [{"id": group.id, "type": "group"}]})
    vi = split.users.find("vi@example.com")
    assert (vi._status, vi._groups) == ("PENDING", [{"id": group.id, "type": "group"}])
    added = vi.update_user_group([{"op": "add", "path": "/groups/0", "value": {"id": other.id, "type": "group"}}])
    assert {one["id"] for one in added._groups} == {group.id, other.id}
    changed = vi.update_user({"name": "Vi", "email": "vi@example.com", "2fa": False, "groups": [], "status": "PENDING"})
    assert (changed._name, changed._groups) == ("Vi", [])
    assert vi.update_user({"status": "DEACTIVATED"})._status == "DEACTIVATED"
    assert [one.email for one in split.users.list("DEACTIVATED")] == ["vi@example.com"]
    with pytest.raises(HTTPResponseError, match="Deactivate"):
        split.users.delete(vi.id)
    assert vi.update_user({"status": "ACTIVE"})._status == "PENDING"  # who has no password yet is still invited
    assert split.users.delete(vi.id) is True
    assert split.users.find("vi@example.com") is None


def test_an_invitation_answers_with_the_link_to_pass_on(server: str, raw: httpx2.Client) -> None:
    made = raw.post("/users", json={"email": "vi@example.com", "role": "editor", "name": "Vi"}).json()
    assert (made["role"], made["status"], made["name"]) == ("editor", "PENDING", "Vi")
    assert made["invitationUrl"].startswith(f"{server}/invite/")
    assert "invitationUrl" not in raw.get(f"/users/{made['id']}").json()


def test_users_are_listed_beyond_one_page_with_the_official_client(split: Any, raw: httpx2.Client) -> None:
    group = split.groups.create_group({"name": "Crowd"}).id
    emails = {f"user{number:03}@example.com" for number in range(203)}
    for email in emails:
        raw.post("/users", json={"email": email, "groups": [{"id": group}]})
    assert {one.email for one in split.users.list("PENDING")} == emails
    page = raw.get("/users", params={"group_id": group, "limit": 100}).json()
    assert (page["count"], page["limit"], len(page["data"])) == (100, 100, 100)
    assert page["nextMarker"] == page["data"][-1]["id"]


def test_what_cannot_be_said_of_somebody_is_refused(raw: httpx2.Client) -> None:
    vi = raw.post("/users", json={"email": "vi@example.com"}).json()
    assert raw.post("/users", json={"email": "vi@example.com"}).status_code == 409
    for wrong in (
        {"email": "other@example.com"},
        {"status": "GONE"},
        {"role": "king"},
        {"groups": [{"id": "nobody"}]},
        {"name": ""},
    ):
        assert raw.put(f"/users/{vi['id']}", json=wrong).status_code == 400, wrong
    assert raw.patch(f"/users/{vi['id']}", json=[{"op": "replace", "path": "/name", "value": 7}]).status_code == 400
    assert raw.get("/users", params={"status": "GONE"}).status_code == 400
    assert raw.get(f"/users/{vi['id']}").json() == {key: value for key, value in vi.items() if key != "invitationUrl"}
    assert raw.get("/users/nobody").status_code == 404


def test_groups_come_and_go_with_the_official_client(split: Any) -> None:
    made = split.groups.create_group({"name": "Designers", "description": "They draw"})
    assert split.groups.find("Designers").id == made.id
    changed = split.groups.update_group(made.id, {"name": "Artists", "description": "They paint"})
    assert (changed.name, changed._description) == ("Artists", "They paint")
    split.groups.create_group({"name": "Writers"})
    with pytest.raises(HTTPResponseError, match="already"):
        split.groups.update_group(made.id, {"name": "Writers"})
    assert split.groups.delete_group(made.id) is True
    assert split.groups.find("Artists") is None


def test_attributes_come_and_go_with_the_official_client(split: Any) -> None:
    workspace = split.workspaces.find("Default").id
    user = split.traffic_types.find("user", workspace).id
    described = {"id": "plan", "trafficTypeId": user, "displayName": "Plan", "workspaceId": workspace}
    described |= {"dataType": "STRING", "description": "What they pay", "suggestedValues": ["pro", "team"]}
    made = split.attributes.save(Attribute(described))
    assert (made.id, made.display_name, made.data_type, made.suggested_values) == (
        "plan",
        "Plan",
        "STRING",
        ["pro", "team"],
    )
    many = [{"id": "age", "displayName": "Age", "dataType": "number"}, {"id": "tags", "dataType": "SET"}]
    assert split.attributes.import_attributes_from_json(workspace, user, many) is True
    assert [one.id for one in split.attributes.list(user, workspace)] == ["age", "plan", "tags"]
    with pytest.raises(HTTPResponseError, match="already"):
        split.attributes.save(Attribute(described))
    with pytest.raises(HTTPIncorrectParametersError, match="dataType"):
        split.attributes.save(Attribute({**described, "id": "x", "dataType": "COLOUR"}))
    found = split.attributes.find("plan", "user", workspace)
    split.attributes.delete(found.id, workspace, user)  # whose answer the client does not look at
    assert split.attributes.find("plan", "user", workspace) is None


def test_attributes_are_searched_paged_and_patched(raw: httpx2.Client) -> None:
    home = raw.get("/workspaces").json()["objects"][0]["id"]
    place = f"/schema/ws/{home}/trafficTypes/user"
    for name in ("plan", "place", "age"):
        assert raw.put(place, json={"id": name, "displayName": name.title()}).is_success
    assert [one["id"] for one in raw.get(place, params={"searchPrefix": "PL"}).json()] == ["place", "plan"]
    page = raw.get(place, params={"paginate": True, "markerLimit": 2}).json()
    assert ([one["id"] for one in page["objects"]], page["nextMarker"]) == (["age", "place"], "place")
    following = raw.get(place, params={"paginate": True, "afterMarker": "place"}).json()
    assert ([one["id"] for one in following["objects"]], following["nextMarker"]) == (["plan"], None)
    patch = [{"op": "replace", "path": "/dataType", "value": "NUMBER"}]
    assert raw.patch(f"{place}/age", json=patch).json()["dataType"] == "NUMBER"
    assert (
        raw.patch(f"{place}/age", json=[{"op": "replace", "path": "/suggestedValues", "value": 1}]).status_code == 400
    )
    assert raw.patch(f"{place}/none", json=patch).status_code == 404


def test_identities_come_and_go_with_the_official_client(split: Any, raw: httpx2.Client) -> None:
    workspace = split.workspaces.find("Default").id
    user = split.traffic_types.find("user", workspace).id
    live = split.environments.find("Production", workspace).id
    many = [
        {"id": "plan", "dataType": "STRING"},
        {"id": "age", "dataType": "NUMBER"},
        {"id": "tags", "dataType": "SET"},
    ]
    split.attributes.import_attributes_from_json(workspace, user, many)
    place = {"trafficTypeId": user, "environmentId": live}

    def identity(key: str, **values: Any) -> Identity:
        return Identity({**place, "key": key, "values": values})

    saved = split.identities.save(identity("ada", plan="pro", age=36))
    assert (saved.key, saved.values, saved.environment_id) == ("ada", {"plan": "pro", "age": 36}, live)
    assert split.identities.patch(identity("ada", tags=["x"])).values == {"plan": "pro", "age": 36, "tags": ["x"]}
    assert split.identities.update(identity("ada", age=37)).values["plan"] == "pro"
    assert split.identities.save(identity("ada", plan="team")).values == {"plan": "team"}
    with pytest.raises(HTTPIncorrectParametersError, match="no attribute “shoe”"):
        split.identities.save(identity("ada", shoe=42))
    result = split.identities.save_all([identity("bob", age=7), identity("cy", age="old"), identity("dee", tags="x")])
    assert [one.key for one in result.successful] == ["bob"]
    assert [(one["object"].key, one["status"]) for one in result.failed] == [("cy", 400), ("dee", 400)]
    assert raw.get(f"/trafficTypes/{user}/environments/{live}/identities/bob").json()["values"] == {"age": 7}
    split.identities.delete(user, live, "bob")
    with pytest.raises(HTTPNotFoundError):
        split.identities.delete(user, live, "bob")
