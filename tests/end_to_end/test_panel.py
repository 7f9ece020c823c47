"""Both sides and the panel on an issue: linked in Flagpost and Jira, changed in Jira, told to Jira."""

import re
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from flagpost.actions.accounts import sessions
from flagpost.actions.context import now_ms
from flagpost.store.db import Database
from tests.conftest import context_on
from tests.end_to_end.panel import ask, done, refused
from tests.end_to_end.world import World
from tests.web.conftest import PASSWORD

pytestmark = pytest.mark.slow


@pytest.fixture
def on_both(world_on_both: World) -> World:
    """Connected, on each of the two stores."""
    world_on_both.connect_jira()
    return world_on_both


@pytest.fixture
def browser(on_both: World, database_url: str) -> Iterator[httpx2.Client]:
    """Ada's, the first admin, signed in to Flagpost."""
    database = Database(database_url)
    link = sessions.first_admin_link(context_on(database, now_ms))  # type: ignore[arg-type]
    database.close()
    assert link
    same_origin = {"sec-fetch-site": "same-origin"}
    with httpx2.Client(base_url=on_both.url, headers=same_origin, trust_env=False) as browser:
        form = {"name": "Ada", "email": "ada@example.com", "password": PASSWORD}
        assert browser.post(f"/setup/{link.rpartition('/')[2]}", data=form).status_code == 303
        yield browser


def code_in(page: str) -> str:
    found = re.search(r'id="code" value="([^"]+)"', page)
    assert found, page
    return found[1]


def test_from_a_code_in_flagpost_to_a_flag_on_the_issue_and_off_again(on_both: World, browser: httpx2.Client) -> None:
    flag = on_both.new_flag("pay", share=10)
    before = done(on_both)
    assert before["person"] == {"linked": False, "name": None, "may_edit": False}
    assert before["flags"] == []
    linked = done(on_both, "/link", {"code": code_in(browser.post("/jira/link").text)})
    assert linked["person"] == {"linked": True, "name": "Ada", "may_edit": True}
    assert done(on_both, "/search", {"q": "PA"}) == {
        "flags": [{"id": flag, "name": "pay", "project": "Default"}],
        "more": False,
    }
    (shown,) = done(on_both, "/connect", {"flag": flag})["flags"]
    assert shown["name"] == "pay"
    assert on_both.on_issue("pay")["issues"] == ["PAY-1"]
    assert done(on_both, "/search", {"q": "pa"})["flags"] == []
    assert done(on_both, "/disconnect", {"flag": flag})["flags"] == []
    on_both.expect_equal()
    assert on_both.in_jira("pay") is None
    assert done(on_both, "/unlink", {})["person"]["linked"] is False


def test_the_whole_answer(connected: World) -> None:
    flag = connected.new_flag("pay", "PAY-1", share=10)
    shown = done(connected)
    issue = next(one for one in connected.sandbox.get("/issues") if one["key"] == "PAY-1")
    saved_at = shown["flags"][0].pop("saved_at")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", saved_at)
    assert shown == {
        "status": "connected",
        "issue": {"id": issue["id"], "key": "PAY-1"},
        "person": {"linked": False, "name": None, "may_edit": False},
        "link_url": f"{connected.url}/jira/link",
        "create_url": f"{connected.url}/flags/new?issue=PAY-1",
        "flags": [
            {
                "id": flag,
                "name": "pay",
                "project": "Default",
                "url": f"{connected.url}/projects/{connected.workspace()}/flags/{flag}",
                "states": [
                    {"environment": "Staging", "primary": False, "on": False, "words": "Not initiated"},
                    {"environment": "Production", "primary": True, "on": True, "words": "On for 90 %"},
                ],
                "saved_by": "Bootstrap",
                "may_disconnect": False,
            }
        ],
        "hidden": 0,
    }


def test_a_site_that_is_not_connected_is_told_so_and_no_more(world: World) -> None:
    world.set_up()
    world.install()
    world.new_flag("pay", "PAY-1")
    shown = done(world)
    assert (shown["status"], shown["flags"], shown["person"]["linked"]) == ("not_connected", [], False)
    assert "not connected" in refused(world, "/link", {"code": "ABCDE-FGHJK"}, 409)


def test_flags_follow_an_issue_that_moves(connected: World) -> None:
    connected.new_flag("pay", "PAY-1")
    moved = connected.sandbox.move_issue("PAY-1", "WEB")
    assert [flag["name"] for flag in done(connected, issue=moved)["flags"]] == ["pay"]


def test_what_is_wrong_is_said_field_by_field(connected: World) -> None:
    wrong: dict[str, dict[str, Any]] = {
        "/search": {"q": 5},
        "/connect": {},
        "/disconnect": {"flag": "a/b"},
        "/link": {"code": None},
    }
    for what, body in wrong.items():
        sent = ask(connected, what, body)
        assert sent["status"] == 400
        assert [one["path"] for one in sent["body"]["error"]["problems"]] == [*body, "flag"][:1]
