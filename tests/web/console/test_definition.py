"""The definition editor: prerequisites, impressions, and that what is wrong is shown where it can be put right."""

import html
import re
from dataclasses import replace

import pytest

from flagpost.actions.flags import definitions
from flagpost.actions.flags.definitions import Draft
from flagpost.flags.model import Bucket, Definition
from tests.web.conftest import Console
from tests.web.console.test_flag_sets import place, review, save, send
from tests.web.console.test_pages import fields, initiate, new_flag

pytestmark = pytest.mark.slow


@pytest.fixture
def console_url(database_url: str) -> str:
    """On both stores."""
    return database_url


def asked(flag: str, *treatments: str, number: int = 0) -> dict[str, str]:
    """The fields of a prerequisite whose treatments are ticked."""
    path = f"prerequisites[{number}]"
    ticked = {f"{path}.treatment[{place}]": name for place, name in enumerate(treatments)}
    return {"prerequisites": "", f"{path}.splitName": flag, **ticked}


def defined(console: Console, flag: str, environment: str) -> Definition:
    """What is saved."""
    here = (console.project, flag.rpartition("/")[2], environment)
    found = definitions.get_definition(console.ctx, console.ada, *here)
    return found.definition


def problems_by_field(page: str) -> list[str]:
    """What is said beside fields."""
    return [html.unescape(text) for text in re.findall(r'<p class="problem" role="alert"[^>]*>([^<]+)</p>', page)]


def test_a_prerequisite_is_added_its_treatments_offered_and_it_is_saved_and_seen(console: Console) -> None:
    new = new_flag(console, "new_checkout")
    initiate(console, new)
    flag = new_flag(console, "one_click_pay")
    live = initiate(console, flag)
    form = fields(live, "1", ["0", "100"])
    added = console.admin.post(f"{flag}/definition", data=form | {"button": "add-prerequisite"}).text
    assert 'name="prerequisites[0].splitName" value=""' in added
    assert 'name="prerequisites[0].treatment"></textarea>' in added
    named = form | asked("new_checkout") | {"button": "refresh"}
    offered = console.admin.post(f"{flag}/definition", data=named).text
    for number, name in enumerate(("on", "off")):
        assert f'name="prerequisites[0].treatment[{number}]" value="{name}">' in offered
    form |= asked("new_checkout", "on")
    found = review(console, flag, form)
    assert "<dt>Prerequisites</dt>" in found
    assert '<span class="plus">new_checkout: on</span>' in found
    assert 'value="on" checked' in send(console, flag, form, found, "back").text
    assert send(console, flag, form, found).status_code == 303
    seen = console.viewer.get(flag).text
    assert 'value="new_checkout"' in seen
    assert "Keys that get another treatment" in seen
    assert "Add prerequisite" not in seen
    dropped = console.admin.post(f"{flag}/definition", data=form | {"button": "drop-prerequisite 0"}).text
    assert "prerequisites[0]" not in dropped
    save(console, flag, fields(live, "2", ["0", "100"]) | {"prerequisites": ""})
    assert defined(console, flag, live).prerequisites == ()


def test_a_treatment_that_the_other_flag_does_not_have_stays_and_is_marked(console: Console) -> None:
    initiate(console, new_flag(console, "new_checkout"))
    flag = new_flag(console, "one_click_pay")
    form = fields(place(console.admin, flag), "0", ["0", "100"])
    form |= {
        "prerequisites": "",
        "prerequisites[0].splitName": "new_checkout",
        "prerequisites[0].treatment": "blue\non",
    }
    shown = console.admin.post(f"{flag}/definition", data=form | {"button": "refresh"}).text
    assert 'value="blue" checked> <span class="break">blue <span class="muted small">not one of' in shown
    save(console, flag, form)
    assert defined(console, flag, form["environment"]).prerequisites[0].treatments == ("blue", "on")


def test_what_is_wrong_with_a_prerequisite_is_shown_by_its_field(console: Console) -> None:
    new_flag(console, "new_checkout")
    flag = new_flag(console, "one_click_pay")
    form = fields(place(console.admin, flag), "0", ["0", "100"])
    for more, said in (
        (asked("", "on"), "This is missing."),
        (asked("new_checkout"), "Name the treatments of the other flag that meet the prerequisite."),
        (asked("nobody", "on"), "There is no feature flag “nobody” in Default."),
        (asked("one_click_pay", "on"), "A flag cannot ask for a treatment of its own. Choose another flag."),
    ):
        answer = console.admin.post(f"{flag}/definition", data=form | more)
        assert (answer.status_code, problems_by_field(answer.text)) == (400, [said])


def test_two_flags_cannot_wait_for_each_other_by_way_of_a_third(console: Console) -> None:
    first, second, third = (new_flag(console, name) for name in ("first", "second", "third"))
    here = place(console.admin, first)
    save(console, first, fields(here, "0", ["0", "100"]) | asked("second", "on"))
    save(console, second, fields(here, "0", ["0", "100"]) | asked("third", "on"))
    answer = console.admin.post(f"{third}/definition", data=fields(here, "0", ["0", "100"]) | asked("first", "on"))
    assert answer.status_code == 400
    assert problems_by_field(answer.text) == [
        "“first” asks for a treatment of “third” in turn: neither could be decided."
    ]


