"""Requests are paced so that Jira's own buckets never run empty, however much there is to send."""

from hypothesis import given
from hypothesis import strategies as st

from flagpost.jira.push import _PACE, _Pace
from jira_sandbox.faults import Bucket

JIRA = {"POST": 100.0, "DELETE": 50.0}  # Atlassian's documented burst, per tenant and endpoint


@given(st.sampled_from(sorted(_PACE)), st.lists(st.floats(0, 0.2), min_size=150, max_size=400))
def test_jiras_bucket_never_runs_empty(method: str, gaps: list[float]) -> None:
    pace, jira, now = _Pace(*_PACE[method]), Bucket(), 1000.0
    for gap in gaps:
        now += gap
        now += pace.take(now)
        assert jira.take(JIRA[method], now)


def test_the_first_requests_do_not_wait_and_many_take_their_time() -> None:
    pace, now = _Pace(60, 80.0), 0.0
    for _ in range(60):
        assert pace.take(now) == 0
    for _ in range(80):
        now += pace.take(now)
    assert 0.98 < now < 1.02
