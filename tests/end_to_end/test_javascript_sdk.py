"""Split's official JavaScript SDK, on a server and in a browser's build, with its flags from this server."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from flagpost.actions.access import Actor
from flagpost.actions.accounts import api_keys
from flagpost.actions.context import Context
from flagpost.actions.flags import definitions
from flagpost.actions.segments import keys as segment_keys
from flagpost.actions.segments.segments import add_to_environment, create_segment
from flagpost.flags.targeting import SegmentKind
from flagpost.telemetry.metrics import REGISTRY
from tests.end_to_end.node import NodeApplication, node_application
from tests.end_to_end.saved_worlds import Saved, worlds
from tests.end_to_end.world import until
from tests.flags.cases import Case, World

pytestmark = pytest.mark.slow

START = Callable[..., NodeApplication]
QUICK = {"refresh": 1}  # seconds


@pytest.fixture
def start(npm_cache: Path, tmp_path: Path) -> Iterator[START]:
    """Starts the SDK in a Node of its own."""
    with node_application("split.cjs", tmp_path, npm_cache) as application:

        def started(saved: Saved, secret: str, build: str, **how: Any) -> NodeApplication:
            application.do("start", url=saved.ctx.settings.public_url, key=secret, build=build, **how)
            return application

        yield started


def as_json(case: Case) -> dict[str, Any]:
    return {"flag": case.flag, "key": case.key, "bucketing": case.bucketing_key, "attributes": case.attributes}


def compare(saved: Saved, made: list[World], application: NodeApplication) -> None:
    snapshot = saved.served().snapshot
    cases = [case for one in made for case in one.cases]
    theirs = application.do("ask", cases=[as_json(case) for case in cases])
    for case, there in zip(cases, theirs, strict=True):
        here = snapshot.evaluate(case.flag, case.key, case.attributes, case.bucketing_key)
        assert [here.treatment, here.label] == there, case


@pytest.mark.parametrize(("build", "many", "keys"), [("server", 12, 40), ("client", 6, 10)])
def test_it_gives_the_treatments_that_the_evaluator_gives(
    served_alone: tuple[Context, Actor], start: START, build: str, many: int, keys: int
) -> None:
    """In a browser's build, whose key may not read segments, by the segments that the server says a key is in."""
    made = worlds(Random(31), many, keys, strange=False)
    saved = Saved(*served_alone, "Shop", made)
    _, secret = saved.key(f"{build}_side")
    compare(saved, made, start(saved, secret, build))


def pays(share: int, **more: Any) -> dict[str, Any]:
    return {
        "treatments": [{"name": "on"}, {"name": "off"}],
        "defaultTreatment": "off",
        "defaultRule": [{"treatment": "on", "size": share}, {"treatment": "off", "size": 100 - share}],
        **more,
    }


def in_segment(name: str) -> dict[str, Any]:
    matchers = [{"type": "IN_SEGMENT", "string": name}]
    return {"condition": {"matchers": matchers}, "buckets": [{"treatment": "on", "size": 100}]}


@pytest.fixture
def shop(served_alone: tuple[Context, Actor]) -> Saved:
    """The flag *pay* is on for the segment *staff*, in which ada is."""
    saved = Saved(*served_alone, "Shop", [])
    saved.new_flag("pay")
    create_segment(saved.ctx, saved.actor, saved.project.id, SegmentKind.STANDARD, name="staff", traffic_type="user")
    add_to_environment(saved.ctx, saved.actor, saved.place, "staff")
    segment_keys.add_keys(saved.ctx, saved.actor, saved.place, "staff", ["ada", "ключ/ø"])
    saved.define("pay", pays(0, rules=[in_segment("staff")]))
    return saved


@pytest.mark.parametrize("build", ["server", "client"])
def test_every_change_arrives(shop: Saved, start: START, build: str) -> None:
    application = start(shop, shop.key(f"{build}_side")[1], build, **QUICK)

    def given(key: str) -> str:
        return str(application.do("treatment", flag="pay", key=key))

    assert [given(key) for key in ("ada", "ключ/ø", "bob")] == ["on", "on", "off"]
    segment_keys.add_keys(shop.ctx, shop.actor, shop.place, "staff", ["bob"])
    until(lambda: given("bob") == "on", "a key that was added arrives")
    segment_keys.remove_keys(shop.ctx, shop.actor, shop.place, "staff", ["bob"])
    until(lambda: given("bob") == "off", "a key that was removed leaves")
    definitions.kill(shop.ctx, shop.actor, shop.project.id, "pay", shop.place)
    until(lambda: given("ada") == "off", "a kill arrives")
    definitions.remove_definition(shop.ctx, shop.actor, shop.project.id, "pay", shop.place)
    until(lambda: given("ada") == "control", "a flag that is gone is forgotten")


def refused() -> float:
    """How often somebody was refused what changed, by this process, in this run."""
    labels = {"method": "GET", "route": "/sdk/splitChanges", "status": "401"}
    return REGISTRY.get_sample_value("flagpost_http_requests_total", labels) or 0


@pytest.mark.parametrize("build", ["server", "client"])
def test_a_revoked_key_opens_nothing_and_a_new_one_does(shop: Saved, start: START, build: str) -> None:
    """An application that runs keeps the flags it has; one that starts gets none, until it has the new key."""
    key_id, revoked = shop.key(f"{build}_side")
    application = start(shop, revoked, build, **QUICK)
    assert application.do("treatment", flag="pay", key="bob") == "off"
    known = refused()
    api_keys.revoke_api_key(shop.ctx, shop.actor, key_id)
    until(lambda: refused() > known, "the application's key opens nothing any more")
    shop.define("pay", pays(100), new=False)
    before = refused()
    until(lambda: refused() > before + 1, "it asks for changes again, in vain")
    assert application.do("treatment", flag="pay", key="bob") == "off"
    application.do("stop")
    told = {"url": shop.ctx.settings.public_url, "build": build, "patience": 3}
    assert "not ready" in application.fail("start", key=revoked, **told)
    application.do("start", key=shop.key(f"{build}_side")[1], **told)
    assert application.do("treatment", flag="pay", key="bob") == "on"


def test_a_browser_s_build_is_told_of_large_segments_too(shop: Saved, start: START) -> None:
    create_segment(shop.ctx, shop.actor, shop.project.id, SegmentKind.LARGE, name="vips", traffic_type="user")
    add_to_environment(shop.ctx, shop.actor, shop.place, "vips")
    segment_keys.add_keys(shop.ctx, shop.actor, shop.place, "vips", ["eve"], kinds=[SegmentKind.LARGE])
    shop.define("pay", pays(0, rules=[in_segment("vips")]), new=False)
    application = start(shop, shop.key("client_side")[1], "client")
    assert [application.do("treatment", flag="pay", key=key) for key in ("eve", "ada")] == ["on", "off"]


def test_the_versions_are_pinned() -> None:
    file = Path(__file__).parent / "javascript" / "package.json"
    assert all(version[0].isdigit() for version in json.loads(file.read_text())["dependencies"].values())
