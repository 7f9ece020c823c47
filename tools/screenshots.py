"""Take the pictures of the README and the tour anew, from the demo's world in a real browser."""

import sys
from pathlib import Path

from chromium import HOW, LAUNCH, find
from playwright.sync_api import Browser, Page, sync_playwright

from flagpost.commands.demo import EMAIL, PASSWORD, Demo, running_demo

IMAGES = Path(__file__).parents[1] / "docs" / "images"
WINDOW = {"width": 1180, "height": 720}


def sign_in(page: Page, show: Demo) -> str:
    """Sign in and go to the shop's flags; the address of the flag that the pictures show."""
    page.goto(show.flagpost.settings.public_url)
    page.get_by_label("Email").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Switch project").click()
    page.get_by_role("link", name="Web shop").click()
    flag = page.get_by_role("link", name="new_checkout").get_attribute("href")
    return f"{show.flagpost.settings.public_url}{flag}"


def take(browser: Browser, show: Demo) -> None:
    """Every picture."""
    page = browser.new_page(viewport=WINDOW)
    flag = sign_in(page, show)
    page.screenshot(path=IMAGES / "flags.png")
    page.goto(f"{flag}/definition")
    page.screenshot(path=IMAGES / "definition.png")
    page.goto(f"{show.flagpost.settings.public_url}/admin/integrations?tab=configured")
    page.screenshot(path=IMAGES / "integration.png")
    page.goto(f"{flag}/integrations")
    console = page.screenshot()
    page.goto(f"{show.sandbox.url}/browse/WEB-1")
    page.frame_locator("iframe").get_by_text("Link your Flagpost account").scroll_into_view_if_needed()
    page.locator(".status").hover()
    jira = page.screenshot()
    page.get_by_role("button", name="2 feature flags").click()
    page.screenshot(path=IMAGES / "issue.png")
    side_by_side(browser, console, jira)


def side_by_side(browser: Browser, *pictures: bytes) -> None:
    """One picture of two."""
    import base64

    images = "".join(f'<img src="data:image/png;base64,{base64.b64encode(one).decode()}">' for one in pictures)
    style = "body{margin:0;display:flex;gap:16px;padding:16px;background:#dfe1e6}img{width:880px;border-radius:8px}"
    page = browser.new_page(viewport={"width": 1808, "height": 570})
    page.set_content(f"<style>{style}</style>{images}")
    page.screenshot(path=IMAGES / "flag-and-issue.png")


def main() -> None:
    """Start the demo's world, and take them."""
    program = find()
    if program is None:
        sys.exit(HOW)
    IMAGES.mkdir(parents=True, exist_ok=True)
    with running_demo() as show, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=LAUNCH)
        take(browser, show)
        browser.close()
    print(f"Pictures are in {IMAGES}")


if __name__ == "__main__":
    main()
