"""OpenFeature's remote evaluation: what the protocol says, and its official Python provider unmodified."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import jsonschema
import pytest
import yaml
from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode

from tests.conftest import SHARED
from tests.end_to_end.applications import sdk_key
from tests.end_to_end.test_sdk_api import rule, segment
from tests.end_to_end.world import World, until

pytestmark = pytest.mark.slow

CONTRACT = SHARED / "contracts" / "ofrep" / "openapi.yaml"


class Provider:
    """Bare requests of a provider."""

    def __init__(self, world: World, secret: str) -> None:
        headers = {"Authorization": f"Bearer {secret}"}
        self.http = httpx2.Client(base_url=world.url, headers=headers, timeout=30, trust_env=False)
        world.closing.append(self.http.close)

    def one(self, flag: str, status: int = 200, **context: Any) -> Any:
        answer = self.http.post(f"/ofrep/v1/evaluate/flags/{flag}", json={"context": context})
        assert answer.status_code == status, answer.text
        return answer.json()

    def all(self, **context: Any) -> dict[str, Any]:
        answer = self.http.post("/ofrep/v1/evaluate/flags", json={"context": context})
        assert answer.status_code == 200, answer.text
        return {one["key"]: one for one in answer.json()["flags"]}


@pytest.fixture
def provider(world: World) -> Provider:
    """Flags of every kind that OFREP tells apart."""
    segment(world, "staff", "ada")
    world.new_flag("pay", set_up=False)
    world.define("pay", share=100, rules=[rule(type="IN_SEGMENT", string="staff")])
    world.new_flag("half", share=50)
    world.new_flag("dead", share=0)
    world.act("kill", "dead")
    world.new_flag("theme", set_up=False)
    treatments = [
        {"name": "blue", "configurations": '{"colour":"#00f"}'},
        {"name": "plain"},
    ]
    world.define(
        "theme", treatments=treatments, defaultTreatment="plain", defaultRule=[{"treatment": "blue", "size": 100}]
    )
    world.new_flag("size", set_up=False)
    sizes = [{"name": "small"}, {"name": "large"}]
    world.define(
        "size",
        treatments=sizes,
        defaultTreatment="small",
        defaultRule=[{"treatment": "small", "size": 100}],
        rules=[
            {
                "condition": {"matchers": [{"type": "IN_LIST_STRING", "attribute": "plan", "strings": ["pro"]}]},
                "buckets": [{"treatment": "large", "size": 100}],
            }
        ],
    )
    return Provider(world, sdk_key(world))


def test_a_flag_is_evaluated_for_its_context(provider: Provider) -> None:
    pay = provider.one("pay", targetingKey="ada")
    assert (pay["value"], pay["variant"], pay["reason"]) == (True, "on", "TARGETING_MATCH")
    assert provider.one("pay", targetingKey="bob")["value"] is False
    assert provider.one("half", targetingKey="bob")["reason"] == "SPLIT"
    dead = provider.one("dead", targetingKey="bob")
    assert (dead["value"], dead["reason"], dead["metadata"]["label"]) == (False, "DISABLED", "killed")
    assert provider.one("theme", targetingKey="bob")["value"] == {"colour": "#00f"}
    size = provider.one("size", targetingKey="bob", plan="pro")
    assert (size["value"], size["variant"]) == ("large", "large")
    assert provider.one("size", targetingKey="bob")["reason"] == "STATIC"


def test_what_cannot_be_evaluated_says_why(world: World, provider: Provider) -> None:
    nowhere = provider.one("nowhere", 404, targetingKey="ada")
    assert (nowhere["key"], nowhere["errorCode"]) == ("nowhere", "FLAG_NOT_FOUND")
    assert provider.one("pay", 400)["errorCode"] == "TARGETING_KEY_MISSING"
    assert provider.one("pay", 400, targetingKey=7)["errorCode"] == "INVALID_CONTEXT"
    for body, code in ((b"{", "PARSE_ERROR"), (b"[]", "INVALID_CONTEXT"), (b'{"context": 5}', "INVALID_CONTEXT")):
        for path in ("", "/pay"):
            answer = provider.http.post(f"/ofrep/v1/evaluate/flags{path}", content=body)
            assert (answer.status_code, answer.json()["errorCode"]) == (400, code)
    deep = provider.http.post("/ofrep/v1/evaluate/flags/pay", content=b"[" * 100_000)
    assert (deep.status_code, deep.json()["errorCode"]) == (400, "PARSE_ERROR")
    stranger = httpx2.post(f"{world.url}/ofrep/v1/evaluate/flags/pay", json={"context": {}}, trust_env=False)
    assert (stranger.status_code, "SDK key" in stranger.json()["errorDetails"]) == (401, True)
    key = provider.http.headers["Authorization"].split()[1]
    by_header = {"X-API-Key": key, "Authorization": ""}
    asked: dict[str, Any] = {"json": {"context": {"targetingKey": "ada"}}, "headers": by_header}
    assert httpx2.post(f"{world.url}/ofrep/v1/evaluate/flags/pay", **asked, trust_env=False).is_success


def test_all_flags_at_once_and_again_only_when_something_changed(world: World, provider: Provider) -> None:
    found = provider.all(targetingKey="ada")
    assert set(found) == {"pay", "half", "dead", "theme", "size"}
    assert found["pay"] == provider.one("pay", targetingKey="ada")

    def ask(tag: str, who: str = "ada") -> httpx2.Response:
        body = {"context": {"targetingKey": who}}
        return provider.http.post("/ofrep/v1/evaluate/flags", json=body, headers={"If-None-Match": tag})

    tag = ask("").headers["etag"]
    assert (ask(tag).status_code, ask(tag, "bob").status_code) == (304, 200)
    world.act("kill", "pay")
    until(lambda: ask(tag).status_code == 200, "the change is seen")


def test_a_text_that_no_expression_is_done_with_holds_up_nobody(world: World, provider: Provider) -> None:
    """Python's own engine would be at it for years, and nothing else would be answered."""
    world.new_flag("mail", set_up=False)
    endless = rule(type="MATCHES_STRING", attribute="email", string="^(a|aa)+@example.com$")
    world.define("mail", share=100, rules=[endless])
    until(lambda: "mail" in provider.all(targetingKey="ada"), "the flag arrives")
    with ThreadPoolExecutor(4) as threads:
        hostile = [threads.submit(provider.one, "mail", targetingKey="ada", email="a" * 200) for _ in range(40)]
        calm = [provider.one("mail", targetingKey="ada", email="aa@example.com")["value"] for _ in range(20)]
        assert (calm, [one.result()["value"] for one in hostile]) == ([True] * 20, [False] * 40)
    assert provider.all(targetingKey="ada", email="a" * 200)["mail"]["value"] is False


