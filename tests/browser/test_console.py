"""The console for people: by keyboard, in light and dark, on a phone, with nothing that keeps somebody out."""

import re
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Frame, Page, expect

from flagpost.commands.demo import EMAIL, PASSWORD, Demo
from flagpost.flags.matchers import MATCHERS
from tests.browser.conftest import Desk

pytestmark = pytest.mark.browser
FLAG_TABS = (
    "definition",
    "traffic",
    "traffic?live=yes",
    "try",
    "integrations",
    "integrations/preview",
    "integrations/log",
    "audit",
    "settings",
)
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 860}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 860}},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 844}},
}


def console_pages(page: Page, base: str) -> dict[str, str]:
    """Every page of the console, by what it is, for one who is signed in on the list of flags."""
    home = page.url.partition("?")[0].rpartition("/")[0]
    flag = page.get_by_role("link", name="new_checkout").get_attribute("href")
    pages = {f"flag's {tab}": f"{base}{flag}/{tab}" for tab in FLAG_TABS}
    pages |= {
        f"project's {tab}": f"{home}/{tab}"
        for tab in ("flags", "flags?q=nothing", "segments", "change-requests", "environments", "flag-sets", "audit")
    }
    admin: tuple[str, ...] = (
        "projects",
        "environments",
        "api-keys",
        "users",
        "groups",
        "integrations",
        "audit",
        "integrations/jira",
    )
    admin += ("integrations/jira/credentials", "integrations/health", "integrations/log", "integrations/log?flag=none")
    pages |= {f"admin {tab}": f"{base}/admin/{tab}" for tab in admin}
    pages["admin configured"] = f"{base}/admin/integrations?tab=configured"
    pages["new flag"] = f"{base}/flags/new?issue=PAY-1"
    pages["connect"] = f"{base}/flags/connect?issue=PAY-1"
    pages["profile"] = f"{base}/profile"
    pages["link with Jira"] = f"{base}/jira/link"
    pages["missing"] = f"{base}/projects/none/flags"
    return pages


def open_shop(page: Page, base: str) -> None:
    page.goto(base)
    page.get_by_label("Email").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Switch project").click()
    page.get_by_role("link", name="Web shop").click()
    expect(page.get_by_role("link", name="new_checkout")).to_be_visible()


def serious(page: Page) -> list[str]:
    """What axe finds that keeps somebody out."""
    found = Axe().run(page).response["violations"]
    grave = [one for one in found if one["impact"] in ("serious", "critical")]
    return [f"{page.url}: {one['id']}: {one['nodes'][0]['html'][:200]}" for one in grave]


def too_wide(page: Page | Frame) -> list[str]:
    wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth + 1")
    return [f"{page.url} is wider than the window"] if wide else []


@pytest.mark.parametrize("look", LOOKS)
def test_axe_finds_nothing_serious_on_any_page(chromium: Browser, show: Demo, look: str) -> None:
    context = chromium.new_context(**LOOKS[look])
    page = context.new_page()
    base, jira = show.flagpost.settings.public_url, show.sandbox.url
    page.goto(f"{base}/signin")
    problems = serious(page) + too_wide(page)
    open_shop(page, base)
    sandbox = ("/", "/browse/PAY-1", "/browse/PAY-1/development", "/browse/NO-1", "/jira/settings/apps", "/sandbox")
    addresses = [*console_pages(page, base).values(), *(jira + path for path in sandbox)]
    addresses.append(f"{jira}/jira/settings/apps/configure/{show.sandbox.get('/apps')[0]['app_id'][-36:]}")
    for address in addresses:
        page.goto(address)
        problems += serious(page) + too_wide(page)
    context.close()
    assert problems == []


def test_a_flag_is_created_connected_and_killed_by_keyboard_alone(connected: Desk) -> None:
    page = connected.page
    page.goto(f"{connected.console}/flags/new?issue=PAY-1")

    def tab_to(name: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            here = page.evaluate(
                "(e => e.getAttribute('aria-label') || e.labels?.[0]?.innerText || e.innerText || '')(document.activeElement)"
            )
            if here.strip() == name:
                return
        raise AssertionError(f"no way to {name} by Tab")

    tab_to("Name")
    page.keyboard.type("by_keyboard")
    tab_to("Create")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="by_keyboard")).to_be_visible()
    connected.world.define("by_keyboard")
    page.reload()
    tab_to("Kill in Production…")
    page.keyboard.press("Enter")
    tab_to("Type the flag's name or KILL")
    page.keyboard.type("KILL")
    tab_to("Kill")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Killed", exact=True)).to_be_visible()
    assert connected.world.on_issue("by_keyboard")["summary"]["status"]["enabled"] is False


