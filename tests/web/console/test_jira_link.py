"""The page where somebody gets a code for Jira."""

import re

import pytest

from flagpost.actions.accounts import sessions
from flagpost.store.jira import account_links
from tests.web.conftest import Console

pytestmark = pytest.mark.slow


def code_on(page: str) -> str | None:
    found = re.search(r'id="code" value="([^"]+)"', page)
    return found[1] if found else None


def test_a_code_is_shown_only_when_it_is_asked_for_and_each_time_another(console: Console) -> None:
    assert code_on(console.viewer.get("/jira/link").text) is None
    first, second = (code_on(console.viewer.post("/jira/link").text) for _ in range(2))
    assert first
    assert second
    assert first != second
    assert code_on(console.viewer.get("/jira/link").text) is None


def test_it_is_for_people_who_are_signed_in_on_flagposts_own_pages(console: Console) -> None:
    assert console.stranger.get("/jira/link").headers["location"] == "/signin?next=%2Fjira%2Flink"
    assert console.stranger.post("/jira/link").headers["location"] == "/signin"
    foreign = console.viewer.post("/jira/link", headers={"sec-fetch-site": "cross-site"})
    assert (foreign.status_code, code_on(foreign.text)) == (403, None)


def test_ones_own_links_are_listed_and_ended_and_nobody_elses(console: Console) -> None:
    ctx = console.ctx
    vi = sessions.signed_in(ctx, console.viewer.cookies["flagpost_session"])
    assert vi
    with ctx.db.write() as tx:
        account_links.link(tx, vi.actor.account_id, "557058:vi", vi.user.id, ctx.clock())
    assert "557058:vi" in console.viewer.get("/jira/link").text
    assert "557058:vi" not in console.admin.get("/jira/link").text
    assert console.admin.post("/jira/link/end", data={"account": "557058:vi"}).status_code == 404
    assert console.viewer.post("/jira/link/end", data={"account": "557058:vi"}).headers["location"] == "/jira/link"
    assert "557058:vi" not in console.viewer.get("/jira/link").text