def test_every_answer_is_as_the_protocol_describes_it(provider: Provider) -> None:
    if not CONTRACT.exists():
        pytest.skip("needs OFREP's OpenAPI document, which is not part of the project")
    document = yaml.safe_load(CONTRACT.read_text())
    value = document["components"]["schemas"]["evaluationSuccess"]["allOf"][1]
    value["anyOf"] = value.pop("oneOf")  # its codeDefaultFlag asks for nothing, so that every value fits two of them

    def check(name: str, answer: Any) -> None:
        schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        jsonschema.Draft202012Validator(schema).validate(answer)

    for flag, who in itertools.product(("pay", "half", "dead", "theme", "size"), ("ada", "bob")):
        check("serverEvaluationSuccess", provider.one(flag, targetingKey=who))
    check("flagNotFound", provider.one("nowhere", 404, targetingKey="ada"))
    check("evaluationFailure", provider.one("pay", 400))
    body = {"context": {"targetingKey": "ada"}}
    check("bulkEvaluationSuccess", provider.http.post("/ofrep/v1/evaluate/flags", json=body).json())
    check("bulkEvaluationFailure", provider.http.post("/ofrep/v1/evaluate/flags", json={}).json())


def test_the_official_python_provider_evaluates(world: World, provider: Provider) -> None:
    proof = {"Authorization": provider.http.headers["Authorization"]}
    api.set_provider(OFREPProvider(world.url, headers_factory=lambda: proof))
    try:
        client = api.get_client()
        ada = EvaluationContext("ada", {"plan": "pro"})
        assert client.get_boolean_value("pay", False, ada) is True
        assert client.get_string_value("size", "none", ada) == "large"
        assert client.get_object_value("theme", {}, ada) == {"colour": "#00f"}
        missing = client.get_boolean_details("nowhere", True, ada)
        assert (missing.value, missing.error_code) == (True, ErrorCode.FLAG_NOT_FOUND)
    finally:
        api.clear_providers()
