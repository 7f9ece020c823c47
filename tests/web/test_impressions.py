"""The POST endpoints of SDKs, called as SDKs and browsers call them."""

import gzip
import json
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import pytest
from fastapi.testclient import TestClient

from flagpost.actions.access import system
from flagpost.actions.accounts import api_keys
from flagpost.actions.context import Context
from flagpost.actions.flags import definitions, flags
from flagpost.actions.flags.definitions import Draft
from flagpost.actions.projects import environments
from flagpost.errors import DatabaseUnavailable
from flagpost.flags.definition_json import parse
from flagpost.serving.impression_buffer import ImpressionBuffer
from flagpost.store.flags import impressions
from flagpost.store.flags.impressions import HOUR_MS, UNKNOWN
from tests.end_to_end.world import until
from tests.web.conftest import Console

pytestmark = pytest.mark.slow

BODY = {
    "treatments": [{"name": "on"}, {"name": "off"}],
    "defaultTreatment": "off",
    "defaultRule": [{"treatment": "on", "size": 100}],
}
IMPRESSIONS = ("/sdk/testImpressions/bulk", "/sdk/testImpressions/count")
UNUSED = ("/sdk/events/bulk", "/sdk/v1/metrics/config", "/sdk/v1/metrics/usage", "/sdk/v1/keys/ss", "/sdk/v1/keys/cs")
BEACONS = (
    "/sdk/testImpressions/beacon",
    "/sdk/testImpressions/count/beacon",
    "/sdk/events/beacon",
    "/sdk/v1/keys/cs/beacon",
    "/sdk/v1/metrics/usage/beacon",
)


@dataclass(frozen=True)
class Application:
    """An application with keys of an environment that the flag `pay` is in."""

    ctx: Context
    http: TestClient
    place: str
    flag_id: str
    server: str
    client: str
    buffer: ImpressionBuffer

    def post(self, path: str, body: Any, key: str | None = None, **headers: str) -> int:
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers |= {"Authorization": f"Bearer {key or self.server}"}
        return self.http.post(path, content=sent, headers=headers).status_code

    def now(self) -> int:
        return self.ctx.clock()

    def bulk(self, *impressions: dict[str, Any], flag: str = "pay") -> list[dict[str, Any]]:
        sent = [{"k": "ann", "t": "on", "m": self.now(), "c": 1, "r": "default rule", **one} for one in impressions]
        return [{"f": flag, "i": sent}]

    def served(self) -> dict[str, int]:
        with self.ctx.db.read() as tx:
            found = impressions.sums(tx, self.place, self.flag_id, 0, 1 << 60, 1 << 50)
        return {one.treatment: one.count for one in found}


@pytest.fixture
def application(console: Console) -> Application:
    ctx: Context = console.ctx
    home, actor = console.project, system(_account(console))
    place = next(one for one in environments.list_environments(ctx, actor, home) if one.production)
    flag = flags.create_flag(ctx, actor, home, name="pay", traffic_type="user")
    definitions.create_definition(ctx, actor, home, "pay", place.id, Draft(parse(BODY)))
    keys = {
        kind: api_keys.create_api_key(ctx, actor, name=kind, kind=kind, scope=api_keys.KeyScope(home, [place.id]))[1]
        for kind in ("server_side", "client_side")
    }
    http, buffer = TestClient(console.app), console.app.parts.impressions
    return Application(ctx, http, place.id, flag.id, keys["server_side"], keys["client_side"], buffer)


def _account(console: Console) -> str:
    from flagpost.actions.accounts.bootstrap import ensure_account

    return ensure_account(console.ctx)


def test_impressions_and_counts_are_on_disk_when_they_are_answered(application: Application) -> None:
    assert application.post(IMPRESSIONS[0], application.bulk({}, {"t": "off"}, {})) == 200
    assert application.served() == {"on": 2, "off": 1}
    hour = application.now() // HOUR_MS * HOUR_MS
    counts = {"pf": [{"f": "pay", "m": hour, "rc": 40}]}
    assert application.post(IMPRESSIONS[1], counts, key=application.client) == 200
    assert application.served() == {"on": 2, "off": 1, UNKNOWN: 40}


def test_the_mode_decides_which_impressions_were_counted_already(application: Application) -> None:
    again = application.bulk({"pt": 1}, {})
    assert application.post(IMPRESSIONS[0], again, SplitSDKImpressionsMode="OPTIMIZED") == 200
    assert application.served() == {"on": 1}
    assert application.post(IMPRESSIONS[0], again, SplitSDKImpressionsMode="DEBUG") == 200
    assert application.served() == {"on": 3}


@pytest.mark.parametrize("path", IMPRESSIONS)
@pytest.mark.parametrize("body", [b"", b"{", b"[" * 100_000, b'{"pf": 1}', b"[[]]", b"\xff", b"1" * 6000])
def test_an_unreadable_body_is_refused_with_a_sentence(application: Application, path: str, body: bytes) -> None:
    answer = application.http.post(path, content=body, headers={"Authorization": f"Bearer {application.server}"})
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].endswith(".")


