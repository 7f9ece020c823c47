"""Requests are paced so that Jira's own buckets never run empty, however much there is to send."""

from hypothesis import given
from hypothesis import strategies as st

from flagpost.jira.limits import BULK, DELETE_FLAG, Endpoint, Pace
from jira_sandbox.faults import Bucket

JIRA = {"POST": 100.0, "DELETE": 50.0}  # Atlassian's documented burst, per tenant and endpoint


@given(st.sampled_from([BULK, DELETE_FLAG]), st.lists(st.floats(0, 0.2), min_size=150, max_size=400))
def test_jiras_bucket_never_runs_empty(endpoint: Endpoint, gaps: list[float]) -> None:
    pace, jira, now = Pace(endpoint.most, endpoint.per_second), Bucket(), 1000.0
    for gap in gaps:
        now += gap
        now += pace.take(now) or 0
        assert jira.take(JIRA[endpoint.method], now)


def test_the_first_requests_do_not_wait_and_many_take_their_time() -> None:
    pace, now = Pace(60, 80.0), 0.0
    for _ in range(60):
        assert pace.take(now) == 0
    for _ in range(80):
        now += pace.take(now) or 0
    assert 0.98 < now < 1.02
