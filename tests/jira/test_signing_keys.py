"""Atlassian's key set: kept through outages, not fetched in storms, and not fetched for a key that is known."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from joserfc.jwk import ECKey, RSAKey

from flagpost.jira.client import JiraUnreachable
from flagpost.jira.signing_keys import SigningKeys


def public(kid: str) -> dict[str, Any]:
    return {**RSAKey.generate_key(2048, {"kid": kid}).as_dict(private=False), "kid": kid}


OLD, NEW = public("old"), public("new")


class Atlassian:
    """The key set, how often it was asked for, and a clock that the test moves."""

    def __init__(self) -> None:
        self.keys: list[Any] = [OLD]
        self.body: Any = None
        self.away = False
        self.asked = 0
        self.now = 1000.0
        self.before: Callable[[], object] = lambda: None

    def fetch(self) -> Any:
        self.asked += 1
        self.before()
        if self.away:
            raise JiraUnreachable
        return {"keys": self.keys} if self.body is None else self.body


@pytest.fixture
def atlassian() -> Atlassian:
    return Atlassian()


@pytest.fixture
def keys(atlassian: Atlassian) -> SigningKeys:
    return SigningKeys(atlassian.fetch, lambda: atlassian.now)


def test_the_set_is_fetched_once_an_hour_and_when_a_new_key_signs(keys: SigningKeys, atlassian: Atlassian) -> None:
    for _ in range(3):
        assert keys.find("old")
    assert atlassian.asked == 1
    atlassian.keys = [NEW]
    assert keys.find("new")
    assert keys.find("old") is None  # it was withdrawn
    atlassian.now += 3601
    assert keys.find("new")
    assert atlassian.asked == 4


def test_while_atlassian_is_away_the_keys_that_are_known_go_on(keys: SigningKeys, atlassian: Atlassian) -> None:
    keys.find("old")
    atlassian.away = True
    atlassian.now += 3601
    for _ in range(10):
        assert keys.find("old")
    assert atlassian.asked == 2
    atlassian.now += 60
    assert keys.find("old")
    assert atlassian.asked == 3


def test_an_outage_at_the_start_is_no_storm_either_and_no_verdict(keys: SigningKeys, atlassian: Atlassian) -> None:
    atlassian.away = True
    for _ in range(10):
        with pytest.raises(JiraUnreachable):
            keys.find("old")
    assert atlassian.asked == 1
    atlassian.away = False
    atlassian.now += 6
    assert keys.find("old")


def test_made_up_key_ids_fetch_once_in_half_a_minute_though_many_come_at_once(
    keys: SigningKeys, atlassian: Atlassian
) -> None:
    keys.find("old")
    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(keys.find, [f"made-up-{number}" for number in range(40)])) == {None}
    assert atlassian.asked == 2
    atlassian.now += 31
    assert keys.find("made-up") is None
    assert atlassian.asked == 3


def test_a_call_with_a_known_key_does_not_wait_for_a_slow_fetch(keys: SigningKeys, atlassian: Atlassian) -> None:
    keys.find("old")
    began, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        began.set()
        go_on.wait(20)

    atlassian.before = hold
    atlassian.keys = [OLD, NEW]
    with ThreadPoolExecutor(2) as threads:
        slow = threads.submit(keys.find, "new")
        assert began.wait(20)
        assert keys.find("old")
        other = threads.submit(keys.find, "new")
        assert not slow.done()
        go_on.set()
        assert slow.result(20)
        assert other.result(20)  # the one fetch serves both
    assert atlassian.asked == 2


@pytest.mark.parametrize(
    "strange",
    [
        {"kty": "AKP", "kid": "quantum", "alg": "ML-DSA-44", "pub": "x"},
        {"kty": "RSA", "kid": "broken"},
        {"kty": "RSA", "kid": "broken", "n": 1, "e": []},
        {**OLD, "kid": None},
        {**ECKey.generate_key("P-256").as_dict(private=False), "kid": "curve"},
        {},
        None,
        "key",
    ],
)
def test_a_key_of_another_kind_does_not_spoil_the_others(keys: SigningKeys, atlassian: Atlassian, strange: Any) -> None:
    atlassian.keys = [strange, OLD]
    assert keys.find("old")
    assert keys.find("curve") is None


@pytest.mark.parametrize("body", [[], "sorry", {}, {"keys": []}, {"keys": "none"}])
def test_what_is_no_key_set_counts_as_an_outage(keys: SigningKeys, atlassian: Atlassian, body: Any) -> None:
    keys.find("old")
    atlassian.body = body
    atlassian.now += 3601
    assert keys.find("old")
