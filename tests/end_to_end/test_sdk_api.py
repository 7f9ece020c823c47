"""Applications with Split's SDKs get their flags from Flagpost, by changing nothing but the address."""

import gzip
from typing import Any

import httpx2
import pytest

from tests.end_to_end.applications import Application, place_of, python_sdk, sdk_key
from tests.end_to_end.world import World, until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:setDaemon:DeprecationWarning"),  # the SDK's own threads
]

EVERYBODY = [{"treatment": "on", "size": 100}]


def rule(**matcher: Any) -> dict[str, Any]:
    return {"condition": {"combiner": "AND", "matchers": [matcher]}, "buckets": EVERYBODY}


def segment(world: World, name: str, *keys: str) -> None:
    home, place = world.workspace(), place_of(world)
    world.call("POST", f"/internal/api/v2/segments/ws/{home}/trafficTypes/user", json={"name": name})
    world.call("POST", f"/internal/api/v2/segments/{place}/{name}")
    change_keys(world, name, "uploadKeys", *keys)


def change_keys(world: World, name: str, how: str, *keys: str) -> None:
    body = {"keys": list(keys), "comment": ""}
    world.call("PUT", f"/internal/api/v2/segments/{place_of(world)}/{name}/{how}", json=body)


def test_the_official_python_sdk_is_served_and_follows_every_change(world_on_both: World) -> None:
    world = world_on_both
    segment(world, "staff", "ada", "ключ")
    world.new_flag("pay", share=100)
    world.define("pay", share=100, rules=[rule(type="IN_SEGMENT", string="staff")])
    world.new_flag("gone", share=0)
    with python_sdk(world, sdk_key(world)) as client:
        assert [client.get_treatment(key, "pay") for key in ("ada", "ключ", "bob")] == ["on", "on", "off"]
        assert client.get_treatment("bob", "gone") == "on"
        change_keys(world, "staff", "uploadKeys", "bob")
        until(lambda: client.get_treatment("bob", "pay") == "on", "a key that was added arrives")
        change_keys(world, "staff", "removeKeys", "bob")
        until(lambda: client.get_treatment("bob", "pay") == "off", "a key that was removed leaves")
        world.act("kill", "pay")
        until(lambda: client.get_treatment("ada", "pay") == "off", "a kill arrives")
        world.undefine("gone")
        until(lambda: client.get_treatment("bob", "gone") == "control", "a flag that is gone is forgotten")


def test_a_revoked_key_is_refused_and_the_sdk_recovers_when_it_is_back(world: World) -> None:
    world.new_flag("pay", share=0)
    application = Application(world, sdk_key(world))
    assert set(application.flags()) == {"pay"}
    secret = application.http.headers["Authorization"].split()[1]
    world.call("DELETE", f"/internal/api/v2/apiKeys/{secret}")
    until(lambda: application.http.get("/sdk/splitChanges").status_code == 401, "the key opens nothing any more", 3)
    assert "revoked" in application.http.get("/sdk/splitChanges").json()["error"]["message"]


def test_the_loop_ends_where_there_is_nothing_new(world: World) -> None:
    application = Application(world, sdk_key(world))
    empty = application.changes()
    assert empty == {"ff": {"d": [], "s": -1, "t": -1}, "rbs": {"d": [], "s": -1, "t": -1}}
    world.new_flag("pay", share=0)
    first = until(lambda: application.changes()["ff"]["d"] and application.changes(), "the flag arrives")
    till = first["ff"]["t"]
    assert first["ff"]["d"][0]["changeNumber"] == till
    again = application.changes(till)
    assert (again["ff"]["s"], again["ff"]["t"], again["ff"]["d"]) == (till, till, [])


def test_numbers_only_rise_and_what_is_gone_is_a_tombstone(world: World) -> None:
    application = Application(world, sdk_key(world))
    world.new_flag("a", share=0)
    world.new_flag("b", share=0)
    until(lambda: set(application.flags()) == {"a", "b"}, "both arrive")
    till = application.changes()["ff"]["t"]
    world.undefine("a")
    told = until(lambda: application.flags(till), "the removal arrives")
    assert (told["a"]["status"], told["a"]["changeNumber"] > till) == ("ARCHIVED", True)
    assert set(application.flags()) == {"b"}  # whoever begins now need not hear of what is gone
    from_the_future = application.flags(told["a"]["changeNumber"] + 10**9)  # as after a restored backup
    assert {name: one["status"] for name, one in from_the_future.items()} == {"a": "ARCHIVED", "b": "ACTIVE"}


def test_older_versions_get_the_older_shape_and_newer_ones_are_told_so(world: World) -> None:
    world.new_flag("pay", share=0)
    application = Application(world, sdk_key(world))
    for query in ({}, {"s": "1.1"}, {"s": "1.2", "since": -1}):
        old = application.get("/splitChanges", **query)
        assert ([one["name"] for one in old["splits"]], old["since"]) == (["pay"], -1)
    newer = application.http.get("/sdk/splitChanges", params={"s": "1.4", "since": -1})
    assert (newer.status_code, "1.1 to 1.3" in newer.json()["error"]["message"]) == (400, True)
    assert application.http.get("/sdk/splitChanges", params={"since": "soon"}).status_code == 400


