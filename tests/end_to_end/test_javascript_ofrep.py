"""OpenFeature's official OFREP providers for JavaScript, for servers and for browsers, unmodified."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.applications import sdk_key
from tests.end_to_end.node import NodeApplication, node_application
from tests.end_to_end.test_sdk_api import rule, segment
from tests.end_to_end.world import World, until

pytestmark = pytest.mark.slow

ADA, BOB = {"targetingKey": "ada", "plan": "pro"}, {"targetingKey": "bob"}


@pytest.fixture
def shop(world: World) -> World:
    """A flag of each kind that OpenFeature tells apart."""
    segment(world, "staff", "ada")
    world.new_flag("pay", set_up=False)
    world.define("pay", share=100, rules=[rule(type="IN_SEGMENT", string="staff")])
    values = {"theme": ('{"colour": "#00f"}', '{"colour": "#fff"}'), "limit": ("2.5", "10"), "plain": (None, None)}
    for name, (first, second) in values.items():
        world.new_flag(name, set_up=False)
        world.define(
            name,
            treatments=[{"name": "one", "configurations": first}, {"name": "two", "configurations": second}],
            defaultTreatment="two",
            defaultRule=[{"treatment": "two", "size": 100}],
            rules=[
                {
                    "condition": {"matchers": [{"type": "IN_LIST_STRING", "attribute": "plan", "strings": ["pro"]}]},
                    "buckets": [{"treatment": "one", "size": 100}],
                }
            ],
        )
    return world


@pytest.fixture
def server(npm_cache: Path, tmp_path: Path) -> Iterator[NodeApplication]:
    with node_application("openfeature.cjs", tmp_path, npm_cache) as application:
        yield application


@pytest.fixture
def page(npm_cache: Path, tmp_path: Path) -> Iterator[NodeApplication]:
    with node_application("openfeature_web.cjs", tmp_path, npm_cache) as application:
        yield application


def values(application: NodeApplication, **context: Any) -> list[Any]:
    """Of one flag of each kind."""
    wanted = {"boolean": ("pay", False), "string": ("plain", "-"), "number": ("limit", 0), "object": ("theme", {})}
    found = [
        application.do("evaluate", kind=kind, flag=flag, otherwise=otherwise, **context)
        for kind, (flag, otherwise) in wanted.items()
    ]
    assert [one.get("errorCode") for one in found] == [None] * 4, found
    return [one["value"] for one in found]


def some_have_no_configuration(shop: World) -> None:
    """Of a flag with values, one treatment has none: applications then use their own (OFREP 0.3: codeDefaultFlag)."""
    shop.new_flag("sometimes", set_up=False)
    treatments = [{"name": "one", "configurations": "7"}, {"name": "two"}]
    everybody = [{"treatment": "two", "size": 100}]
    shop.define("sometimes", treatments=treatments, defaultTreatment="two", defaultRule=everybody)


FOR_ADA = [True, "one", 2.5, {"colour": "#00f"}]
FOR_BOB = [False, "two", 10, {"colour": "#fff"}]


def test_a_server_gets_values_of_every_kind(shop: World, server: NodeApplication) -> None:
    server.do("start", url=shop.url, key=sdk_key(shop))
    assert values(server, context=ADA) == FOR_ADA
    assert values(server, context=BOB) == FOR_BOB
    pay = server.do("evaluate", kind="boolean", flag="pay", otherwise=False, context=ADA)
    assert (pay["variant"], pay["reason"]) == ("on", "TARGETING_MATCH")
    assert pay["flagMetadata"]["label"] == "in segment staff"
    shop.act("kill", "pay")
    asked = {"kind": "boolean", "flag": "pay", "otherwise": True, "context": ADA}
    killed = until(lambda: (one := server.do("evaluate", **asked))["value"] is False and one, "the kill arrives")
    assert killed["reason"] == "DISABLED"


def with_a_circle(shop: World, url: str) -> None:
    """A flag that asks for its own treatment: no save lets that pass now, and an older version's may have."""
    shop.new_flag("endless")
    shop.define("endless", rules=[rule(type="IN_SPLIT", depends={"splitName": "pay", "treatment": ["on"]})])
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as database, database:
        asks = ('"splitName": "pay"', '"splitName": "endless"')
        assert database.execute("UPDATE definitions SET body = replace(body, ?, ?)", asks).rowcount


