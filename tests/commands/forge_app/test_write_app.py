"""The app for a Jira Cloud site: what is written, and which addresses are refused."""

import json
import re
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from flagpost.cli import app as command_line
from flagpost.commands.forge_app import page_files, write_app
from flagpost.errors import Conflict, InvalidInput
from flagpost.jira.manifest import forge_manifest

BASE = "https://flags.example.com"
ID = "ari:cloud:ecosystem::app/8db33309-2a52-4d0e-9c0f-5a4e1a1d2f5a"
MANIFEST = forge_manifest(BASE, ID)
MODULES = MANIFEST["modules"]


def test_the_manifest_carries_the_address(tmp_path: Path) -> None:
    write_app(f"{BASE}/", tmp_path / "app", ID)
    assert yaml.safe_load((tmp_path / "app" / "manifest.yml").read_text()) == MANIFEST
    assert MANIFEST["app"]["id"] == ID
    assert MANIFEST["remotes"][0]["baseUrl"] == BASE


def test_create_and_connect_lead_to_flagpost_with_the_issue() -> None:
    provider = MODULES["devops:featureFlagInfoProvider"][0]
    assert provider["actions"] == {
        "createFlag": {"urlTemplate": f"{BASE}/flags/new?issue={{issue.key}}&summary={{issue.summary}}"},
        "linkFlag": {"urlTemplate": f"{BASE}/flags/connect?issue={{issue.key}}&summary={{issue.summary}}"},
    }


def test_every_module_leads_to_an_endpoint_and_every_endpoint_is_used() -> None:
    background = [one["endpoint"] for kind in ("trigger", "scheduledTrigger", "preUninstall") for one in MODULES[kind]]
    pages = [one["resolver"]["endpoint"] for kind in ("jira:adminPage", "jira:issuePanel") for one in MODULES[kind]]
    routes = {one["key"]: one["route"]["path"] for one in MODULES["endpoint"]}
    assert routes == {name: f"/forge/{name}" for name in (*pages, *background)}


def test_every_endpoint_is_sent_the_apps_token_and_none_a_persons() -> None:
    for endpoint in MODULES["endpoint"]:
        assert endpoint["auth"] == {"appSystemToken": {"enabled": True}, "appUserToken": {"enabled": False}}


def test_whatever_makes_issues_come_go_or_change_is_heard_of() -> None:
    lifecycle, changes = MODULES["trigger"]
    assert lifecycle["events"] == ["avi:forge:installed:app", "avi:forge:upgraded:app"]
    issues = {f"avi:jira:{what}:issue" for what in ("created", "updated", "deleted")}
    verbs = ("updated", "deleted", "softdeleted", "restored", "archived", "unarchived")
    assert set(changes["events"]) == issues | {f"avi:jira:{what}:project" for what in verbs}


def test_the_app_asks_for_no_more_than_it_uses() -> None:
    flags = {f"{verb}:feature-flag-info:jira" for verb in ("read", "write", "delete")}
    assert set(MANIFEST["permissions"]["scopes"]) == flags | {"read:jira-work", "read:app-system-token"}
    assert list(MANIFEST["permissions"]) == ["scopes"]


def test_every_key_is_as_short_as_atlassian_wants_it() -> None:
    keyed = [*MANIFEST["remotes"], *MANIFEST["resources"], *(one for found in MODULES.values() for one in found)]
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,23}", one["key"]) for one in keyed)


def test_what_is_written_builds_what_the_manifest_names(tmp_path: Path) -> None:
    folder = tmp_path / "app"
    written = write_app(BASE, folder)
    assert all(path.is_file() for path in written)
    assert {path.relative_to(folder).parts[0] for path in written} == {
        "manifest.yml",
        "package.json",
        "README.md",
        "pages",
    }
    scripts = json.loads((folder / "package.json").read_text())["scripts"]
    assert scripts["prepare"] == "npm run build"
    for resource in MANIFEST["resources"]:
        assert f"--outdir={resource['path']} " in " ".join(scripts.values())


def test_the_sandbox_gets_the_same_pages_under_the_manifests_paths(tmp_path: Path) -> None:
    write_app(BASE, tmp_path / "app")
    files = page_files()
    assert {f"{one['path']}/index.html" for one in MANIFEST["resources"]} < set(files)
    for name, text in files.items():
        assert (tmp_path / "app" / name.replace("static/", "pages/", 1)).read_text() == text


