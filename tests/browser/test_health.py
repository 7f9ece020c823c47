"""The health page in front of a real Jira sandbox: it moves by itself, and its chart can be read without seeing it."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Desk
from tests.end_to_end.world import FEATURE_FLAGS, until

pytestmark = [pytest.mark.slow, pytest.mark.browser]


def test_sending_again_is_followed_live_and_cancelled_from_the_keyboard(connected: Desk) -> None:
    page, world = connected.page, connected.world
    for number in range(3):
        world.new_flag(f"flag{number}", "PAY-1")
    world.settled()
    connected.sandbox.faults(unavailable={"count": 1, "retry_after": 3}, prefix=FEATURE_FLAGS)
    page.goto(f"{connected.console}/admin/integrations?tab=configured")
    page.get_by_role("button", name="Resync", exact=True).click()
    until(lambda: world.integration()["paused_until"], "Jira is away")
    page.get_by_role("link", name="Health").click()
    expect(page.get_by_text("Paused, as Jira asked")).to_be_visible()
    expect(page.get_by_label("0 of 3 flags, waiting for Jira")).to_be_visible()
    expect(page.get_by_text("Everything is delivered")).to_be_visible()
    connected.sandbox.faults(unavailable={"count": 1, "retry_after": 60}, prefix=FEATURE_FLAGS)
    world.call("POST", "/api/v1/jira/backfills", json={}, expect=202)
    until(lambda: world.integration()["paused_until"], "Jira is away")
    page.reload()
    cancel = page.get_by_role("button", name="Cancel")
    cancel.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Cancelled", exact=True)).to_be_visible()
    assert world.integration()["behind"] == 0


def test_the_chart_has_words_and_a_table_behind_it(connected: Desk) -> None:
    page = connected.page
    connected.world.new_flag("pay", "PAY-1")
    connected.world.settled()
    page.goto(f"{connected.console}/admin/integrations/health")
    expect(page.get_by_role("img", name="accepted, 0 refused")).to_be_visible()
    page.get_by_text("Show as a table").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("columnheader", name="Longest delay")).to_be_visible()
    page.get_by_role("link", name="Open the delivery log").click()
    expect(page.get_by_role("link", name="pay", exact=True).first).to_be_visible()