def test_a_body_that_is_wrong_in_the_middle_counts_nothing(application: Application) -> None:
    body = application.bulk({}) + application.bulk({"m": "yesterday"})
    assert application.post(IMPRESSIONS[0], body) == 400
    assert application.post(IMPRESSIONS[0], application.bulk({})) == 200
    assert application.served() == {"on": 1}


def test_while_the_database_is_away_impressions_are_answered_with_503(application: Application) -> None:
    away = DatabaseUnavailable()
    with patch.object(impressions, "add", side_effect=away):
        assert application.post(IMPRESSIONS[0], application.bulk({})) == 503
    assert application.post(IMPRESSIONS[0], application.bulk({})) == 200
    assert application.served() == {"on": 1}


@pytest.mark.parametrize("key", ["\ud83e", "a\ud83e" + "x" * 240, "a\0b"])
def test_a_key_that_no_database_accepts_is_shown_and_loses_no_other_impression(
    application: Application, key: str
) -> None:
    """The key comes by OFREP. The live tail of its flag is open, and is written in one transaction with the counts."""
    with application.ctx.db.write() as tx:
        impressions.watch(tx, application.place, application.flag_id, application.now() + HOUR_MS)
    until(lambda: application.buffer.is_watched(application.place, "pay"), "it is watched")
    context = {"context": {"targetingKey": key}}
    assert application.post("/ofrep/v1/evaluate/flags/pay", context, key=application.client) == 200
    assert application.post(IMPRESSIONS[0], application.bulk({})) == 200
    assert application.served() == {"on": 2}
    with application.ctx.db.read() as tx:
        shown = impressions.recent(tx, application.place, application.flag_id, 0, 10)
    assert any("?" in one.key or "\ufffd" in one.key for one in shown)


def test_packed_bodies_are_read_up_to_a_size(application: Application) -> None:
    packed = gzip.compress(json.dumps(application.bulk({})).encode())
    gzipped = {"Content-Encoding": "gzip"}
    assert application.post(IMPRESSIONS[0], packed, **gzipped) == 200
    assert application.served() == {"on": 1}
    assert application.post(IMPRESSIONS[0], packed[:-9], **gzipped) == 400
    assert application.post(IMPRESSIONS[0], b"plain", **gzipped) == 400
    assert application.post(IMPRESSIONS[0], packed, **{"Content-Encoding": "br"}) == 400
    assert application.post(IMPRESSIONS[0], gzip.compress(b" " * (64 << 20)), **gzipped) == 413


@pytest.mark.parametrize("path", [*IMPRESSIONS, *UNUSED, *BEACONS])
def test_a_body_that_is_too_large_is_refused(application: Application, path: str) -> None:
    assert application.post(path, b" " * ((8 << 20) + 1)) == 413


@pytest.mark.parametrize("path", [*IMPRESSIONS, *UNUSED])
def test_an_sdk_key_is_required(application: Application, path: str) -> None:
    assert application.http.post(path, json=[]).status_code == 401
    assert application.post(path, [], key="fp_server_side_wrong") == 401


@pytest.mark.parametrize("path", UNUSED)
def test_discarded_requests_are_accepted_with_either_kind_of_key(application: Application, path: str) -> None:
    assert application.post(path, {"any": "thing"}) == 200
    assert application.post(path, {"any": "thing"}, key=application.client) == 200


def beacon(application: Application, path: str, entries: Any, **more: Any) -> int:
    body = {"entries": entries, "token": application.client, "sdk": "javascript-11.11.2", **more}
    text = {"Content-Type": "text/plain;charset=UTF-8", "Origin": "https://shop.example"}
    return application.http.post(path, content=json.dumps(body), headers=text).status_code


def test_beacons_contain_their_key_and_mode(application: Application) -> None:
    entries = application.bulk({"pt": 1}, {})
    assert beacon(application, BEACONS[0], entries, sim="OPTIMIZED") == 200
    assert application.served() == {"on": 1}
    assert beacon(application, BEACONS[0], entries, sim="DEBUG") == 200
    hour = application.now() // HOUR_MS * HOUR_MS
    assert beacon(application, BEACONS[1], {"pf": [{"f": "pay", "m": hour, "rc": 5}]}) == 200
    assert application.served() == {"on": 3, UNKNOWN: 5}


@pytest.mark.parametrize("path", BEACONS)
def test_a_beacon_without_a_working_key_does_nothing(application: Application, path: str) -> None:
    assert beacon(application, path, application.bulk({}), token="fp_client_side_wrong") == 401
    assert beacon(application, path, application.bulk({}), token=None) == 401
    assert application.http.post(path, content=b"[]").status_code == 400
    assert application.served() == {}


@pytest.mark.parametrize("path", BEACONS[2:])
def test_discarded_beacons_are_accepted(application: Application, path: str) -> None:
    assert beacon(application, path, {"any": "thing"}) == 200
