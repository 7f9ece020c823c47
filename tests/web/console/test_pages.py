"""Every page of the console, for those who may see it and those who may not."""

import re
from dataclasses import replace

import pytest

from flagpost.actions.flags import definitions, flags
from flagpost.actions.flags.definitions import Draft
from flagpost.actions.projects import environments, projects
from flagpost.flags.definition_json import parse
from flagpost.flags.model import Depends
from tests.web.conftest import PASSWORD, Console

pytestmark = pytest.mark.slow

ADMIN_PAGES = [
    f"/admin/{name}"
    for name in (
        "projects",
        "environments",
        "api-keys",
        "users",
        "groups",
        "integrations",
        "integrations/jira",
        "audit",
    )
]


def new_flag(console: Console, name: str = "new_checkout") -> str:
    form = {"project": console.project, "name": name, "traffic_type": "user", "tags": "pay"}
    made = console.admin.post("/flags/new", data=form)
    assert made.status_code == 303, made.text
    return made.headers["location"]


def initiate(console: Console, url: str) -> str:
    """Save a first definition in production; the environment's id."""
    found = re.search(r'name="environment">\s*<option value="([^"]+)"[^>]*>Production', console.admin.get(url).text)
    found = found or re.search(r'<option value="([^"]+)"[^>]*>Production', console.admin.get(url).text)
    assert found
    environment = found[1]
    save(console, url, environment, "0", ["0", "100"])
    return environment


def fields(environment: str, base: str, sizes: list[str]) -> dict[str, str]:
    return {
        "environment": environment,
        "base": base,
        "treatments[0].name": "on",
        "treatments[1].name": "off",
        "defaultTreatment": "off",
        "trafficAllocation": "100",
        "defaultRule[0].treatment": "on",
        "defaultRule[0].size": sizes[0],
        "defaultRule[1].treatment": "off",
        "defaultRule[1].size": sizes[1],
        "button": "review",
    }


def save(console: Console, url: str, environment: str, base: str, sizes: list[str]) -> int:
    import html

    review = console.admin.post(f"{url}/definition", data=fields(environment, base, sizes))
    assert review.status_code == 200, review.text
    body = re.search(r'name="body" value="([^"]+)"', review.text)
    assert body
    sent = {"environment": environment, "base": base, "body": html.unescape(body[1]), "button": "save"}
    return console.admin.post(f"{url}/definition/save", data=sent).status_code


@pytest.mark.parametrize("path", ADMIN_PAGES)
def test_admin_settings_are_for_admins(console: Console, path: str) -> None:
    assert console.admin.get(path).status_code == 200
    assert console.viewer.get(path).status_code == 403
    assert console.stranger.get(path).headers["location"].startswith("/signin?next=")


def test_every_tab_of_a_flag_is_shown(console: Console) -> None:
    url = new_flag(console)
    initiate(console, url)
    for tab in ("", "/definition", "/integrations", "/audit", "/settings"):
        for browser in (console.admin, console.viewer):
            assert "new_checkout" in browser.get(url + tab).text


def test_a_project_has_its_pages(console: Console) -> None:
    new_flag(console)
    for name in ("flags", "flags?q=check&connected=no&state=none", "environments", "audit"):
        assert console.viewer.get(f"/projects/{console.project}/{name}").status_code == 200
    assert console.viewer.get("/profile").status_code == 200


def test_a_viewer_is_not_offered_changes_and_is_refused(console: Console) -> None:
    url = new_flag(console)
    environment = initiate(console, url)
    page = console.viewer.get(url).text
    assert "Review changes" not in page
    assert "Kill in" not in page
    assert console.viewer.post(f"{url}/kill", data={"environment": environment, "confirm": "KILL"}).status_code == 403
    assert console.viewer.get("/flags/new").status_code == 403


def test_sizes_that_do_not_add_up_are_shown_by_the_field(console: Console) -> None:
    url = new_flag(console)
    environment = initiate(console, url)
    refused = console.admin.post(f"{url}/definition", data=fields(environment, "1", ["10", "80"]))
    assert refused.status_code == 400
    assert "100" in refused.text
    assert "defaultRule" in refused.text


def test_a_save_keeps_what_the_editor_has_no_fields_for(console: Console) -> None:
    url = new_flag(console)
    environment = initiate(console, url)
    ctx, ada = console.ctx, console.ada
    place = (console.project, url.rpartition("/")[2], environment)
    present = definitions.get_definition(ctx, ada, *place)
    definitions.save_definition(ctx, ada, *place, Draft(replace(present.definition, impressions_disabled=True)))
    assert save(console, url, environment, "2", ["30", "70"]) == 303
    saved = definitions.get_definition(ctx, ada, *place).definition
    assert (saved.impressions_disabled, saved.default_rule[0].size) == (True, 30)


def test_a_stale_save_is_refused_and_shows_what_it_would_overwrite(console: Console) -> None:
    url = new_flag(console)
    environment = initiate(console, url)
    assert save(console, url, environment, "1", ["10", "90"]) == 303
    assert save(console, url, environment, "1", ["50", "50"]) == 409