def test_no_page_sets_html_or_leaves_its_folder_for_anything_but_what_they_share() -> None:
    for name, text in page_files().items():
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\sstyle=|\son\w+=\"", text), name
        assert all(path.startswith("../shared/") for path in re.findall(r"\.\./[\w/.-]+", text)), name


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://flags.example.com", "over https only"),
        ("flags.example.com", "not an address"),
        ("ftp://flags.example.com", "not an address"),
        ("https://", "not an address"),
        ("https://[bad", "not an address"),
        ("https://flags.example.com:port", "not an address"),
        ("https://flags.example.com:", "not an address"),
        ("https://flags .example.com", "not an address"),
        ("https://flags.example.com}", "not an address"),
        ("https://{flags}.example.com", "not an address"),
        ('https://flags.example.com"', "not an address"),
        ("https://flags.example.com'", "not an address"),
        ("https://flags..example.com", "not an address"),
        ("https://flägs.example.com", "not an address"),
        ("https://ada:secret@flags.example.com", "no user name and no password"),
        ("https://ada@flags.example.com", "no user name and no password"),
        ("https://flags.example.com/?a=1", "no \\? and no #"),
        ("https://flags.example.com/#top", "no \\? and no #"),
        ("https://flags.example.com/flagpost", "end with the host name"),
        ("https://flags.example.com//", "end with the host name"),
        ("https://localhost:8080", "cannot reach localhost"),
        ("https://127.0.0.1", "cannot reach 127.0.0.1"),
        ("https://[::1]:8080", "cannot reach ::1"),
        ("https://192.168.1.20", "only your own network"),
        ("https://127.1", "read as a number"),
        ("https://2130706433", "read as a number"),
        ("https://0x7f.1", "read as a number"),
        ("https://flags.0x7f000001", "read as a number"),
        ("https://127.0.0.1.", "not an address"),
        ("https://app.localhost", "another machine"),
        ("https://flagpost", "a name without a dot"),
        ("https://flags.local", "names in .local"),
        ("https://flags.eu.internal:8443", "names in .internal"),
        ("https://-flags.example.com", "not an address"),
        (f"https://{'x' * 64}.example.com", "not an address"),
        ("https://flags.example.com\\@evil.example", "not an address"),
        ("https://flags.\texample.com", "not an address"),
        (f"https://{'x' * 60}.{'y' * 60}.{'z' * 60}.example.com", "too long for Jira"),
    ],
)
def test_an_address_that_cannot_work_is_refused_and_writes_nothing(tmp_path: Path, address: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        write_app(address, tmp_path / "app")
    assert not (tmp_path / "app").exists()


@pytest.mark.parametrize(
    ("address", "carried"),
    [
        (" https://flags.example.com/ ", "https://flags.example.com"),
        ("HTTPS://Flags.Example.com", "https://flags.example.com"),
        ("https://flags.example.com:8443", "https://flags.example.com:8443"),
        ("https://203.0.114.7", "https://203.0.114.7"),
    ],
)
def test_an_address_is_carried_in_one_form(tmp_path: Path, address: str, carried: str) -> None:
    write_app(address, tmp_path / "app")
    manifest = yaml.safe_load((tmp_path / "app" / "manifest.yml").read_text())
    assert manifest["remotes"][0]["baseUrl"] == carried


@pytest.mark.parametrize(
    "address",
    [
        "http://localhost:8080",
        "http://127.0.0.1:8080",
        "https://localhost",
        "http://app.localhost:8080",
        "https://flagpost",
        "https://flags.internal",
    ],
)
def test_this_machine_and_this_network_are_let_through_for_trying(tmp_path: Path, address: str) -> None:
    write_app(address, tmp_path / "app", allow_localhost=True)
    assert f"baseUrl: {address}\n" in (tmp_path / "app" / "manifest.yml").read_text()


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://flags.example.com", "over https only"),
        ("http://flagpost", "over https only"),
        ("https://127.1", "read as a number"),
    ],
)
def test_trying_lets_nothing_else_through(tmp_path: Path, address: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        write_app(address, tmp_path / "app", allow_localhost=True)


def test_the_command_writes_the_app_and_says_what_is_next(tmp_path: Path) -> None:
    out = str(tmp_path / "app")
    done = CliRunner().invoke(
        command_line, ["forge-app", "--base-url", "http://localhost:8080", "--out", out, "--allow-localhost"]
    )
    assert done.exit_code == 0, done.output
    assert "manifest.yml" in done.output
    assert "README.md" in done.output


def test_an_app_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    write_app(BASE, tmp_path / "app")
    (tmp_path / "app" / "manifest.yml").write_text("registered")
    with pytest.raises(Conflict):
        write_app(BASE, tmp_path / "app")
    assert (tmp_path / "app" / "manifest.yml").read_text() == "registered"
