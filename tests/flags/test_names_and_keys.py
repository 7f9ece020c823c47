"""What things may be called, and reading issue keys from whatever people paste."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagpost.flags.issue_keys import parse_issue_refs
from flagpost.flags.naming_rules import email_problem, flag_name_problem, title_problem, treatment_name_problem


@pytest.mark.parametrize("name", ["a", "Pay-now_2", "x" * 100])
def test_good_flag_names(name: str) -> None:
    assert flag_name_problem(name) is None


@pytest.mark.parametrize("name", ["", "9lives", "-a", "a b", "a.b", "ä", "x" * 101, "datetime", "String", "a\n"])
def test_bad_flag_names(name: str) -> None:
    assert flag_name_problem(name)


@pytest.mark.parametrize("name", ["", "control", "Control", "-on", "on off", "x" * 101])
def test_bad_treatment_names(name: str) -> None:
    assert treatment_name_problem(name)


@pytest.mark.parametrize("name", ["", "   ", "x" * 101, "a/b", "a\u0000b", "a\nb"])
def test_bad_titles(name: str) -> None:
    assert title_problem(name, "project")


@pytest.mark.parametrize("email", ["", "ada", "@", "a b@c", "ada@", "x" * 250 + "@e.com", "a\n@b"])
def test_bad_emails(email: str) -> None:
    assert email_problem(email)


@pytest.mark.parametrize(
    ("text", "refs"),
    [
        ("PAY-1", ["PAY-1"]),
        ("pay-1", ["PAY-1"]),
        ("PAY-1, web-2;MOB-3\nPAY-1", ["PAY-1", "WEB-2", "MOB-3"]),
        ("10001", ["10001"]),
        ("https://team.atlassian.net/browse/PAY-7", ["PAY-7"]),
        ("https://team.atlassian.net/browse/pay-7?focusedId=3#x", ["PAY-7"]),
        ("https://team.atlassian.net/jira/software/projects/PAY/boards/1?selectedIssue=PAY-9", ["PAY-9"]),
        ("(PAY-1)", ["PAY-1"]),
        ("A2_B-10", ["A2_B-10"]),
    ],
)
def test_issues_are_read_from_what_users_paste(text: str, refs: list[str]) -> None:
    assert parse_issue_refs(text) == (refs, [])


@pytest.mark.parametrize("text", ["", "PAY", "PAY-0", "1-PAY", "PAY-1x", "https://example.com/", "PAY--1"])
def test_a_text_without_an_issue_is_a_problem(text: str) -> None:
    refs, problems = parse_issue_refs(text)
    assert refs == []
    assert problems


def test_too_many_issues_at_once_are_a_problem() -> None:
    _, problems = parse_issue_refs(" ".join(f"PAY-{n}" for n in range(1, 102)))
    assert "At most 100" in problems[0].message


@given(st.text())
def test_every_part_of_any_text_is_a_key_or_a_problem(text: str) -> None:
    refs, problems = parse_issue_refs(text)
    assert refs or problems
    assert len(refs) == len(set(refs))