def test_a_server_is_told_what_is_wrong(shop: World, sqlite_url: str, server: NodeApplication) -> None:
    with_a_circle(shop, sqlite_url)
    server.do("start", url=shop.url, key=sdk_key(shop))

    def wrong(kind: str = "boolean", flag: str = "pay", otherwise: Any = True, context: Any = ADA) -> tuple[Any, str]:
        found = server.do("evaluate", kind=kind, flag=flag, otherwise=otherwise, context=context)
        return found["value"], found["errorCode"]

    assert wrong(flag="nowhere") == (True, "FLAG_NOT_FOUND")
    assert wrong(flag="no where/ø") == (True, "FLAG_NOT_FOUND")
    assert wrong(context={}) == (True, "TARGETING_KEY_MISSING")
    assert wrong(context={"targetingKey": "x" * 251}) == (True, "INVALID_CONTEXT")
    assert wrong("string", "pay", "-") == ("-", "TYPE_MISMATCH")
    assert wrong(flag="endless") == (True, "GENERAL")
    endless = server.do("evaluate", kind="boolean", flag="endless", otherwise=True, context=ADA)
    assert "“endless” could not be evaluated" in endless["errorMessage"]


def test_a_server_uses_its_own_value_where_a_treatment_has_none(shop: World, server: NodeApplication) -> None:
    """This version of the provider calls it an error, and gives the same value; the one for pages does not."""
    some_have_no_configuration(shop)
    server.do("start", url=shop.url, key=sdk_key(shop))
    assert server.do("evaluate", kind="number", flag="sometimes", otherwise=3, context=ADA)["value"] == 3


def test_a_page_uses_its_own_value_where_a_treatment_has_none(shop: World, page: NodeApplication) -> None:
    some_have_no_configuration(shop)
    page.do("start", url=shop.url, key=sdk_key(shop, "client_side"), context=ADA)
    own = page.do("evaluate", kind="number", flag="sometimes", otherwise=3)
    assert (own["value"], own["variant"], own.get("errorCode")) == (3, "two", None)


def test_a_server_with_a_key_that_does_not_work_gets_its_own_values(shop: World, server: NodeApplication) -> None:
    server.do("start", url=shop.url, key="not-a-key")
    refused = server.do("evaluate", kind="boolean", flag="pay", otherwise=True, context=ADA)
    assert (refused["value"], refused["errorCode"]) == (True, "GENERAL")


def test_a_page_downloads_every_flag_once_and_again_when_something_changed(shop: World, page: NodeApplication) -> None:
    page.do("start", url=shop.url, key=sdk_key(shop, "client_side"), context=ADA)
    assert values(page) == FOR_ADA
    until(lambda: page.do("noted")["statuses"].count(304) >= 2, "it is told twice that nothing changed")
    assert page.do("noted")["statuses"][:2] == [200, 304]
    shop.act("kill", "pay")
    asked = {"kind": "boolean", "flag": "pay", "otherwise": True}
    killed = until(lambda: (one := page.do("evaluate", **asked))["value"] is False and one, "the kill arrives")
    assert killed["reason"] == "DISABLED"
    noted = page.do("noted")
    assert (noted["statuses"].count(200), noted["changes"]) == (2, 1)


def test_a_page_is_for_somebody_else_after_a_sign_in(shop: World, page: NodeApplication) -> None:
    page.do("start", url=shop.url, key=sdk_key(shop, "client_side"), context=ADA)
    page.do("become", context=BOB)
    assert values(page) == FOR_BOB
    missing = page.do("evaluate", kind="boolean", flag="nowhere", otherwise=True)
    assert (missing["value"], missing["errorCode"]) == (True, "FLAG_NOT_FOUND")


def test_a_page_with_a_key_that_does_not_work_is_told_so(shop: World, page: NodeApplication) -> None:
    assert page.fail("start", url=shop.url, key="not-a-key", context=ADA)
    refused = page.do("evaluate", kind="boolean", flag="pay", otherwise=True)
    assert (refused["value"], bool(refused["errorCode"])) == (True, True)
