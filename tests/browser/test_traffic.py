"""The live tail, in a browser, of what an application sends at that moment; and the chart by keyboard."""

import time

import httpx2
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Desk
from tests.end_to_end.test_traffic import sdk_key

pytestmark = pytest.mark.browser


def send(desk: Desk, key: str, *people: str) -> None:
    now = time.time_ns() // 1_000_000
    impressions = [{"k": one, "t": "on", "m": now, "r": "default rule"} for one in people]
    headers = {"Authorization": f"Bearer {key}"}
    address = f"{desk.console}/sdk/testImpressions/bulk"
    body = [{"f": "checkout", "i": impressions}]
    assert httpx2.post(address, json=body, headers=headers, trust_env=False).is_success


def test_impressions_appear_in_the_live_tail_by_themselves(desk: Desk) -> None:
    page = desk.page
    desk.world.new_flag("checkout")
    key = sdk_key(desk.world)
    send(desk, key, "before anybody looked")
    desk.flag_page("checkout", "traffic")
    expect(page.get_by_text("just now").or_(page.get_by_text("second"))).to_be_visible()
    page.get_by_role("link", name="Start").click()
    expect(page.get_by_text("No impression arrived yet")).to_be_visible()
    page.wait_for_timeout(1500)  # what is watched is known a second late, in every process
    send(desk, key, "ann@example.com", "bob@example.com")
    expect(page.get_by_role("cell", name="ann@example.com")).to_be_visible()
    expect(page.get_by_role("cell", name="before anybody looked")).not_to_be_visible()
    send(desk, key, "cyd@example.com")
    expect(page.get_by_role("row").nth(1)).to_contain_text("cyd@example.com")
    page.get_by_role("link", name="Stop").click()
    expect(page.get_by_role("cell", name="ann@example.com")).not_to_be_visible()


def test_the_chart_has_its_numbers_in_a_table_that_is_opened_by_keyboard(desk: Desk) -> None:
    page = desk.page
    desk.world.new_flag("checkout")
    send(desk, sdk_key(desk.world), "ann", "bob", "cyd")
    desk.flag_page("checkout", "traffic")
    expect(page.get_by_role("img", name="3 impressions in 24 hours")).to_be_visible()
    page.get_by_text("Show as a table").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("cell", name="3", exact=True)).to_be_visible()
    page.get_by_role("link", name="30 days").click()
    expect(page.get_by_role("img", name="3 impressions in 30 days")).to_be_visible()
