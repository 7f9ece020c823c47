"""Flag sets in the console: made, listed with what is in them, removed, and chosen for a flag in an environment."""

import html
import re

import httpx2
import pytest
from starlette.testclient import TestClient

from tests.web.conftest import Console
from tests.web.console.test_change_requests import bob, require_approvals
from tests.web.console.test_pages import fields, new_flag

pytestmark = pytest.mark.slow

__all__ = ["bob"]


@pytest.fixture
def console_url(database_url: str) -> str:
    """On both stores."""
    return database_url


@pytest.fixture
def page(console: Console) -> str:
    return f"/projects/{console.project}/flag-sets"


def new_set(console: Console, name: str, description: str = "") -> str:
    """A flag set; its id."""
    page = f"/projects/{console.project}/flag-sets"
    made = console.admin.post(page, data={"name": name, "description": description})
    assert made.status_code == 303, made.text
    found = re.search(rf'<h2 id="set-([^"]+)"[^>]*>{name}<', console.admin.get(page).text)
    assert found
    return found[1]


def place(browser: TestClient, flag: str, name: str = "Production") -> str:
    found = re.search(rf'<option value="([^"]+)"[^>]*>{name}', browser.get(flag).text)
    assert found
    return found[1]


def in_sets(*sets: str) -> dict[str, str]:
    """The fields of the flag sets, as the editor's form sends them."""
    return {"flagSets": "", **{f"flagSets[{number}].id": id for number, id in enumerate(sets)}}


def review(console: Console, flag: str, form: dict[str, str]) -> str:
    answer = console.admin.post(f"{flag}/definition", data=form)
    assert answer.status_code == 200, answer.text
    return answer.text


def send(
    console: Console, flag: str, form: dict[str, str], review: str, button: str = "save", **more: str
) -> httpx2.Response:
    """Press a button of the review."""
    body = re.search(r'name="body" value="([^"]+)"', review)
    assert body
    kept = {"environment": form["environment"], "base": form["base"], "body": html.unescape(body[1])}
    return console.admin.post(f"{flag}/definition/save", data={**kept, "button": button, **more})


def save(console: Console, flag: str, form: dict[str, str]) -> None:
    assert send(console, flag, form, review(console, flag, form)).status_code == 303


def ticked(page: str) -> list[str]:
    """The names of the flag sets that are ticked in the editor."""
    return re.findall(r'name="flagSets\[\d+\]\.id"[^>]* checked> <span class="break">([^<]+)<', page)


def test_a_flag_set_is_made_listed_with_its_flags_and_removed(console: Console, page: str) -> None:
    assert "No flag sets yet" in console.viewer.get(page).text
    backend = new_set(console, "backend", "What servers ask for")
    flag = new_flag(console)
    for name in ("Production", "Staging"):
        save(console, flag, fields(place(console.admin, flag, name), "0", ["0", "100"]) | in_sets(backend))
    listed = console.viewer.get(page).text
    for text in ("What servers ask for", "1 flag<", "Production 1", "Staging 1", ">new_checkout</a>"):
        assert text in listed
    refused = console.admin.post(f"{page}/{backend}/delete")
    assert refused.status_code == 409
    assert "These are in “backend”: new_checkout (Production), new_checkout (Staging)." in refused.text
    for name in ("Production", "Staging"):
        save(console, flag, fields(place(console.admin, flag, name), "1", ["0", "100"]) | in_sets())
    assert "It has no flags." in console.admin.get(page).text
    assert console.admin.post(f"{page}/{backend}/delete").status_code == 303
    assert "No flag sets yet" in console.admin.get(page).text


def test_a_name_that_cannot_be_one_is_shown_by_its_field_with_what_was_typed(console: Console, page: str) -> None:
    new_set(console, "backend")
    wrong = console.admin.post(page, data={"name": "Two Words", "description": "Servers"})
    assert (wrong.status_code, "only lower-case letters" in wrong.text) == (400, True)
    assert 'value="Two Words"' in wrong.text
    assert 'value="Servers"' in wrong.text
    again = console.admin.post(page, data={"name": "backend"})
    assert (again.status_code, "There is a flag set “backend”" in again.text) == (409, True)


