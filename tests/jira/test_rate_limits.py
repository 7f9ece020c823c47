"""Requests are held back so that none of Jira's three limiter is ever reached, however much there is to send."""

from collections import Counter, deque
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagpost.jira.rate_limits import (
    BULK,
    DELETE_FLAG,
    GET_ISSUE,
    Charge,
    Endpoint,
    RateLimited,
    RateLimiter,
    is_quota,
)
from flagpost.jira.response import JiraResponse
from flagpost.jira.sliding_window import SlidingWindow
from flagpost.jira.token_bucket import TokenBucket

JIRA = {"POST": 100.0, "DELETE": 50.0}  # Atlassian's documented burst, per tenant and endpoint
WINDOWS = ((2.0, 20), (30.0, 100))  # Atlassian's documented writes to one issue: seconds, and how many


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def answer(status: int, **headers: str) -> JiraResponse:
    return JiraResponse(status, None, {name.replace("_", "-"): value for name, value in headers.items()})


@given(st.sampled_from([BULK, DELETE_FLAG]), st.lists(st.floats(0, 0.2), min_size=150, max_size=400))
def test_jiras_bucket_never_runs_empty(endpoint: Endpoint, gaps: list[float]) -> None:
    pace, now = TokenBucket(endpoint.most, endpoint.per_second), 1000.0
    rate = JIRA[endpoint.method]
    left, at = rate, now
    for gap in gaps:
        now += gap
        now += pace.take(now) or 0
        left, at = min(rate, left + (now - at) * rate) - 1, now
        assert left >= 0


def test_the_first_requests_do_not_wait_and_many_take_their_time() -> None:
    pace, now = TokenBucket(60, 80.0), 0.0
    for _ in range(60):
        assert pace.take(now) == 0
    for _ in range(80):
        now += pace.take(now) or 0
    assert 0.98 < now < 1.02


def test_who_has_no_patience_takes_nothing() -> None:
    pace = TokenBucket(1, 1.0)
    assert pace.take(0.0) == 0
    assert pace.take(0.0, patience=0.5) is None
    assert pace.take(1.0, patience=0.5) == 0


def test_an_hour_of_requests_stays_within_the_points() -> None:
    time, limiter, spent = Time(), RateLimiter(), 0.0
    limiter._now = time
    end = time.now + 3600
    while time.now < end:
        wait = limiter.take_turn(Charge("cloud", "app", GET_ISSUE, points=101))
        assert wait is not None
        time.now += wait
        spent += 101
    assert spent <= 65_000


def test_sites_and_endpoints_do_not_wait_for_one_another() -> None:
    time = Time()
    limiter = RateLimiter(time)
    while not limiter.take_turn(Charge("one", "app", BULK)):
        pass
    assert limiter.take_turn(Charge("other", "app", BULK)) == 0
    assert limiter.take_turn(Charge("one", "app", DELETE_FLAG)) == 0


def test_a_burst_that_jira_refused_closes_that_endpoint_for_as_long_as_jira_asks() -> None:
    time = Time()
    limiter = RateLimiter(time)
    limiter.observe("one", BULK, answer(429, retry_after="7", ratelimit_reason="jira-burst-based"))
    assert limiter.take_turn(Charge("one", "app", BULK), patience=5) is None
    assert limiter.take_turn(Charge("one", "app", DELETE_FLAG), patience=5) == 0
    time.now += 3
    assert limiter.take_turn(Charge("one", "app", BULK), patience=5) == 4
    time.now += 4
    assert limiter.take_turn(Charge("one", "app", BULK), patience=5) == 0


def test_an_endpoint_is_not_closed_for_longer_than_any_limit_lasts() -> None:
    time = Time()
    limiter = RateLimiter(time)
    limiter.observe("one", BULK, answer(429, retry_after="80000"))
    assert limiter.take_turn(Charge("one", "app", BULK), patience=5) is None
    time.now += 3600
    assert limiter.take_turn(Charge("one", "app", BULK), patience=5) == 0


def test_what_has_to_wait_too_long_for_its_turn_is_not_sent() -> None:
    time = Time()
    sent: list[str] = []
    paused: list[float] = []

    def send(word: str, response: JiraResponse) -> JiraResponse:
        sent.append(word)
        return response

    limiter = RateLimiter(time)
    ask = partial(limiter.send, Charge("one", "app", BULK), pause=paused.append, patience=5)
    limiter.observe("one", BULK, answer(429, retry_after="7"))
    with pytest.raises(RateLimited):
        ask(lambda: send("too soon", answer(202)))
    time.now += 4
    assert ask(lambda: send("in turn", answer(429, retry_after="9"))).status == 429
    assert (sent, paused) == (["in turn"], [3])
    with pytest.raises(RateLimited):  # the answer was observed
        ask(lambda: answer(202))


