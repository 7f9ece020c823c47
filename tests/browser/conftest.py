"""A real Chromium in front of both sides: the console and the Jira sandbox."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from flagpost.actions.access import Actor
from flagpost.actions.accounts import sessions
from flagpost.actions.context import Context
from flagpost.app import running
from flagpost.commands.demo import EMAIL, PASSWORD, Demo, running_demo
from flagpost.commands.forge_app import page_files
from flagpost.jira.manifest import forge_manifest
from flagpost.settings import load
from jira_sandbox.embedded import Sandbox
from tests.end_to_end.world import APP_ID, World, environment

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
from chromium import LAUNCH, find  # type: ignore[import-not-found]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    program = find()
    if program is None:
        pytest.fail("No Chromium is installed. Run: make test (it installs one), or .venv/bin/python tools/chromium.py")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=LAUNCH)
        yield browser
        browser.close()


@dataclass
class Desk:
    """Somebody in front of both sides. `console` and `jira` are addresses, `page` is the browser's tab."""

    page: Page
    world: World
    flagpost: Context
    admin: Actor

    @property
    def console(self) -> str:
        return self.world.url

    @property
    def sandbox(self) -> Sandbox:
        return self.world.sandbox

    @property
    def jira(self) -> str:
        return self.world.sandbox.url

    def sign_in(self) -> None:
        self.page.goto(f"{self.console}/")
        self.fill_sign_in()

    def fill_sign_in(self) -> None:
        self.page.get_by_label("Email").fill(EMAIL)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Sign in").click()

    def flag_page(self, name: str, tab: str = "definition") -> None:
        found = self.world.call("GET", f"/internal/api/v2/splits/ws/{self.world.workspace()}/{name}")
        self.page.goto(f"{self.console}/projects/{self.world.workspace()}/flags/{found['id']}/{tab}")

    def issue_page(self, key: str) -> None:
        self.page.goto(f"{self.jira}/browse/{key}")

    def install_app(self) -> None:
        self.world.install()


@pytest.fixture
def browser_tab(chromium: Browser) -> Iterator[Page]:
    context: BrowserContext = chromium.new_context(viewport={"width": 1280, "height": 860})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    context.set_default_timeout(15_000)
    page = context.new_page()
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.on("console", lambda said: failures.append(said.text) if "Content Security Policy" in said.text else None)
    yield page
    context.close()
    assert failures == []


@pytest.fixture
def desk(browser_tab: Page, sandbox: Sandbox, sqlite_url: str) -> Iterator[Desk]:
    """Ada Admin is signed in; the integration is not set up; the app waits in the sandbox's Marketplace."""
    values = {n.removeprefix("FLAGPOST_").lower(): v for n, v in environment(sandbox, sqlite_url).items()}
    with running(load(port=0, sweep_seconds=0.2, log_level="error", **values)) as ctx:
        link = sessions.first_admin_link(ctx)
        assert link
        token = sessions.create_first_admin(
            ctx, link.rpartition("/")[2], email=EMAIL, name="Ada Admin", password=PASSWORD
        )
        ada = sessions.signed_in(ctx, token)
        assert ada
        world = World(ctx.settings.public_url, sandbox)
        found = Desk(browser_tab, world, ctx, ada.actor)
        sandbox.offer(forge_manifest(world.url, APP_ID), page_files())
        found.sign_in()
        yield found
        world.close()


@pytest.fixture
def connected(desk: Desk) -> Desk:
    """The same, with the integration set up and the app configured."""
    desk.world.connect_jira()
    return desk


@pytest.fixture(scope="module")
def show() -> Iterator[Demo]:
    """The demo's world: full of flags. Tests that use it change nothing."""
    with running_demo() as found:
        yield found
