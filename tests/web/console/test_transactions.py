"""A page of the console takes two transactions: one finds the session, one reads everything that the page shows."""

from collections import Counter
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from flagpost.store.jira import integrations
from flagpost.telemetry.logging import request_id
from tests.web.console.conftest import Filled

pytestmark = pytest.mark.slow

MOST = 2
#: Pages that take more, and why.
MORE = {
    "/projects/{project}/flags/{flag}/traffic?live=yes": 3,  # one that writes: it asks every process for impressions
}


@pytest.fixture
def begun() -> Iterator[Counter[str]]:
    """How many transactions each request has begun, by the request's id."""
    counted: Counter[str] = Counter()

    def note(_connection: sa.Connection) -> None:
        counted[request_id()] += 1

    sa.event.listen(sa.Engine, "begin", note)
    yield counted
    sa.event.remove(sa.Engine, "begin", note)


def pause_jira(filled: Filled) -> None:
    """A page that may ask Jira reads again afterwards, so that no transaction waits for Jira."""
    with filled.ctx.db.write() as tx:
        site = integrations.sites(tx)[0]
        integrations.update_site(tx, site.id, paused_until=filled.ctx.clock() + 3_600_000)


def test_every_page_takes_at_most_two_transactions(filled: Filled, begun: Counter[str]) -> None:
    pause_jira(filled)
    taken = {}
    for number, page in enumerate(filled.pages):
        name = f"counted-page-{number}"
        answer = filled.browser.get(page.format(**filled.names), headers={"x-request-id": name})
        assert answer.status_code in (200, 303), (page, answer.text)
        taken[page] = begun[name]
    assert len(taken) > 40
    assert min(taken.values()) >= 1
    assert {page: count for page, count in taken.items() if count > MORE.get(page, MOST)} == {}
