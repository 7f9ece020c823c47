"""The prose check: what it reads of each kind of file, what it leaves alone, and that its words are well formed."""

from pathlib import Path

import pytest
from tools.prose import files, findings, rules

RULES = rules()


def found(name: str, text: str) -> list[tuple[int, str]]:
    return [(one.line, one.words) for one in findings(Path(name), text, RULES)]


def test_a_page_is_read_without_its_code_and_its_link_targets() -> None:
    page = "Somebody saves.\n\n```\nnobody\n```\nThe command `drift` and [a page](drift.md).\nHere it was\ntold so."
    assert found("a.md", page) == [(1, "Somebody"), (7, "was told")]


def test_of_a_module_docstrings_comments_and_messages_are_read_and_names_are_not() -> None:
    module = (
        '"""The same as before."""\n'
        "nobody = drift = 1  # whoever asks\n"
        'DRIFT, KEY = "drift", f"nobody {nobody} saved"\n'
        "# It hears\n"
        "# of a change.\n"
    )
    assert found("a.py", module) == [(1, "The same"), (3, "nobody"), (2, "whoever"), (4, "hears # of")]


def test_the_same_is_refused_at_the_start_of_a_docstring_alone() -> None:
    assert found("a.py", 'def same():\n    """The same again."""\n    return "The same as it was"\n') == [
        (2, "The same")
    ]


def test_words_that_two_rules_refuse_are_counted_once() -> None:
    assert found("a.md", "A log of what Jira was told.") == [(1, "log of what Jira was told")]


def test_a_template_is_read_without_its_statements() -> None:
    assert found("a.html", "{% if nobody %}\n<p title='Drift'>Nobody</p>{{ one.drift }}") == [
        (2, "Drift"),
        (2, "Nobody"),
    ]


@pytest.mark.parametrize("text", ["reset of the quota", "It reached Jira.", "hearing-aid offers", "read the back page"])
def test_words_that_look_alike_are_left_alone(text: str) -> None:
    assert found("a.md", text) == []


def test_pages_source_and_templates_are_among_what_is_checked_and_vendored_files_are_not() -> None:
    checked = files([])
    for one in (
        "README.md",
        "docs/explanation/delivery.md",
        "src/flagpost/cli.py",
        "src/flagpost/web/templates/page.html",
    ):
        assert Path(one) in checked
    assert not [path for path in checked if "vendor" in path.parts]


def test_a_path_narrows_the_check_to_what_is_below_it() -> None:
    assert files(["docs/explanation/delivery.md"]) == [Path("docs/explanation/delivery.md")]
    assert set(files(["docs"])) < set(files([]))
