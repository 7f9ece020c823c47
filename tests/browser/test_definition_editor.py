"""The definition editor in a browser: flag sets and prerequisites, chosen without leaving the place one is at."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Desk

pytestmark = [pytest.mark.slow, pytest.mark.browser]


def test_a_flag_set_is_made_and_chosen_from_the_keyboard(desk: Desk) -> None:
    page, world = desk.page, desk.world
    world.new_flag("pay")
    desk.flag_page("pay")
    page.get_by_role("link", name="Create one").click()
    page.get_by_label("Name").fill("backend")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="backend")).to_be_visible()
    desk.flag_page("pay")
    box = page.get_by_role("group", name="Flag sets").get_by_label("backend")
    box.focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Review changes").click()
    expect(page.locator(".plus")).to_have_text("backend")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("group", name="Flag sets").get_by_label("backend")).to_be_checked()
    page.get_by_role("navigation", name="Project").get_by_role("link", name="Flag sets").click()
    page.get_by_label("Delete backend…").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Delete backend").click()
    expect(page.get_by_role("alert")).to_contain_text("pay (Production)")
    expect(page.get_by_role("listitem")).to_contain_text("pay in Production")


def test_a_prerequisite_is_searched_for_and_its_treatments_ticked_where_one_is(desk: Desk) -> None:
    page, world = desk.page, desk.world
    for number in range(60):
        world.new_flag(f"flag{number:02}", set_up=number == 59)
    world.new_flag("pay")
    desk.flag_page("pay")
    page.get_by_role("button", name="Add prerequisite").focus()
    before = page.evaluate("scrollY")
    page.keyboard.press("Enter")
    field = page.get_by_label("Feature flag")
    expect(field).to_be_visible()
    expect(page.get_by_role("button", name="Add prerequisite")).to_be_focused()
    assert page.evaluate("scrollY") == before
    expect(page.locator("#flag-names option")).to_have_count(50)
    field.press_sequentially("g59")
    expect(page.locator("#flag-names option")).to_have_count(1)
    field.fill("flag59")
    page.keyboard.press("Enter")
    page.get_by_role("group", name="Treatments").get_by_label("on").check()
    page.get_by_role("button", name="Add rule").click()
    expect(page.get_by_role("heading", name="Rule 1")).to_be_visible()
    expect(page.get_by_text("100 % of 100 %")).to_have_count(2)
    expect(page.get_by_role("group", name="Treatments").get_by_label("on")).to_be_checked()
    page.get_by_role("button", name="Remove rule 1").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Rule 1")).to_have_count(0)
    expect(page.get_by_role("button", name="Add rule")).to_be_focused()
    page.get_by_role("button", name="Review changes").click()
    expect(page.locator(".plus")).to_have_text("flag59: on")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_label("Feature flag")).to_have_value("flag59")
