"""The app's pages in the sandbox's Jira: as plain modules, and bundled with Atlassian's own bridge where Node is."""

import re
import threading
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, FrameLocator, Page, expect

from flagpost.commands.forge_app import page_files
from flagpost.jira.manifest import forge_manifest
from jira_sandbox.embedded import Sandbox
from tests.browser.conftest import Desk
from tests.browser.remote import CODE, LONG, TOKEN, Remote, running_remote
from tests.browser.test_console import LOOKS, too_wide
from tests.commands.forge_app.node import built_app, bundled_files
from tests.end_to_end.world import APP_ID, until

pytestmark = pytest.mark.browser
NARROW: dict[str, dict[str, Any]] = {"narrow": {"color_scheme": "light", "viewport": {"width": 320, "height": 640}}}


@pytest.fixture(scope="module", params=["modules", "bundled"])
def files(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    if request.param == "modules":
        return page_files()
    return bundled_files(built_app(tmp_path_factory.mktemp("forge") / "app", request.config.cache.mkdir("npm")))


@dataclass
class Jira:
    """Somebody in front of Jira, with the app installed and a small remote behind it."""

    page: Page
    sandbox: Sandbox
    remote: Remote

    def open_panel(self, key: str = "PAY-1") -> FrameLocator:
        self.page.goto(f"{self.sandbox.url}/browse/{key}")
        return self.page.frame_locator("iframe.app")

    def open_configure(self) -> FrameLocator:
        self.page.goto(f"{self.sandbox.url}/jira/settings/apps/configure/{APP_ID[-36:]}")
        return self.page.frame_locator("iframe.app")

    def said(self, what: str) -> None:
        expect(self.page.frame_locator("iframe.app").locator("#status")).to_have_text(what)

    def complained(self, what: str) -> None:
        expect(self.page.frame_locator("iframe.app").get_by_role("alert")).to_contain_text(what)

    def focused(self) -> str:
        """What the person stands on within the app's page."""
        return str(self.page.frames[1].evaluate("document.activeElement.ariaLabel || document.activeElement.innerText"))


@pytest.fixture
def remote() -> Iterator[Remote]:
    with running_remote() as found:
        yield found


@pytest.fixture
def jira(browser_tab: Page, sandbox: Sandbox, remote: Remote, files: dict[str, str]) -> Jira:
    sandbox.install(forge_manifest(remote.url, APP_ID), files)
    return Jira(browser_tab, sandbox, remote)


# Configure -----------------------------------------------------------------------------------------------------------


def test_configure_takes_the_token_and_shows_what_is_connected(jira: Jira) -> None:
    jira.remote.connected = False
    app = jira.open_configure()
    jira.said("This Jira site is not connected yet.")
    expect(app.get_by_role("link", name="Admin settings → Integrations")).to_be_visible()
    app.get_by_label("Token").fill("wrong")
    app.get_by_role("button", name="Save").press("Enter")
    jira.complained("Flagpost does not know this token.")
    expect(app.get_by_label("Token")).to_be_focused()
    expect(app.get_by_label("Token")).to_have_attribute("aria-invalid", "true")
    app.get_by_label("Token").fill(TOKEN)
    app.get_by_label("Token").press("Enter")
    jira.said("Saved. This Jira site is connected to Flagpost.")
    expect(app.get_by_role("alert")).to_be_hidden()
    expect(app.get_by_role("row", name="Web shop Production")).to_be_visible()
    expect(app.get_by_text("https://your-team.atlassian.net")).to_be_visible()
    expect(app.get_by_label("Token")).to_have_value("")


# The panel -----------------------------------------------------------------------------------------------------------


def test_the_panel_shows_each_flag_in_plain_words_above_activity(jira: Jira) -> None:
    app = jira.open_panel()
    flag = app.get_by_role("listitem").filter(has_text="one_click_pay")
    expect(flag.get_by_role("link", name="one_click_pay")).to_have_attribute(
        "href", "https://flags.example.com/flags/f-pay"
    )
    expect(flag.get_by_role("listitem")).to_have_text(["On for 10 % in Production", "On for 100 % in Staging"])
    expect(flag.get_by_text(re.compile("Last saved by Ada Admin, .+ ago"))).to_be_visible()
    headings = jira.page.locator("section.work h2").all_inner_texts()
    assert [text.strip() for text in headings] == ["Description", "Feature flags", "Activity"]


def test_flags_are_connected_and_disconnected_by_keyboard_alone(jira: Jira) -> None:
    app = jira.open_panel()
    app.get_by_role("button", name="Connect feature flag").focus()
    keyboard = jira.page.keyboard
    keyboard.press("Enter")
    expect(app.get_by_label("Search feature flags by name")).to_be_focused()
    expect(app.get_by_text("The first 5 feature flags. Type more of the name to find others.")).to_be_visible()
    keyboard.type("other_17")
    expect(app.get_by_text("1 feature flag found.")).to_be_visible()
    keyboard.press("Tab")
    keyboard.press("Enter")
    jira.said("other_17 is connected with PAY-1.")
    expect(app.get_by_role("link", name="other_17")).to_be_focused()
    keyboard.press("Tab")
    assert jira.focused() == "Disconnect other_17"
    keyboard.press("Enter")
    expect(app.get_by_text("Disconnect other_17 from PAY-1? The feature flag itself stays as it is.")).to_be_visible()
    assert jira.focused() == "Cancel"
    keyboard.press("Escape")
    assert jira.focused() == "Disconnect other_17"
    keyboard.press("Enter")
    keyboard.press("Shift+Tab")
    keyboard.press("Enter")
    jira.said("other_17 is no longer connected with PAY-1.")
    expect(app.get_by_role("link", name="other_17")).to_have_count(0)
    assert jira.focused() == "Connect feature flag"
    asked = [(path, body) for _, path, body, _ in jira.remote.asked if path.endswith("connect")]
    assert asked == [("/forge/panel/connect", {"flag": "f-17"}), ("/forge/panel/disconnect", {"flag": "f-17"})]


def test_a_person_links_their_account_with_a_code_and_unlinks_it(jira: Jira) -> None:
    jira.sandbox.settings(jira_person="557058:mina-okafor")
    app = jira.open_panel()
    expect(app.get_by_text("Without an account there you see the flags, but cannot change them.")).to_be_visible()
    for name in ("Create feature flag", "Connect feature flag", "Disconnect one_click_pay"):
        expect(app.get_by_role("button", name=name)).to_have_count(0)
    with jira.page.context.expect_page() as opened:
        app.get_by_role("button", name="Get a code in Flagpost").click()
    assert opened.value.url == f"{jira.remote.url}/jira/link"
    app.get_by_label("Code from Flagpost").fill("WRONG")
    app.get_by_role("button", name="Link account").click()
    jira.complained("No such code.")
    expect(app.get_by_label("Code from Flagpost")).to_be_focused()
    app.get_by_label("Code from Flagpost").fill(f" {CODE[:5]} {CODE[5:]} ")
    app.get_by_role("button", name="Link account").click()
    jira.said("Your Flagpost account is linked.")
    expect(app.get_by_text("Linked with Eli Editor’s Flagpost account.")).to_be_visible()
    expect(app.get_by_role("button", name="Create feature flag")).to_be_focused()
    app.get_by_role("button", name="Unlink your Flagpost account").click()
    jira.said("Your Flagpost account is no longer linked.")
    expect(app.get_by_label("Code from Flagpost")).to_be_focused()
    assert "557058:mina-okafor" not in jira.remote.linked


def test_flagpost_is_told_who_looks_at_which_issue(jira: Jira) -> None:
    issue = jira.sandbox.get("/issues/PAY-2")
    jira.page.goto(f"{jira.sandbox.url}/browse/PAY-2")
    jira.page.get_by_label("Looking as").select_option("Ravi Patel")
    jira.page.get_by_role("button", name="Switch").click()
    expect(
        jira.page.frame_locator("iframe.app").get_by_role("heading", name="Link your Flagpost account")
    ).to_be_visible()
    assert jira.page.url.endswith("/browse/PAY-2")
    claims = jira.remote.asked[-1][3]
    assert claims["principal"] == "557058:ravi-patel"
    assert claims["context"]["moduleKey"] == "feature-flags"
    extension = claims["context"]["extension"]
    assert extension["type"] == "jira:issuePanel"
    assert (extension["issue"]["id"], extension["issue"]["key"]) == (issue["id"], "PAY-2")


def test_create_opens_flagpost_and_what_was_created_shows_on_the_way_back(jira: Jira) -> None:
    app = jira.open_panel()
    with jira.page.context.expect_page() as opened:
        app.get_by_role("button", name="Create feature flag").click()
    assert opened.value.url == f"{jira.remote.url}/flags/new?issue=PAY-1"
    jira.remote.flags.append({**LONG, "id": "f-new", "name": "created_there"})
    jira.page.frames[1].evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(app.get_by_role("link", name="created_there")).to_be_visible()


def test_with_flagpost_itself_a_flag_is_linked_connected_and_disconnected_in_jira(connected: Desk) -> None:
    page, world = connected.page, connected.world
    world.new_flag("pay", share=90)
    page.goto(f"{connected.console}/jira/link")
    page.get_by_role("button", name="Get a code").click()
    code = page.get_by_label("Code", exact=True).input_value()
    connected.issue_page("PAY-1")
    app = page.frame_locator("iframe.app")
    app.get_by_label("Code from Flagpost").fill(code)
    app.get_by_role("button", name="Link account").click()
    expect(app.get_by_text("Linked with Ada Admin’s Flagpost account.")).to_be_visible()
    app.get_by_role("button", name="Connect feature flag").click()
    app.get_by_role("button", name="pay Default").click()
    expect(app.get_by_role("listitem").filter(has_text="in Production")).to_have_count(2)  # the flag's, and within
    expect(app.get_by_text(re.compile("Last saved by"))).to_be_visible()
    assert world.on_issue("pay")["issues"] == ["PAY-1"]
    page.reload()
    expect(page.get_by_role("button", name="pay", exact=True)).to_be_visible()  # in Jira's own field
    app.get_by_role("button", name="Disconnect pay").click()
    app.get_by_role("button", name="Disconnect", exact=True).click()
    expect(app.get_by_text("No feature flag is connected with this issue yet.")).to_be_visible()
    world.settled()
    assert world.in_jira("pay") is None


# What does not go well -----------------------------------------------------------------------------------------------

REFUSALS = {
    "refused": ((409, {"error": {"message": "It is connected already."}}), "It is connected already."),
    "no JSON": ((502, "<h1>Bad gateway</h1>"), "Flagpost does not answer. Is it running, and can Atlassian reach it?"),
    "nothing said": ((500, None), "(It said 500.)"),
    "not believed": ((401, {"error": {"message": "no"}}), "Flagpost does not believe this app."),
}


@pytest.mark.parametrize("how", REFUSALS)
def test_what_went_wrong_is_said_and_can_be_tried_again(jira: Jira, how: str) -> None:
    answer, said = REFUSALS[how]
    jira.remote.refusals["/forge/panel"] = answer
    app = jira.open_panel()
    jira.complained(said)
    jira.remote.refusals.clear()
    app.get_by_role("button", name="Try again").click()
    expect(app.get_by_role("link", name="one_click_pay")).to_be_visible()
    expect(app.get_by_role("alert")).to_be_hidden()


def test_a_refused_change_is_said_and_changes_nothing(jira: Jira) -> None:
    jira.remote.refusals["/forge/panel/disconnect"] = (403, {"error": {"message": "You may not edit this project."}})
    app = jira.open_panel()
    app.get_by_role("button", name="Disconnect one_click_pay").click()
    app.get_by_role("button", name="Disconnect", exact=True).click()
    jira.complained("You may not edit this project.")
    expect(app.get_by_role("link", name="one_click_pay")).to_be_visible()
    app.get_by_role("button", name="Cancel").click()
    expect(app.get_by_role("button", name="Disconnect one_click_pay")).to_be_focused()


def test_without_a_remote_both_pages_say_so(jira: Jira) -> None:
    jira.sandbox.install(forge_manifest("http://127.0.0.1:9", APP_ID))
    jira.open_panel()
    jira.complained("Flagpost does not answer.")
    jira.open_configure()
    jira.complained("Flagpost does not answer.")


def test_a_site_that_is_not_connected_and_an_issue_without_flags_say_so(jira: Jira) -> None:
    jira.remote.flags = []
    app = jira.open_panel()
    expect(app.get_by_text("No feature flag is connected with this issue yet.")).to_be_visible()
    jira.remote.hidden = 2
    expect(jira.open_panel().get_by_text("2 feature flags of this issue you may not see here.")).to_be_visible()
    jira.remote.connected = False
    app = jira.open_panel()
    expect(app.get_by_text("This Jira site is not connected to Flagpost yet.")).to_be_visible()
    expect(app.get_by_role("button")).to_have_count(0)


def test_a_linked_viewer_sees_everything_and_changes_nothing(jira: Jira) -> None:
    jira.remote.may_edit = False
    app = jira.open_panel()
    expect(app.get_by_text("which may see feature flags but not change them here.")).to_be_visible()
    expect(app.get_by_role("button")).to_have_text(["Unlink"])


def test_a_late_answer_to_an_earlier_search_is_not_shown(jira: Jira) -> None:
    late = jira.remote.held["other_2"] = threading.Event()
    app = jira.open_panel()
    app.get_by_role("button", name="Connect feature flag").click()
    search = app.get_by_label("Search feature flags by name")
    with jira.page.expect_request(lambda request: '"q":"other_2"' in (request.post_data or "")) as earlier:
        search.fill("other_2")
    search.fill("other_29")
    expect(app.get_by_text("1 feature flag found.")).to_be_visible()
    late.set()
    answered = earlier.value.response()
    assert answered
    answered.finished()
    expect(app.get_by_role("button", name=re.compile("^other_"))).to_have_count(1)


# The frame -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("look", LOOKS | NARROW)
def test_axe_finds_nothing_on_either_page_and_nothing_is_too_wide(chromium: Browser, jira: Jira, look: str) -> None:
    jira.remote.flags.append(deepcopy(LONG))
    context = chromium.new_context(**(LOOKS | NARROW)[look])
    jira.page = context.new_page()
    app = jira.open_panel()
    app.get_by_role("button", name="Connect feature flag").click()
    expect(app.get_by_text("The first 5 feature flags.")).to_be_visible()
    app.get_by_role("button", name="Disconnect one_click_pay").click()
    problems = found_in(jira)
    jira.sandbox.settings(jira_person="557058:mina-okafor")
    expect(jira.open_panel().get_by_label("Code from Flagpost")).to_be_visible()
    problems += found_in(jira)
    app = jira.open_configure()
    app.get_by_label("Token").fill("wrong")
    app.get_by_role("button", name="Save").click()
    jira.complained("Flagpost does not know this token.")
    problems += found_in(jira)
    context.close()
    assert problems == []


def found_in(jira: Jira) -> list[str]:
    frame = jira.page.frames[1]
    mode = frame.evaluate("document.documentElement.dataset.colorMode")
    assert mode == ("dark" if jira.page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") else "light")
    until(lambda: not too_wide(frame), "the frame fits", 5)
    return [f"{frame.url}: {one['id']}" for one in Axe().run(frame).response["violations"]] + too_wide(jira.page)


def test_a_frame_is_as_high_as_its_page_and_follows_the_theme(jira: Jira) -> None:
    app = jira.open_panel()
    expect(app.get_by_role("link", name="one_click_pay")).to_be_visible()
    until(lambda: not jira.page.frames[1].evaluate("innerHeight < document.body.offsetHeight"), "the frame fits", 5)
    jira.page.emulate_media(color_scheme="dark")
    expect(app.locator("html")).to_have_attribute("data-color-mode", "dark")


def test_a_frame_can_do_nothing_but_ask_its_host(chromium: Browser, jira: Jira) -> None:
    context = chromium.new_context()  # not the tab that takes a refusal by the content security policy for a failure
    jira.page = context.new_page()
    jira.open_panel()
    frame = jira.page.frames[1]
    assert frame.evaluate("self.origin") == "null"
    reach = "address => fetch(address).then(() => 'reached', () => 'refused')"
    assert frame.evaluate(reach, f"{jira.sandbox.url}/sandbox/tokens") == "refused"
    assert frame.evaluate("(() => { try { return parent.document.title } catch { return 'refused' } })()") == "refused"
    asked = "globalThis.__bridge.callBridge('requestJira', {}).catch((error) => error.message)"
    assert frame.evaluate(asked) == "The sandbox's bridge has no requestJira."
    context.close()


def test_an_app_without_its_pages_says_so(jira: Jira) -> None:
    jira.sandbox.reset()
    jira.sandbox.install(forge_manifest(jira.remote.url, APP_ID))
    jira.open_panel()
    expect(jira.page.get_by_text("The app was installed without its pages.")).to_be_visible()
