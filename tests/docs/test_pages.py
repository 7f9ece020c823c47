"""The pages: links and named files exist, lines stay short, and every decision has its date and status."""

import re
from pathlib import Path

import pytest

from tests.conftest import ROOT

ABOVE = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "sandbox/README.md")]
PAGES = [*ABOVE, *sorted((ROOT / "docs").rglob("*.md"))]
DECISIONS = sorted((ROOT / "docs/decisions").glob("0*.md"))
LONGEST_LINE = 120
#: Where a path in a code span may begin.
ROOTS = (ROOT, ROOT / "src/flagpost", ROOT / "sandbox/src/jira_sandbox")


each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
each_decision = pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.stem)


@each_page
def test_every_link_leads_somewhere(page: Path) -> None:
    text = page.read_text()
    inline = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
    named = re.findall(r"^\[[^\]]+\]: ([^#\s]+)", text, re.MULTILINE)
    for target in (*inline, *named):
        if not target.startswith(("http:", "https:")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


@each_page
def test_every_anchor_of_a_link_is_a_heading(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", page.read_text()):
        headings = re.findall(r"^#+ (.+)$", (page.parent / target if target else page).read_text(), re.MULTILINE)
        anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}
        assert anchor in anchors, f"{page.name}: {target}#{anchor}"


@each_page
def test_every_named_file_of_the_source_exists(page: Path) -> None:
    """Those named with their folder; NNNN stands for a number to come."""
    for named in re.findall(r"`((?:[\w-]+/)+[\w-]+\.(?:py|html|toml|yaml|css|js))`", page.read_text()):
        known = "NNNN" in named or any((root / named).exists() for root in ROOTS)
        assert known, f"{page.name}: {named}"


@each_page
def test_no_line_is_longer_than_a_screen_is_wide(page: Path) -> None:
    """But for a row of a reference table, which Markdown cannot break and which tests compare with the code."""
    long = [
        (number, len(line))
        for number, line in enumerate(page.read_text().splitlines(), 1)
        if len(line) > LONGEST_LINE and not (line.startswith("|") and page.parent.name == "reference")
    ]
    assert not long, f"{page.relative_to(ROOT)}: (line, characters) {long}"


@each_page
def test_nothing_speaks_of_this_machine(page: Path) -> None:
    assert not re.search(r"/(home|root|work|tmp)/\w", page.read_text())


@each_decision
def test_a_decision_has_a_date_and_a_status(page: Path) -> None:
    number, line = int(page.stem[:4]), page.read_text().splitlines()[2]
    assert page.read_text().startswith(f"# {number}. ")
    assert re.match(r"Date: \d{4}-\d\d-\d\d.* · Status: (accepted|replaced by|rejected)", line), line


@each_decision
def test_a_decision_is_in_the_list_of_decisions_with_its_title(page: Path) -> None:
    number, _, title = page.read_text().splitlines()[0].removeprefix("# ").partition(". ")
    listed = (page.parent / "README.md").read_text()
    assert f"| {number} | [{title}][{number}] |" in listed
    assert f"[{number}]: {page.name}" in listed
