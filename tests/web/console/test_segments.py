"""Segments in the console: found, filled by typing and by file, searched, and kept while something uses them."""

import re

import pytest
from starlette.testclient import TestClient

from tests.web.conftest import Console

pytestmark = pytest.mark.slow


def new_segment(console: Console, name: str, kind: str = "standard") -> str:
    form = {"name": name, "kind": kind, "traffic_type": "user"}
    made = console.admin.post(f"/projects/{console.project}/segments", data=form)
    assert made.status_code == 303, made.text
    return str(made.headers["location"])


def production(browser: TestClient, url: str) -> str:
    found = re.search(r'<option value="([^"]+)"[^>]*>Production', browser.get(url).text)
    assert found
    return found[1]


@pytest.fixture
def staff(console: Console) -> str:
    """The address of a segment that is in production."""
    url = new_segment(console, "staff")
    added = console.admin.post(url, data={"environment": production(console.admin, url), "act": "add"})
    assert added.status_code == 303
    return url


def act(console: Console, url: str, **form: str) -> int:
    return console.admin.post(url, data={"environment": production(console.admin, url), **form}).status_code


def upload(console: Console, url: str, content: bytes, **form: str) -> "re.Match[str] | str":
    form = {"environment": production(console.admin, url), **form}
    answer = console.admin.post(f"{url}/upload", data=form, files={"file": ("keys.csv", content, "text/csv")})
    return "saved" if answer.status_code == 303 else answer.text


def test_a_segment_is_created_and_found(console: Console) -> None:
    new_segment(console, "staff")
    new_segment(console, "payers", "rule_based")
    page = f"/projects/{console.project}/segments"
    assert "2 segments" in console.viewer.get(page).text
    assert "1 segment" in console.viewer.get(page, params={"q": "STA"}).text
    assert "payers" in console.viewer.get(page, params={"kind": "rule_based"}).text
    assert "No segment fits" in console.viewer.get(page, params={"q": "nobody"}).text
    again = console.admin.post(page, data={"name": "staff", "kind": "standard", "traffic_type": "user"})
    assert (again.status_code, "already" in again.text) == (409, True)
    assert console.admin.get(f"{page}/names", params={"q": "pay"}).json() == ["payers"]


def test_keys_are_typed_searched_and_taken_out(console: Console, staff: str) -> None:
    assert act(console, staff, act="add-keys", keys="ada\nbob\r\ncy") == 303
    assert "3 of at most 100,000" in console.viewer.get(staff).text
    found = console.viewer.get(staff, params={"q": "ad"}).text
    assert "<code>ada</code>" in found
    assert "<code>bob</code>" not in found
    assert act(console, staff, remove="ada") == 303
    assert act(console, staff, act="remove-keys", keys="bob") == 303
    assert "1 of at most" in console.viewer.get(staff).text
    assert act(console, staff, act="add-keys", keys="") == 400


def test_a_file_is_taken_whole_or_not_at_all(console: Console, staff: str) -> None:
    assert upload(console, staff, b"ada\nbob\n") == "saved"
    assert "has one key" in str(upload(console, staff, b"cy\ndee,eve\n"))
    assert "no keys in it" in str(upload(console, staff, b"\n\n"))
    assert "2 of at most" in console.viewer.get(staff).text
    assert upload(console, staff, b"cy\n", replace="yes") == "saved"
    page = console.viewer.get(staff).text
    assert "<code>cy</code>" in page
    assert "<code>ada</code>" not in page
    form = {"environment": production(console.admin, staff)}
    assert "Choose a file" in console.admin.post(f"{staff}/upload", data=form).text


@pytest.mark.slow
def test_a_file_of_a_hundred_thousand_keys_is_taken(console: Console, staff: str) -> None:
    assert upload(console, staff, "\n".join(f"user-{number}" for number in range(100_000)).encode()) == "saved"
    assert "100,000 of at most 100,000" in console.viewer.get(staff).text
    assert "100,001 keys" in str(upload(console, staff, b"one more\n"))


def test_a_segment_that_a_flag_uses_is_kept_and_says_by_which(console: Console, staff: str) -> None:
    place = production(console.admin, staff)
    made = console.admin.post("/flags/new", data={"project": console.project, "name": "pay", "traffic_type": "user"})
    flag = made.headers["location"]
    fields = {
        "environment": place,
        "base": "0",
        "treatments[0].name": "on",
        "treatments[1].name": "off",
        "defaultTreatment": "off",
        "trafficAllocation": "100",
        "defaultRule[0].treatment": "off",
        "defaultRule[0].size": "100",
        "rules[0].condition.matchers[0].type": "IN_SEGMENT",
        "rules[0].condition.matchers[0].string": "staff",
        "rules[0].buckets[0].treatment": "on",
        "rules[0].buckets[0].size": "100",
    }
    editing = console.admin.post(f"{flag}/definition", data={**fields, "button": "refresh"}).text
    assert '<option value="staff"></option>' in editing
    assert 'list="segment-names"' in editing
    review = console.admin.post(f"{flag}/definition", data={**fields, "button": "review"}).text
    body = re.search(r'name="body" value="([^"]+)"', review)
    assert body
    sent = {"environment": place, "base": "0", "body": body[1].replace("&#34;", '"'), "button": "save"}
    assert console.admin.post(f"{flag}/definition/save", data=sent).status_code == 303
    for button in ("remove", "delete"):
        answer = console.admin.post(staff, data={"environment": place, "act": button})
        assert (answer.status_code, "used by pay (Production)" in answer.text) == (409, True)
    assert 'Feature flag <a href="' in console.viewer.get(staff).text


def test_the_rules_of_a_segment_are_edited(console: Console) -> None:
    url = new_segment(console, "payers", "rule_based")
    assert act(console, url, act="add") == 303
    fields = {"environment": production(console.admin, url), "treatments[0].name": "in"}
    added = console.admin.post(f"{url}/rules", data={**fields, "button": "add-rule"}).text
    assert 'name="rules[0].condition.matchers[0].type"' in added
    fields |= {
        "rules[0].condition.matchers[0].type": "IN_LIST_STRING",
        "rules[0].condition.matchers[0].attribute": "plan",
        "rules[0].buckets[0].treatment": "in",
        "rules[0].buckets[0].size": "100",
        "excludedKeys": "eve",
        "button": "save",
    }
    wrong = console.admin.post(f"{url}/rules", data=fields)
    assert (wrong.status_code, "needs a value" in wrong.text) == (400, True)
    fields["rules[0].condition.matchers[0].strings"] = "pro\nteam"
    assert console.admin.post(f"{url}/rules", data=fields).status_code == 303
    shown = console.viewer.get(url).text
    assert "pro\nteam" in shown
    assert ">eve</textarea>" in shown
    missing = console.admin.post(f"{url}/rules", data={**fields, "excludedSegments": "nobody"})
    assert (missing.status_code, "no segment “nobody”" in missing.text) == (400, True)


def test_who_only_looks_changes_nothing(console: Console, staff: str) -> None:
    form = {"environment": production(console.viewer, staff)}
    for act in ("describe", "delete", "remove", "add-keys"):
        assert console.viewer.post(staff, data={**form, "act": act, "keys": "ada"}).status_code == 403
    assert console.viewer.post(f"/projects/{console.project}/segments", data={"name": "x"}).status_code == 403
    page = console.viewer.get(staff).text
    for button in ("Add keys", "Upload", "Delete segment"):
        assert button not in page
