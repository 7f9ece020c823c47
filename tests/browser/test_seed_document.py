"""The document that Flagpost lives up to, sentence by sentence, in its order. Each test is one of its sentences."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Desk
from tests.end_to_end.world import until

pytestmark = pytest.mark.browser


def connect_issue(desk: Desk, flag: str, issue: str) -> None:
    desk.flag_page(flag, "integrations")
    desk.page.get_by_label("Jira issues").fill(issue)
    desk.page.get_by_role("button", name="Connect Jira Issue").click()
    desk.world.settled()


def add_jira_cloud(desk: Desk) -> None:
    """Steps 1 to 3 of the set-up in Flagpost, up to Save."""
    desk.page.locator("details.profile summary").click()
    desk.page.get_by_role("link", name="Admin settings").click()
    desk.page.get_by_role("link", name="Integrations").click()
    expect(desk.page.get_by_role("link", name="Marketplace")).to_have_attribute("aria-current", "page")
    card = desk.page.locator("section", has=desk.page.get_by_role("heading", name="Jira Cloud"))
    card.get_by_role("link", name="Add").click()


# “allows you to connect feature flags and Jira issues from either Jira or FME, and view details in both” ------------


def test_from_feature_flag_to_issue_to_deployment_in_three_clicks(connected: Desk) -> None:
    connected.world.new_flag("pay", "PAY-1")
    connected.flag_page("pay")
    page = connected.page
    page.get_by_role("link", name="Integrations", exact=True).last.click()
    page.get_by_role("link", name="PAY-1").click()
    expect(page.get_by_role("heading", name="Pay with one click on repeat orders")).to_be_visible()
    page.get_by_role("link", name="2 deployments").click()
    expect(page.get_by_role("heading", name="Deployments")).to_be_visible()


def test_this_integration_does_not_work_with_jira_server(desk: Desk) -> None:
    add_jira_cloud(desk)
    desk.page.get_by_label("Default", exact=True).check()
    desk.page.get_by_label("Jira Cloud address").fill("https://jira.example.com")
    desk.page.get_by_role("button", name="Save").click()
    expect(desk.page.get_by_text("Jira Server and Data Center").first).to_be_visible()
    assert desk.world.integration()["state"] == "not_set_up"


# “Setting up in Harness FME” -----------------------------------------------------------------------------------------


def test_profile_button_admin_settings_integrations_marketplace_add_save_copy(desk: Desk) -> None:
    add_jira_cloud(desk)
    page = desk.page
    page.get_by_label("Default", exact=True).check()
    page.get_by_label("Environment of Default").select_option(label="Production")
    page.get_by_role("button", name="Save").click()
    token = page.get_by_label("Admin API key for Jira")
    expect(token).to_have_value(re.compile("fp_jira_.+"))
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == token.input_value()
    page.reload()
    page.goto(f"{desk.console}/admin/integrations?tab=configured")
    expect(page.get_by_text("Waiting for Jira")).to_be_visible()
    assert "fp_jira_" not in page.content()


def test_you_can_select_multiple_projects_but_only_one_environment_per_project(desk: Desk) -> None:
    desk.world.call("POST", "/internal/api/v2/workspaces", json={"name": "Other"})
    other = desk.world.workspace("Other")
    desk.world.call("POST", f"/internal/api/v2/environments/ws/{other}", json={"name": "Live", "production": True})
    add_jira_cloud(desk)
    page = desk.page
    for name in ("Default", "Other"):
        page.get_by_label(name, exact=True).check()
        places = page.get_by_label(f"Environment of {name}")
        assert places.get_attribute("multiple") is None
    page.get_by_role("button", name="Save").click()
    shown = [(one["project"], one["environment"]) for one in desk.world.integration()["projects"]]
    assert sorted(shown) == [("Default", "Production"), ("Other", "Live")]


def test_projects_with_view_permissions_must_grant_access_to_the_key(connected: Desk) -> None:
    connected.world.new_flag("secret", "PAY-1")
    connected.world.settled()
    page = connected.page
    page.goto(f"{connected.console}/admin/projects")
    page.get_by_text("Edit", exact=True).click()
    page.get_by_label("Only those listed may view this project").check()
    page.get_by_role("button", name="Save").click()
    until(lambda: connected.sandbox.flags() == {}, "Jira has forgotten the restricted project's flags")
    page.goto(f"{connected.console}/admin/integrations?tab=configured")
    expect(page.get_by_text("Needs attention")).to_be_visible()
    expect(page.get_by_text("Restricted")).to_be_visible()
    page.get_by_role("button", name="Grant").click()
    expect(page.get_by_text("Connected", exact=True)).to_be_visible()
    until(connected.sandbox.flags, "Jira shows them again")


# “Setting up in Jira” ------------------------------------------------------------------------------------------------


def test_install_the_app_click_configure_integration_enter_the_token_and_save(desk: Desk) -> None:
    desk.world.new_flag("pay", "PAY-1")
    token = desk.world.set_up()
    page = desk.page
    page.goto(f"{desk.jira}/jira/settings/apps")
    page.get_by_role("button", name="Install").click()
    page.get_by_role("link", name="Configure integration").click()
    app = page.frame_locator("iframe")
    app.get_by_label("Token").fill("not-the-token")
    app.get_by_role("button", name="Save").click()
    expect(app.get_by_role("alert")).to_contain_text("does not know this token")
    app.get_by_label("Token").fill(token)
    app.get_by_role("button", name="Save").click()
    expect(app.get_by_role("status")).to_contain_text("Saved")
    expect(app.get_by_role("cell", name="Production")).to_be_visible()
    page.goto(f"{desk.console}/admin/integrations?tab=configured")
    expect(page.get_by_text("Connected", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name=desk.jira)).to_be_visible()
    desk.world.expect_equal()


# “Connecting feature flags and issues” -------------------------------------------------------------------------------


def test_from_flagpost_integrations_tab_connect_jira_issue_enter_the_issue_number(connected: Desk) -> None:
    connected.world.new_flag("pay")
    connect_issue(connected, "pay", "pay-2")
    row = connected.page.get_by_role("row", name="PAY-2")
    for text in ("Show the total in the customer's currency", "Story", "In Review", "Jonas Weber"):
        expect(row).to_contain_text(text)
    expect(row.get_by_role("link", name="PAY-2")).to_have_attribute("href", f"{connected.jira}/browse/PAY-2")
    connected.world.expect_equal()


def test_an_issue_that_does_not_exist_is_said_next_to_the_field(connected: Desk) -> None:
    connected.world.new_flag("pay")
    connect_issue(connected, "pay", "PAY-1 PAY-999")
    expect(connected.page.get_by_role("alert")).to_contain_text("PAY-999 does not exist in Jira")
    expect(connected.page.get_by_label("Jira issues")).to_have_value("PAY-1 PAY-999")
    expect(connected.page.get_by_text("No Jira issue is connected")).to_be_visible()


def open_releases_menu(page: Page) -> None:
    page.get_by_label("Add feature flag").click()


def test_from_jira_create_feature_flag_opens_the_creation_page_with_the_issue_entered(connected: Desk) -> None:
    connected.issue_page("PAY-3")
    page = connected.page
    open_releases_menu(page)
    page.get_by_role("link", name="Create feature flag").click()
    expect(page.get_by_label("Jira issues")).to_have_value("PAY-3")
    page.get_by_label("Name", exact=True).fill("retry_declined")
    page.get_by_label("Jira issues").fill("PAY-3 WEB-1")
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.get_by_role("heading", name="retry_declined")).to_be_visible()
    assert connected.world.on_issue("retry_declined")["issues"] == ["PAY-3", "WEB-1"]
    connected.issue_page("PAY-3")
    expect(page.get_by_role("button", name="retry_declined")).to_be_visible()


def test_from_jira_connect_feature_flag_opens_a_page_to_choose_a_flag(connected: Desk) -> None:
    for name in ("checkout_new", "checkout_old", "search"):
        connected.world.new_flag(name)
    connected.issue_page("PAY-4")
    page = connected.page
    open_releases_menu(page)
    page.get_by_role("link", name="Connect feature flag").click()
    page.get_by_label("Part of the flag's name").press_sequentially("out_n")
    expect(page.get_by_role("button", name="Connect search")).to_have_count(0)
    page.get_by_role("button", name="Connect checkout_new").click()
    expect(page.get_by_role("row", name="PAY-4")).to_be_visible()
    assert connected.world.on_issue("checkout_new")["issues"] == ["PAY-4"]


@pytest.mark.parametrize("entry", ["Create feature flag", "Connect feature flag"])
def test_whoever_is_not_signed_in_signs_in_and_lands_back_with_everything_kept(connected: Desk, entry: str) -> None:
    connected.world.new_flag("pay")
    page = connected.page
    page.context.clear_cookies()
    connected.issue_page("PAY-3")
    open_releases_menu(page)
    page.get_by_role("link", name=entry).click()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    connected.fill_sign_in()
    if entry.startswith("Create"):
        expect(page.get_by_label("Jira issues")).to_have_value("PAY-3")
    else:
        expect(page.get_by_role("heading", name="Connect a feature flag with PAY-3")).to_be_visible()


def test_you_can_connect_multiple_flags_to_an_issue_and_multiple_issues_to_a_flag(connected: Desk) -> None:
    for name in ("pay", "search"):
        connected.world.new_flag(name)
        connect_issue(connected, name, "PAY-1, web-2")
        expect(connected.page.get_by_role("row", name="WEB-2")).to_be_visible()
    connected.world.expect_equal()
    connected.issue_page("PAY-1")
    expect(connected.page.get_by_role("button", name="2 feature flags")).to_be_visible()


def test_you_must_select_a_project_that_has_been_configured_in_the_integration(connected: Desk) -> None:
    connected.world.call("POST", "/internal/api/v2/workspaces", json={"name": "Other"})
    other = connected.world.workspace("Other")
    connected.world.call("POST", f"/internal/api/v2/trafficTypes/ws/{other}", json={"name": "user"})
    connected.world.new_flag("elsewhere", project="Other", set_up=False)
    page = connected.page
    page.goto(f"{connected.console}/flags/connect?issue=PAY-1&q=elsewhere")
    expect(page.get_by_text("No flag fits")).to_be_visible()
    page.goto(f"{connected.console}/projects/{other}/flags/elsewhere/integrations")
    expect(page.get_by_text("Other does not belong to the Jira integration")).to_be_visible()


def test_a_jira_instance_is_1_to_1_with_an_account(connected: Desk) -> None:
    connected.page.goto(f"{connected.console}/admin/integrations")
    expect(connected.page.get_by_role("link", name="Add", exact=True)).to_have_count(0)
    expect(connected.page.get_by_role("main").get_by_role("link", name="Configured").last).to_be_visible()


# “Viewing your connections” ------------------------------------------------------------------------------------------


def test_with_one_flag_jira_shows_its_name_and_the_rollout_plan_on_hover(connected: Desk) -> None:
    connected.world.new_flag("pay", "PAY-1", share=40)
    connected.world.settled()
    connected.issue_page("PAY-1")
    page = connected.page
    expect(page.get_by_role("button", name="pay", exact=True)).to_be_visible()
    status = page.locator(".status")
    expect(status.get_by_role("button")).to_have_text("On")
    expect(status.get_by_role("tooltip")).to_be_hidden()
    status.hover()
    expect(status.get_by_role("tooltip")).to_contain_text("40 % rollout")


def test_with_several_flags_jira_shows_their_number_and_the_status_of_all_on_hover(connected: Desk) -> None:
    connected.world.new_flag("pay", "PAY-1")
    connected.world.new_flag("search", "PAY-1")
    connected.world.act("kill", "search")
    connected.world.settled()
    connected.issue_page("PAY-1")
    status = connected.page.locator(".status")
    expect(connected.page.get_by_role("button", name="2 feature flags")).to_be_visible()
    expect(status.get_by_role("button")).to_have_text("1/2 on")
    status.hover()
    expect(status.get_by_role("tooltip")).to_contain_text("pay")
    expect(status.get_by_role("tooltip")).to_contain_text("Killed")


def test_it_indicates_whether_the_flags_are_active_in_the_primary_environment(connected: Desk) -> None:
    connected.world.new_flag("pay", "PAY-1")
    connected.world.define("pay", place="Staging")
    connected.world.act("kill", "pay", place="Staging")
    connected.world.settled()
    connected.issue_page("PAY-1")
    expect(connected.page.locator(".status").get_by_role("button")).to_have_text("On")
    connected.world.act("kill", "pay")
    connected.world.settled()
    connected.page.reload()
    expect(connected.page.locator(".status").get_by_role("button")).to_have_text("Off")


def test_clicking_opens_a_dialog_with_link_primary_environment_status_and_last_saved(connected: Desk) -> None:
    connected.world.new_flag("pay", "PAY-1", share=40)
    connected.world.settled()
    connected.issue_page("PAY-1")
    page = connected.page
    page.get_by_role("button", name="pay", exact=True).click()
    dialog = page.get_by_role("dialog")
    for text in ("pay", "Production", "On", "40 % rollout"):
        expect(dialog).to_contain_text(text)
    expect(dialog.locator("time")).to_have_text(re.compile("ago|just now"))
    dialog.get_by_role("link", name="pay").click()
    expect(page).to_have_url(re.compile(re.escape(connected.console)))
    expect(page.get_by_role("heading", name="pay", exact=True)).to_be_visible()


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ({"share": 15}, "15 % rollout"),
        ({"treatments": [{"name": "on", "keys": ["ada"]}, {"name": "off"}]}, "1 rule"),
    ],
)
def test_rollout_is_the_default_treatments_percentage_or_the_number_of_rules(
    connected: Desk, change: dict[str, object], shown: str
) -> None:
    connected.world.new_flag("pay", "PAY-1")
    connected.world.define("pay", **change)  # type: ignore[arg-type]
    connected.world.settled()
    connected.issue_page("PAY-1")
    connected.page.locator(".status").hover()
    expect(connected.page.get_by_role("tooltip")).to_contain_text(shown)


def test_only_the_present_state_is_in_jira_not_all_of_the_changes(connected: Desk) -> None:
    connected.world.new_flag("pay", "PAY-1")
    for share in (10, 20, 30):
        connected.world.define("pay", share=share)
    assert connected.world.on_issue("pay")["summary"]["status"]["rollout"] == {"percentage": 30}
    assert len(connected.world.on_issue("pay")["details"]) == 1


# “Disconnecting an issue” --------------------------------------------------------------------------------------------


def test_you_can_disconnect_an_issue_on_the_integrations_tab_of_the_flag(connected: Desk) -> None:
    connected.world.new_flag("pay", "PAY-1", "PAY-2")
    connected.world.settled()
    connected.flag_page("pay", "integrations")
    connected.page.get_by_role("button", name="Disconnect PAY-1").click()
    expect(connected.page.get_by_role("row", name="PAY-1")).to_have_count(0)
    expect(connected.page.get_by_role("row", name="PAY-2")).to_be_visible()
    connected.world.expect_equal()
    connected.issue_page("PAY-1")
    expect(connected.page.locator(".releases")).to_contain_text("None")


# Beyond the document: what an admin sees -----------------------------------------------------------------------------


def test_send_everything_again_shows_its_progress(connected: Desk) -> None:
    for number in range(3):
        connected.world.new_flag(f"flag{number}", "PAY-1")
    connected.world.settled()
    connected.sandbox.faults(latency_ms=1500)
    page = connected.page
    page.goto(f"{connected.console}/admin/integrations?tab=configured")
    page.get_by_role("button", name="Resync", exact=True).click()
    expect(page.get_by_text("0 of 3 flags")).to_be_visible()
    expect(page.get_by_text("Every connected flag was sent: 3 of 3")).to_be_visible()


def test_a_refusal_shows_in_jiras_own_words(connected: Desk) -> None:
    connected.sandbox.faults(reject_flags=[{"key": "pay", "message": "No flags on Tuesdays"}])
    connected.world.new_flag("pay", "PAY-1")
    connected.world.settled()
    connected.flag_page("pay", "integrations")
    expect(connected.page.locator("#delivery").get_by_text("No flags on Tuesdays")).to_be_visible()
    connected.page.goto(f"{connected.console}/admin/integrations?tab=configured")
    expect(connected.page.get_by_text("1 refused by Jira")).to_be_visible()


def test_removing_the_integration_asks_first_and_empties_jira(connected: Desk) -> None:
    connected.world.new_flag("pay", "PAY-1")
    connected.world.settled()
    page = connected.page
    page.goto(f"{connected.console}/admin/integrations?tab=configured")
    page.get_by_text("Remove integration…").click()
    page.get_by_role("button", name="Remove integration").click()
    until(lambda: connected.sandbox.flags() == {}, "Jira has forgotten everything")
    assert connected.sandbox.get("/apps"), "the app stays installed; only the connection ends"


def test_faults_are_switched_on_on_a_page(connected: Desk) -> None:
    connected.world.new_flag("pay")
    page = connected.page
    page.goto(f"{connected.jira}/sandbox")
    page.get_by_label("Next answers 503").fill("2")
    page.get_by_label("Refuse these flags").fill("pay")
    page.get_by_role("button", name="Set").click()
    expect(page.get_by_label("Refuse these flags")).to_have_value("pay")
    connected.world.connect("pay", "PAY-1")
    connected.world.settled()
    connected.flag_page("pay", "integrations")
    expect(page.locator("#delivery").get_by_text("Refused on the control panel")).to_be_visible()
