"""Segments in a real browser: a file with a bar that shows how far it is, and names that are suggested while typing."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Desk

pytestmark = pytest.mark.browser


@pytest.fixture
def crowd(desk: Desk) -> str:
    """The address of a segment that is in production."""
    workspace = desk.world.workspace()
    environments = desk.world.call("GET", f"/internal/api/v2/environments/ws/{workspace}")
    live = next(one["id"] for one in environments if one["production"])
    desk.world.call("POST", f"/internal/api/v2/segments/ws/{workspace}/trafficTypes/user", json={"name": "crowd"})
    desk.world.call("POST", f"/internal/api/v2/segments/{live}/crowd")
    return f"{desk.console}/projects/{workspace}/segments/crowd?environment={live}"


def test_a_hundred_thousand_keys_are_uploaded_with_progress(desk: Desk, crowd: str, tmp_path: Path) -> None:
    file = tmp_path / "keys.csv"
    file.write_text("\n".join(f"user-{number}" for number in range(100_000)))
    page = desk.page
    page.goto(crowd)
    expect(page.get_by_role("progressbar", name="Upload")).to_be_hidden()
    page.get_by_label("File", exact=True).set_input_files(file)
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("progressbar", name="Upload")).to_be_visible()
    expect(page.get_by_text("100,000 of at most 100,000")).to_be_visible(timeout=60_000)


def test_a_file_with_a_wrong_line_says_so_without_leaving_the_page(desk: Desk, crowd: str, tmp_path: Path) -> None:
    file = tmp_path / "keys.csv"
    file.write_text("ada\nbob,eve\n")
    page = desk.page
    page.goto(crowd)
    page.get_by_label("Keys, one a line").fill("typed before")
    page.get_by_label("File", exact=True).set_input_files(file)
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("alert")).to_contain_text("line 2: A line has one key")
    expect(page.get_by_label("Keys, one a line")).to_have_value("typed before")
    expect(page.get_by_role("button", name="Upload")).to_be_enabled()


def test_the_editor_suggests_segments_while_one_types(desk: Desk, crowd: str) -> None:
    workspace = desk.world.workspace()
    for number in range(60):
        name = {"name": f"segment{number:02}"}
        desk.world.call("POST", f"/internal/api/v2/segments/ws/{workspace}/trafficTypes/user", json=name)
    desk.world.call("POST", f"/internal/api/v2/splits/ws/{workspace}/trafficTypes/user", json={"name": "pay"})
    desk.flag_page("pay", "definition?initiate=new")
    page = desk.page
    page.get_by_role("button", name="Add rule").click()
    page.get_by_label("Matcher", exact=True).select_option("IN_SEGMENT")
    field = page.get_by_label("Segment", exact=True)
    expect(page.locator("#segment-names option")).to_have_count(50)
    field.press_sequentially("t59")
    expect(page.locator("#segment-names option")).to_have_count(1)
    expect(page.locator("#segment-names option")).to_have_attribute("value", "segment59")
    field.fill("segment59")
    page.get_by_role("button", name="Review changes").click()
    expect(page.locator(".problem")).to_contain_text("no segment “segment59” in Production")