def test_who_only_looks_makes_and_removes_none(console: Console, page: str) -> None:
    backend = new_set(console, "backend")
    assert console.viewer.post(page, data={"name": "mine"}).status_code == 403
    assert console.viewer.post(f"{page}/{backend}/delete").status_code == 403
    shown = console.viewer.get(page).text
    assert "Create flag set" not in shown
    assert "Delete" not in shown


def test_where_a_project_has_no_flag_sets_the_editor_says_where_to_make_one(console: Console, page: str) -> None:
    flag = new_flag(console)
    editor = console.admin.get(f"{flag}/definition", params={"initiate": "new"}).text
    assert f'has no flag sets. <a href="{page}">Create one</a>' in editor


def test_the_sets_of_a_flag_are_chosen_reviewed_and_seen_by_who_only_looks(console: Console) -> None:
    backend, frontend = new_set(console, "backend"), new_set(console, "frontend")
    flag = new_flag(console)
    live = place(console.admin, flag)
    save(console, flag, fields(live, "0", ["0", "100"]) | in_sets(backend))
    assert ticked(console.admin.get(flag).text) == ["backend"]
    form = fields(live, "1", ["0", "100"]) | in_sets(frontend)
    found = review(console, flag, form)
    assert "<dt>Flag sets</dt>" in found
    assert '<span class="minus">backend</span> → <span class="plus">frontend</span>' in found
    assert ticked(send(console, flag, form, found, "back").text) == ["frontend"]
    assert send(console, flag, form, found).status_code == 303
    seen = console.viewer.get(flag).text
    assert '<span class="lozenge">frontend</span>' in seen
    assert "backend" not in seen
    assert "backend" in console.viewer.get(f"{flag}/audit").text


def test_a_form_without_the_fields_leaves_a_flag_in_its_sets(console: Console) -> None:
    backend = new_set(console, "backend")
    flag = new_flag(console)
    live = place(console.admin, flag)
    save(console, flag, fields(live, "0", ["0", "100"]) | in_sets(backend))
    save(console, flag, fields(live, "1", ["10", "90"]))
    assert ticked(console.admin.get(flag).text) == ["backend"]


def test_a_copy_of_another_environments_definition_is_in_its_sets(console: Console) -> None:
    backend = new_set(console, "backend")
    new_set(console, "frontend")
    flag = new_flag(console)
    staging, live = place(console.admin, flag, "Staging"), place(console.admin, flag)
    save(console, flag, fields(staging, "0", ["0", "100"]) | in_sets(backend))
    copy = console.admin.get(f"{flag}/definition", params={"environment": live, "initiate": staging}).text
    assert "This is Staging's definition, with its flag sets. Nothing is saved in Production yet." in copy
    assert ticked(copy) == ["backend"]


def test_a_set_that_goes_between_review_and_save_leads_back_to_the_editor(console: Console, page: str) -> None:
    backend = new_set(console, "backend")
    flag = new_flag(console)
    form = fields(place(console.admin, flag), "0", ["0", "100"]) | in_sets(backend)
    found = review(console, flag, form)
    assert console.admin.post(f"{page}/{backend}/delete").status_code == 303
    answer = send(console, flag, form, found)
    assert (answer.status_code, "There is no flag set" in answer.text) == (400, True)
    assert "Review changes" in answer.text
    again = console.admin.post(f"{flag}/definition", data=form)
    assert (again.status_code, "There is no flag set" in again.text) == (400, True)


def test_sets_are_asked_for_and_approved_where_approvals_are_required(console: Console, bob: TestClient) -> None:
    backend, frontend = new_set(console, "backend"), new_set(console, "frontend")
    flag = new_flag(console)
    live = place(console.admin, flag)
    save(console, flag, fields(live, "0", ["0", "100"]) | in_sets(backend))
    require_approvals(console, live)
    form = fields(live, "1", ["0", "100"]) | in_sets(backend, frontend)
    asked = send(console, flag, form, review(console, flag, form), "ask", title="Browsers too")
    assert asked.status_code == 303, asked.text
    request = asked.headers["location"]
    change = '<span class="minus">backend</span> → <span class="plus">backend, frontend</span>'
    assert change in bob.get(request).text
    assert ticked(console.admin.get(flag).text) == ["backend"]
    assert bob.post(request, data={"act": "APPROVED"}).status_code == 303
    assert ticked(console.admin.get(flag).text) == ["backend", "frontend"]
    assert change in bob.get(request).text