def test_killing_asks_for_the_name_and_restoring_undoes_it(console: Console) -> None:
    url = new_flag(console)
    environment = initiate(console, url)
    assert console.admin.post(f"{url}/kill", data={"environment": environment, "confirm": "x"}).status_code == 400
    console.admin.post(f"{url}/kill", data={"environment": environment, "confirm": "new_checkout"})
    killed = console.admin.get(url).text
    assert ">Killed<" in killed
    assert "everybody gets “off”" in killed
    console.admin.post(f"{url}/restore", data={"environment": environment})
    assert ">On for 0 %<" in console.admin.get(url).text


@pytest.mark.parametrize("button", ["add-treatment", "add-rule", "drop-treatment 0", "drop-rule 9", "nonsense 1 2 3"])
def test_the_editors_buttons_answer_with_the_form(console: Console, button: str) -> None:
    url = new_flag(console)
    environment = initiate(console, url)
    form = fields(environment, "1", ["0", "100"]) | {"button": button}
    assert console.admin.post(f"{url}/definition", data=form).status_code == 200


def test_the_integration_is_set_up_and_its_token_shown_once(console: Console) -> None:
    chooser = console.admin.get("/admin/integrations/jira").text
    environment = re.search(r'<option value="([^"]+)"[^>]*>Production', chooser)
    assert environment
    form = {"projects": console.project, f"environment-{console.project}": environment[1]}
    shown = console.admin.post("/admin/integrations/jira", data=form).text
    assert "fp_jira_" in shown
    configured = console.admin.get("/admin/integrations?tab=configured").text
    assert "fp_jira_" not in configured
    assert "Waiting for Jira" in configured


def test_an_issue_is_connected_and_disconnected_on_the_integrations_tab(console: Console) -> None:
    url = new_flag(console)
    assert console.admin.post(f"{url}/issues", data={"issues": "pay-1, PAY-2"}).status_code == 303
    assert "PAY-2" in console.admin.get(f"{url}/integrations").text
    assert console.admin.post(f"{url}/issues/PAY-2/disconnect").status_code == 303
    assert "PAY-2" not in console.admin.get(f"{url}/integrations").text


def test_whoever_comes_from_jira_signs_in_and_lands_back(console: Console) -> None:
    sent = console.stranger.get("/flags/new?issue=PAY-1&summary=Faster")
    page = console.stranger.get(sent.headers["location"]).text
    assert "/flags/new?issue=PAY-1&amp;summary=Faster" in page
    form = {"email": "ada@example.com", "password": PASSWORD, "next": "/flags/new?issue=PAY-1&summary=Faster"}
    back = console.stranger.post("/signin", data=form).headers["location"]
    assert "PAY-1" in console.stranger.get(back).text


@pytest.mark.parametrize("target", ["https://evil.example", "//evil.example", "/\\evil.example"])
def test_signing_in_never_leads_elsewhere(console: Console, target: str) -> None:
    form = {"email": "ada@example.com", "password": PASSWORD, "next": target}
    assert console.stranger.post("/signin", data=form).headers["location"] == "/"


def test_a_change_from_another_site_is_refused(console: Console) -> None:
    url = new_flag(console)
    other = {"sec-fetch-site": "cross-site"}
    assert console.admin.post(f"{url}/settings", data={"act": "archive"}, headers=other).status_code == 403


def test_a_key_that_cannot_be_made_keeps_what_was_typed(console: Console) -> None:
    form = {"name": "shop", "kind": "server_side", "role": "API_FEATURE_FLAG_VIEWER", "scope": "", "days": "90"}
    refused = console.admin.post("/admin/api-keys", data=form).text
    assert "An SDK key is for exactly one environment." in refused
    assert 'value="shop"' in refused
    for chosen in ("server_side", "API_FEATURE_FLAG_VIEWER", "90"):
        assert f'value="{chosen}" selected' in refused


def test_the_list_of_keys_names_the_environment_of_an_sdk_key(console: Console) -> None:
    places = environments.list_environments(console.ctx, console.ada, console.project)
    place = next(one for one in places if one.production)
    form = {"name": "Shop", "kind": "server_side", "scope": f"{console.project}:{place.id}", "days": ""}
    assert console.admin.post("/admin/api-keys", data=form).status_code == 200
    project = projects.get_project(console.ctx, console.ada, console.project)
    page = console.admin.get("/admin/api-keys").text
    assert f'<td class="small">{project.name} · Production</td>' in page


def test_the_list_and_the_page_of_a_flag_say_what_it_serves(console: Console) -> None:
    for name in ("base", "pay"):
        flags.create_flag(console.ctx, console.ada, console.project, name=name, traffic_type="user")
    on = parse(
        {
            "treatments": [{"name": "on"}, {"name": "off"}],
            "defaultTreatment": "off",
            "defaultRule": [{"treatment": "on", "size": 100}],
        }
    )
    needs = replace(on, prerequisites=(Depends("base", ("on",)),))
    place = (console.ctx, console.ada, console.project)
    definitions.create_definition(*place, "base", "Production", Draft(replace(on, default_treatment="off")))
    definitions.create_definition(*place, "pay", "Production", Draft(needs))
    listed, page = f"/projects/{console.project}/flags", f"/projects/{console.project}/flags/pay"
    assert console.admin.get(listed).text.count(">On for 100 %<") == 2
    definitions.kill(*place, "base", "Production")
    words = "but its prerequisite “base” is killed: everybody gets “off”"
    for address in (listed, page):
        assert words in console.admin.get(address).text
    assert "everybody gets “off”" in console.admin.get(f"/projects/{console.project}/flags/base").text