def test_an_answer_that_is_known_is_not_sent_again_and_others_go_packed(world: World) -> None:
    for number in range(5):
        world.new_flag(f"flag{number}", share=0)
    application = Application(world, sdk_key(world))
    until(lambda: len(application.flags()) == 5, "all arrive")
    first = application.http.get("/sdk/splitChanges?s=1.3", headers={"Accept-Encoding": "identity"})
    tag = {"If-None-Match": first.headers["etag"]}
    assert application.http.get("/sdk/splitChanges?s=1.3", headers=tag).status_code == 304
    with application.http.stream("GET", "/sdk/splitChanges?s=1.3", headers={"Accept-Encoding": "gzip"}) as packed:
        assert packed.headers["content-encoding"] == "gzip"
        assert gzip.decompress(b"".join(packed.iter_raw())) == first.content
    world.act("kill", "flag1")
    until(lambda: application.http.get("/sdk/splitChanges?s=1.3", headers=tag).status_code == 200, "the tag is old")


def test_segments_are_told_from_any_number_and_unknown_ones_are_empty(world: World) -> None:
    segment(world, "staff", "ada", "bob")
    application = Application(world, sdk_key(world))
    first = application.get("/segmentChanges/staff", since=-1)
    assert (first["added"], first["removed"]) == (["ada", "bob"], [])
    change_keys(world, "staff", "removeKeys", "bob")
    change_keys(world, "staff", "uploadKeys", "cy")
    later = until(
        lambda: (found := application.get("/segmentChanges/staff", since=first["till"]))["added"] and found, "cy comes"
    )
    assert (later["added"], later["removed"]) == (["cy"], ["bob"])
    assert application.get("/segmentChanges/staff", since=later["till"])["till"] == later["till"]
    assert application.get("/segmentChanges/nowhere", since=-1) == {
        "name": "nowhere",
        "added": [],
        "removed": [],
        "since": -1,
        "till": -1,
    }


def test_a_client_side_key_may_ask_about_one_key_but_not_for_a_whole_segment(world: World) -> None:
    segment(world, "staff", "ada/ø")
    browser = Application(world, sdk_key(world, "client_side"))
    found = browser.get("/memberships/ada%2F%C3%B8")
    assert (found["ms"]["k"], found["ls"]["k"]) == ([{"n": "staff"}], [])
    assert browser.get("/memberships/bob")["ms"]["k"] == []
    assert browser.get("/mySegments/ada%2F%C3%B8") == {"mySegments": [{"id": "staff", "name": "staff"}]}
    refused = browser.http.get("/sdk/segmentChanges/staff?since=-1")
    assert (refused.status_code, "server-side key" in refused.json()["error"]["message"]) == (403, True)


def test_keys_open_one_environment_and_other_keys_none(world: World) -> None:
    world.new_flag("pay", share=0)
    world.define("pay", place="Staging", share=100)
    live, staging = (Application(world, sdk_key(world, place=place)) for place in ("Production", "Staging"))
    assert live.flags()["pay"]["seed"] != staging.flags()["pay"]["seed"]
    admin = world.http.headers["Authorization"]
    for proof in ({}, {"Authorization": "Bearer nobody"}, {"Authorization": admin}, {"Authorization": "Basic x"}):
        assert httpx2.get(f"{world.url}/sdk/splitChanges", headers=proof, trust_env=False).status_code == 401


def test_browsers_may_call_from_anywhere(world: World) -> None:
    asks = {
        "Origin": "https://shop.example.com",
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "authorization,splitsdkversion,cache-control",
    }
    preflight = httpx2.options(f"{world.url}/sdk/splitChanges", headers=asks, trust_env=False)
    assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (200, "*")
    application = Application(world, sdk_key(world, "client_side"))
    answer = application.http.get("/sdk/splitChanges", headers={"Origin": "https://shop.example.com"})
    assert answer.headers["access-control-allow-origin"] == "*"
    refused = httpx2.get(
        f"{world.url}/sdk/splitChanges", headers={"Origin": "https://shop.example.com"}, trust_env=False
    )
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, "*")
    assert application.get("/v2/auth", s="1.3") == {"pushEnabled": False, "token": ""}
    assert httpx2.get(f"{world.url}/sdk/version", trust_env=False).status_code == 200


def test_what_is_asked_again_is_answered_again_until_it_is_not_true_any_more(world: World) -> None:
    world.new_flag("pay", share=0)
    application = Application(world, sdk_key(world))
    number = application.changes()["ff"]["t"]

    def ask(**headers: str) -> httpx2.Response:
        query = {"s": "1.3", "since": number, "rbSince": -1}
        return application.http.get("/sdk/splitChanges", params=query, headers=headers)

    first, second = ask(), ask()
    assert (first.status_code, first.content) == (200, second.content)
    assert first.json()["ff"] == {"d": [], "s": number, "t": number}
    differing = {name for name in first.headers if first.headers[name] != second.headers.get(name)}
    assert differing <= {"x-request-id", "date"}
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    assert [ask(**{"If-None-Match": first.headers["etag"]}).status_code for _ in range(2)] == [304, 304]
    assert [ask(Origin="https://shop.example.com").headers["access-control-allow-origin"] for _ in range(2)] == [
        "*"
    ] * 2
    assert ask(**{"X-Request-Id": "my-own-request-1"}).headers["x-request-id"] == "my-own-request-1"
    refused = [application.http.get("/sdk/splitChanges?s=1.3&since=soon").status_code for _ in range(2)]
    assert refused == [400, 400]
    world.act("kill", "pay")
    until(lambda: ask().json()["ff"]["d"], "the change is served to whoever asked just before")
    secret = application.http.headers["Authorization"].split()[1]
    world.call("DELETE", f"/internal/api/v2/apiKeys/{secret}")
    until(lambda: ask().status_code == 401, "the key that was revoked opens nothing")


def test_a_key_for_the_admin_api_is_told_what_applications_need(world: World) -> None:
    answer = world.http.get("/sdk/splitChanges")
    assert (answer.status_code, "Applications need an SDK key" in answer.text) == (401, True)
