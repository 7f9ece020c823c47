"""Tokens for OAuth credentials: fetched ahead of their end, once for all threads, and used while they work."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from flagpost.errors import JiraError
from flagpost.jira.client import JiraUnreachable
from flagpost.jira.response import JiraResponse
from flagpost.jira.site_access import CredentialsRefused, OAuthTokens, TokenNotGiven
from tests.conftest import Clock


class Atlassian:
    """Only the token endpoint: what it answers, how long that takes, and how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.answer: JiraResponse | JiraError | None = None
        self.seconds = 0.0
        self._lock = threading.Lock()

    def oauth_token(self, client_id: str, client_secret: str) -> JiraResponse:
        with self._lock:
            self.asked += 1
            number = self.asked
        time.sleep(self.seconds)
        if isinstance(self.answer, JiraError):
            raise self.answer
        return self.answer or JiraResponse(200, {"access_token": f"token{number}", "expires_in": 900}, {})


@pytest.fixture
def atlassian() -> Atlassian:
    return Atlassian()


@pytest.fixture
def tokens(atlassian: Atlassian, clock: Clock) -> OAuthTokens:
    return OAuthTokens(atlassian, clock)  # type: ignore[arg-type]


def test_a_token_is_used_until_it_nears_its_end(tokens: OAuthTokens, clock: Clock, atlassian: Atlassian) -> None:
    assert tokens.token("id", "secret") == "token1"
    clock.forward(seconds=700)
    assert tokens.token("id", "secret") == "token1"
    clock.forward(seconds=30)
    assert tokens.token("id", "secret") == "token2"


def test_many_threads_fetch_one_token(tokens: OAuthTokens, atlassian: Atlassian) -> None:
    atlassian.seconds = 0.1
    with ThreadPoolExecutor(8) as threads:
        found = set(threads.map(lambda _: tokens.token("id", "secret"), range(8)))
    assert (found, atlassian.asked) == ({"token1"}, 1)


def test_while_one_thread_renews_the_others_go_on_with_the_token_that_works(
    tokens: OAuthTokens, clock: Clock, atlassian: Atlassian
) -> None:
    tokens.token("id", "secret")
    clock.forward(seconds=800)
    atlassian.seconds = 0.3
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: tokens.token("id", "secret"), range(8)))
    assert sorted(set(found)) == ["token1", "token2"]
    assert (found.count("token2"), atlassian.asked) == (1, 2)


@pytest.mark.parametrize("failure", [JiraUnreachable(), JiraResponse(503, None, {})])
def test_a_renewal_that_fails_leaves_the_token_that_works(
    tokens: OAuthTokens, clock: Clock, atlassian: Atlassian, failure: Any
) -> None:
    tokens.token("id", "secret")
    clock.forward(seconds=800)
    atlassian.answer = failure
    assert tokens.token("id", "secret") == "token1"
    clock.forward(seconds=101)
    with pytest.raises((JiraUnreachable, TokenNotGiven)):
        tokens.token("id", "secret")


@pytest.mark.parametrize("status", [400, 401, 403])
def test_credentials_that_atlassian_does_not_know_are_refused(
    tokens: OAuthTokens, atlassian: Atlassian, status: int
) -> None:
    atlassian.answer = JiraResponse(status, {"error": "access_denied"}, {})
    with pytest.raises(CredentialsRefused):
        tokens.token("id", "secret")


def test_what_was_mistyped_is_not_kept(tokens: OAuthTokens, atlassian: Atlassian) -> None:
    tokens.token("id", "secret")
    atlassian.answer = JiraResponse(401, {"error": "access_denied"}, {})
    for number in range(5):
        with pytest.raises(CredentialsRefused):
            tokens.token("id", f"mistyped{number}")
    assert list(tokens._locks) == list(tokens._tokens) == [("id", "secret")]


@pytest.mark.parametrize("life", [None, "soon", -5, 10**9])
def test_a_life_that_makes_no_sense_is_taken_for_the_documented_one(
    tokens: OAuthTokens, clock: Clock, atlassian: Atlassian, life: Any
) -> None:
    atlassian.answer = JiraResponse(200, {"access_token": "x", "expires_in": life}, {})
    tokens.token("id", "secret")
    clock.forward(seconds=600)
    tokens.token("id", "secret")
    assert atlassian.asked == 1
    clock.forward(seconds=200)
    tokens.token("id", "secret")
    assert atlassian.asked == 2
