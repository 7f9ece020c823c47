"""Reads which issues a user means: keys in any case, numeric ids, pasted addresses, several at once."""

import re
from urllib.parse import parse_qs, urlsplit

from flagpost.errors import Problem

_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,253}-[1-9][0-9]{0,17}")
_ID = re.compile(r"[1-9][0-9]{0,17}")
_SEPARATORS = re.compile(r"[\s,;]+")
MAX_ISSUES_AT_ONCE = 100


def parse_issue_refs(text: str) -> tuple[list[str], list[Problem]]:
    """The issues named in `text`, in order and without duplicates, and a problem for every part that names none.

    Keys are returned in upper case. The key in an issue's address can be in the path (``/browse/PAY-1``) or in the
    query (``?selectedIssue=PAY-1``).
    """
    refs: list[str] = []
    problems: list[Problem] = []
    for part in filter(None, _SEPARATORS.split(text)):
        ref = _read(part)
        if ref is None:
            problems.append(Problem("issues", f"“{part[:80]}” is not an issue key. An issue key looks like PAY-12."))
        elif ref not in refs:
            refs.append(ref)
    if not refs and not problems:
        problems.append(Problem("issues", "Enter an issue key, for example PAY-12."))
    if len(refs) > MAX_ISSUES_AT_ONCE:
        problems.append(Problem("issues", f"At most {MAX_ISSUES_AT_ONCE} issues at once."))
    return refs, problems


def is_issue_key(text: str) -> bool:
    """Whether a text is an issue's key, in any case."""
    return _KEY.fullmatch(text) is not None


def is_issue_id(text: str) -> bool:
    """Whether a text is an issue's numeric id."""
    return _ID.fullmatch(text) is not None


def _read(part: str) -> str | None:
    if "://" in part:
        return _from_address(part)
    part = part.strip("\"'()[]<>.").removeprefix("#")
    return part.upper() if is_issue_key(part) or is_issue_id(part) else None


def _from_address(address: str) -> str | None:
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    candidates = [*parse_qs(parts.query).get("selectedIssue", []), *reversed(parts.path.split("/"))]
    return next((part.upper() for part in candidates if is_issue_key(part)), None)