def test_the_skip_link_and_focus_can_be_seen(desk: Desk) -> None:
    desk.page.goto(f"{desk.console}/admin/users")
    desk.page.keyboard.press("Tab")
    expect(desk.page.get_by_role("link", name="Skip to content")).to_be_in_viewport()
    desk.page.keyboard.press("Enter")
    assert desk.page.evaluate("document.activeElement.id") == "content"


def test_a_definition_is_edited_with_its_difference_shown_before_it_is_saved(connected: Desk) -> None:
    connected.world.new_flag("pay", "PAY-1", share=10)
    connected.flag_page("pay")
    page = connected.page
    page.get_by_label("on %").last.fill("50")
    page.get_by_label("off %").last.fill("40")
    expect(page.get_by_text("90 % of 100 %")).to_be_visible()
    page.get_by_role("button", name="Review changes").click()
    expect(page.get_by_role("alert").first).to_contain_text("100")
    page.get_by_label("off %").last.fill("50")
    page.get_by_role("button", name="Review changes").click()
    expect(page.locator(".plus").first).to_be_visible()
    page.locator("#title").fill("Half of all")
    page.get_by_role("button", name="Save", exact=True).click()
    assert connected.world.on_issue("pay")["summary"]["status"]["rollout"] == {"percentage": 50}
    connected.flag_page("pay", "audit")
    expect(page.get_by_text("Half of all")).to_be_visible()
    expect(page.get_by_text("definition pay in Production").first).to_be_visible()


def test_a_save_based_on_an_old_version_is_refused_with_both_shown(connected: Desk) -> None:
    connected.world.new_flag("pay", share=10)
    connected.flag_page("pay")
    page = connected.page
    page.get_by_label("on %").last.fill("50")
    page.get_by_label("off %").last.fill("50")
    page.get_by_role("button", name="Review changes").click()
    connected.world.define("pay", share=33)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("alert").first).to_contain_text("newer version")
    home = connected.world.workspace()
    now = connected.world.call("GET", f"/internal/api/v2/splits/ws/{home}/pay/environments/Production")
    assert {one["treatment"]: one["size"] for one in now["defaultRule"]}["off"] == 33


def test_the_editor_offers_every_matcher(connected: Desk) -> None:
    connected.world.new_flag("pay")
    connected.flag_page("pay")
    page = connected.page
    page.get_by_role("button", name="Add rule").click()
    expect(page.get_by_label("Matcher", exact=True)).to_be_visible()
    offered = page.get_by_label("Matcher", exact=True).locator("option").evaluate_all("all => all.map(o => o.value)")
    assert set(offered) == set(MATCHERS)


def test_what_a_viewer_may_not_do_is_not_offered(chromium: Browser, show: Demo) -> None:
    context = chromium.new_context(viewport={"width": 1280, "height": 860})
    page = context.new_page()
    page.goto(show.flagpost.settings.public_url)
    page.get_by_label("Email").fill("vi@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("link", name="Create feature flag")).to_have_count(0)
    page.get_by_role("link", name="fingerprint_sign_in").click()
    expect(page.get_by_role("button", name="Review changes")).to_have_count(0)
    expect(page.get_by_text("Kill in Production…")).to_have_count(0)
    page.get_by_role("main").get_by_role("link", name="Integrations").click()
    expect(page.get_by_role("button", name="Disconnect MOB-1")).to_have_count(0)
    page.locator("details.profile summary").click()
    expect(page.get_by_role("link", name="Admin settings")).to_have_count(0)
    context.close()


def test_the_list_is_searched_as_one_types(connected: Desk) -> None:
    for name in ("checkout_new", "checkout_old", "search"):
        connected.world.new_flag(name)
    page = connected.page
    page.goto(f"{connected.console}/projects/{connected.world.workspace()}/flags")
    expect(page.get_by_role("status")).to_have_text("3 flags")
    page.get_by_label("Search by name").press_sequentially("out_o")
    expect(page.get_by_role("status")).to_have_text("1 flag")
    expect(page).to_have_url(re.compile("q=out_o"))
    page.get_by_label("Search by name").fill("")
    expect(page.get_by_role("status")).to_have_text("3 flags")