def test_near_a_limit_requests_slow_down() -> None:
    time = Time()
    limiter = RateLimiter(time)
    calm = sum(limiter.take_turn(Charge("calm", "app", BULK)) or 0 for _ in range(100))
    limiter.observe("near", BULK, answer(202, x_ratelimit_nearlimit="true"))
    near = sum(limiter.take_turn(Charge("near", "other", BULK)) or 0 for _ in range(100))
    assert near > 2 * calm


def test_a_quota_is_told_from_a_burst() -> None:
    assert is_quota(answer(429, ratelimit_reason="jira-quota-tenant-based"))
    assert not is_quota(answer(429, ratelimit_reason="jira-burst-based"))
    assert not is_quota(answer(429))


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.floats(0, 0.6)), min_size=50, max_size=400))
def test_an_issue_is_never_written_more_often_than_jira_allows(asked: list[tuple[str, float]]) -> None:
    time = Time()
    writes = SlidingWindow(time, None)
    written: dict[str, deque[float]] = {name: deque() for name in "ABC"}
    for issue, gap in asked:
        time.now += gap
        while wait := writes.wait_for([issue], {}):
            time.now += wait
        writes.note([issue])
        written[issue].append(time.now)
        for seconds, most in WINDOWS:
            assert sum(one > time.now - seconds for one in written[issue]) <= most


def test_what_is_planned_for_the_same_request_counts() -> None:
    time = Time()
    writes, planned, picked = SlidingWindow(time, None), Counter[str](), 0
    while not writes.wait_for(["A"], planned):
        planned["A"] += 1
        picked += 1
    assert 15 <= picked <= 20
    assert writes.wait_for(["B"], planned) == 0
    assert writes.wait_for_each([["A"]] * picked) == 0
    assert writes.wait_for_each([["B"], ["A"]] * (picked + 1)) > 0


def test_a_process_that_takes_over_allows_only_what_is_certainly_left() -> None:
    time = Time()
    writes, written = SlidingWindow(time, 0.5), 0
    assert writes.wait_for(["A"], {}) > 1  # the process before may have used the short window up
    end = time.now + 30
    while time.now < end:
        wait = writes.wait_for(["A"], {})
        if wait:
            time.now += wait
            continue
        writes.note(["A"])
        written += 1
    assert written <= 10


def test_where_another_process_delivered_last_the_buckets_begin_empty() -> None:
    time = Time()
    limiter = RateLimiter(time)
    mine = limiter.begin_delivery("one", None, 1_000_000)
    limiter.note_delivery("one", 1_000_100)
    assert limiter.begin_delivery("one", 1_000_100, 1_000_200) is mine
    assert limiter.take_turn(Charge("one", "app", BULK)) == 0
    assert limiter.begin_delivery("one", 1_000_500, 1_001_000) is not mine
    assert limiter.take_turn(Charge("one", "app", BULK))
    assert limiter.take_turn(Charge("one", "app", GET_ISSUE)) == 0


def test_a_last_delivery_that_is_yet_to_come_holds_nothing_up_for_long() -> None:
    """The clock was set back by an hour since."""
    limiter = RateLimiter(Time())
    writes = limiter.begin_delivery("one", 1_000_000 + 3_600_000, 1_000_000)
    assert 0 < writes.wait_for(["A"], {}) < 3


def test_what_no_limit_counts_any_more_is_forgotten_for_every_site() -> None:
    """Else a process would remember each issue of each site it ever wrote to."""
    time, limiter = Time(), RateLimiter()
    limiter._now = time
    one, other = (limiter.begin_delivery(site, None, 0) for site in ("one", "other"))
    one.note([f"PAY-{number}" for number in range(1000)])
    time.now += 31
    other.note(["PAY-1"] * 90)
    limiter.begin_delivery("other", None, 0)
    assert len(one._times) == 1000
    time.now += 2
    limiter.begin_delivery("other", None, 0)
    assert (len(one._times), len(other._times)) == (0, 1)
    assert other.wait_for(["PAY-1"], {}) > 0