def test_a_segment_that_is_not_there_is_shown_by_its_field_before_the_review(console: Console) -> None:
    flag = new_flag(console)
    form = fields(place(console.admin, flag), "0", ["0", "100"]) | {"treatments[0].segments": "nobody"}
    answer = console.admin.post(f"{flag}/definition", data=form)
    assert answer.status_code == 400
    (said,) = problems_by_field(answer.text)
    assert "no segment “nobody”" in said


def test_a_flag_that_goes_between_review_and_save_leads_back_to_the_editor(console: Console) -> None:
    other, flag = new_flag(console, "new_checkout"), new_flag(console, "one_click_pay")
    form = fields(place(console.admin, flag), "0", ["0", "100"]) | asked("new_checkout", "on")
    found = review(console, flag, form)
    assert console.admin.post(f"{other}/settings", data={"act": "archive"}).status_code == 303
    answer = send(console, flag, form, found)
    assert answer.status_code == 400
    assert problems_by_field(answer.text) == ["There is no feature flag “new_checkout” in Default."]


def test_a_matcher_of_another_flag_is_offered_its_treatments_too(console: Console) -> None:
    initiate(console, new_flag(console, "new_checkout"))
    flag = new_flag(console, "one_click_pay")
    path = "rules[0].condition.matchers[0]"
    form = fields(place(console.admin, flag), "0", ["0", "100"]) | {
        f"{path}.type": "IN_SPLIT",
        f"{path}.depends.splitName": "new_checkout",
        f"{path}.depends.treatment[0]": "on",
        "rules[0].buckets[0].treatment": "on",
        "rules[0].buckets[0].size": "100",
    }
    shown = console.admin.post(f"{flag}/definition", data=form | {"button": "refresh"}).text
    assert f'name="{path}.depends.treatment[0]" value="on" checked>' in shown
    assert f'name="{path}.depends.treatment[1]" value="off">' in shown
    save(console, flag, form)
    depends = defined(console, flag, form["environment"]).rules[0].matchers[0].depends
    assert depends
    assert (depends.flag, depends.treatments) == ("new_checkout", ("on",))


def test_flags_are_suggested_by_a_part_of_their_name(console: Console) -> None:
    for name in ("new_checkout", "one_click_pay"):
        flag = new_flag(console, name)
    names = f"/projects/{console.project}/flag-names"
    assert console.viewer.get(names, params={"q": "CHECK"}).json() == ["new_checkout"]
    editor = console.admin.get(f"{flag}/definition", params={"initiate": "new"}).text
    assert f'<datalist id="flag-names" data-from="{names}"><option value="new_checkout"></option>' in editor


def test_applications_are_told_not_to_report_impressions_and_to_report_them_again(console: Console) -> None:
    flag = new_flag(console)
    live = place(console.admin, flag)
    form = fields(live, "0", ["0", "100"]) | {"impressionsDisabled": "true"}
    assert "<dt>Impressions not reported</dt>" in review(console, flag, form)
    save(console, flag, form)
    assert defined(console, flag, live).impressions_disabled is True
    assert 'name="impressionsDisabled" value="true" checked>' in console.viewer.get(flag).text
    save(console, flag, fields(live, "1", ["0", "100"]) | {"impressionsDisabled": "false"})
    assert defined(console, flag, live).impressions_disabled is False


def test_a_save_keeps_a_baseline_treatment_that_the_admin_api_chose(console: Console) -> None:
    flag = new_flag(console)
    live = initiate(console, flag)
    here = (console.project, flag.rpartition("/")[2], live)
    definitions.save_definition(
        console.ctx, console.ada, *here, Draft(replace(defined(console, flag, live), baseline_treatment="on"))
    )
    save(console, flag, fields(live, "2", ["30", "70"]))
    assert defined(console, flag, live).baseline_treatment == "on"


def test_a_configuration_of_several_lines_is_kept_as_it_was_written(console: Console) -> None:
    flag = new_flag(console)
    live = place(console.admin, flag)
    save(console, flag, fields(live, "0", ["0", "100"]) | {"treatments[0].configurations": '{\r\n "a": 1\r\n}'})
    assert defined(console, flag, live).treatments[0].configurations == '{\n "a": 1\n}'


def test_a_save_keeps_the_order_of_shares_which_decides_who_gets_what(console: Console) -> None:
    flag = new_flag(console)
    live = initiate(console, flag)
    here = (console.project, flag.rpartition("/")[2], live)
    shares = (Bucket("off", 70), Bucket("on", 30))
    definitions.save_definition(
        console.ctx, console.ada, *here, Draft(replace(defined(console, flag, live), default_rule=shares))
    )
    shown = console.admin.get(flag).text
    path = r'name="defaultRule\[(\d)\]\.(?:treatment|size)"[^>]* value="([^"]+)"'
    assert re.findall(path, shown) == [("0", "off"), ("0", "70"), ("1", "on"), ("1", "30")]
