"""The keys of a segment in an environment: looking, adding, replacing, removing; up to a hundred thousand at once.

Every call is all or nothing: one key that cannot be one, and nothing has changed.
"""

import csv
import io
from collections.abc import Collection, Iterable

from flagpost.actions.access import Actor, Right
from flagpost.actions.approvals import require_direct_change
from flagpost.actions.context import Context
from flagpost.actions.lookup import get_visible_project_and_environment, get_visible_segment
from flagpost.actions.segments.segments import SegmentPlace, lock_segment
from flagpost.actions.unit_of_work import NO_SUMMARY, Change, Summary, transactional
from flagpost.errors import InvalidInput, NotFound, Problem
from flagpost.flags.naming_rules import key_problem
from flagpost.flags.targeting import SegmentKind
from flagpost.store.records import Page
from flagpost.store.segments import keys as segment_keys
from flagpost.store.segments import segments

MAX_KEYS = 100_000  # of one segment in one environment
MAX_SHOWN_PROBLEMS = 20
MADE_OF_KEYS = (SegmentKind.STANDARD, SegmentKind.LARGE)


def list_keys(
    ctx: Context, actor: Actor, environment: str, segment: str, *, text: str = "", offset: int = 0, limit: int = 100
) -> Page[str]:
    """A segment's keys that contain `text`, in order."""
    actor.require(Right.VIEW_SEGMENTS)
    with ctx.db.read() as tx:
        project, place = get_visible_project_and_environment(tx, actor, environment)
        definition = segments.find_definition(tx, place.id, segment)
        if definition is None or definition.segment.kind not in MADE_OF_KEYS:
            get_visible_segment(tx, project, segment, MADE_OF_KEYS)
            raise NotFound(f"“{segment}” is not in {place.name}.")
        return segment_keys.page(tx, definition.id, text, offset, limit)


@transactional
def add_keys(
    change: Change,
    environment: str,
    segment: str,
    keys: Collection[str],
    summary: Summary = NO_SUMMARY,
    *,
    replace: bool = False,
    kinds: Collection[SegmentKind] = (SegmentKind.STANDARD,),
) -> int:
    """Add keys; with `replace`, the segment has exactly these afterwards. How many were not in it before."""
    change.actor.require(Right.EDIT_SEGMENTS)
    _require_keys(keys)
    there = lock_segment(change, environment, segment, kinds)
    require_direct_change(change.tx, change.actor, there.environment, there.segment.id)
    return put_keys(change, there, keys, summary, replace=replace)


def put_keys(change: Change, there: SegmentPlace, keys: Collection[str], summary: Summary, *, replace: bool) -> int:
    """Within a change: add keys to a locked segment, or replace its keys. How many were not in it before."""
    wanted, present = set(keys), segment_keys.present(change.tx, there.definition.id)
    added, removed = wanted - present, (present - wanted if replace else set())
    total = len(present) + len(added) - len(removed)
    if total > MAX_KEYS:
        names = f"“{there.segment.name}” would have {total:,} keys in {there.environment.name}"
        raise InvalidInput(f"{names}; it can have {MAX_KEYS:,}.", "keys")
    _apply(change, there, added, removed, summary)
    return len(added)


@transactional
def remove_keys(
    change: Change,
    environment: str,
    segment: str,
    keys: Collection[str],
    summary: Summary = NO_SUMMARY,
    *,
    kinds: Collection[SegmentKind] = (SegmentKind.STANDARD,),
) -> int:
    """Take keys out; those that are not in it are left alone. How many were taken out."""
    change.actor.require(Right.EDIT_SEGMENTS)
    _require_keys(keys)
    there = lock_segment(change, environment, segment, kinds)
    require_direct_change(change.tx, change.actor, there.environment, there.segment.id)
    return drop_keys(change, there, keys, summary)


def drop_keys(change: Change, there: SegmentPlace, keys: Collection[str] | None, summary: Summary) -> int:
    """Within a change: take keys out of a locked segment; None takes out every key. How many were taken out."""
    present = segment_keys.present(change.tx, there.definition.id)
    removed = present if keys is None else present & set(keys)
    _apply(change, there, set(), removed, summary)
    return len(removed)


def _apply(change: Change, there: SegmentPlace, added: set[str], removed: set[str], summary: Summary) -> None:
    if not added and not removed:
        return
    segment_keys.change(change.tx, there.definition, added, removed, change.actor.name, change.now)
    after = {"keysAdded": _in_words(added), "keysRemoved": _in_words(removed)}
    shown = {name: text for name, text in after.items() if text}
    change.saved("changed_keys", there.subject, after=shown, summary=summary)


def _in_words(keys: set[str]) -> str:
    """A few keys whole, many as a number: the log is for people."""
    first = ", ".join(sorted(keys)[:5])
    return f"{len(keys):,} keys: {first}, …" if len(keys) > 5 else first


def _require_keys(keys: Collection[str]) -> None:
    if len(keys) > MAX_KEYS:
        raise InvalidInput(f"A segment has at most {MAX_KEYS:,} keys; these are {len(keys):,}.", "keys")
    require_valid_keys(keys)


def require_valid_keys(keys: Iterable[str]) -> None:
    """InvalidInput, naming the first of those that cannot be keys."""
    problems = []
    for number, key in enumerate(keys):
        if problem := key_problem(key):
            problems.append(Problem(f"keys[{number}]", problem))
        if len(problems) == MAX_SHOWN_PROBLEMS:
            break
    if problems:
        raise InvalidInput(problems)


def keys_of_csv(content: bytes) -> list[str]:
    """The keys in a file: one a line, no header, in quotes where it has a comma. InvalidInput names the wrong lines."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidInput("The file is not text in UTF-8.") from None
    keys: list[str] = []
    problems: list[Problem] = []
    rows = csv.reader(io.StringIO(text, newline=""))
    try:
        for row in rows:
            if any(row):
                _note_row(row, rows.line_num, keys, problems)
    except csv.Error as error:
        problems.append(Problem(f"line {rows.line_num}", str(error)))
    if problems:
        raise InvalidInput(problems[:MAX_SHOWN_PROBLEMS])
    return keys


def _note_row(row: list[str], line: int, keys: list[str], problems: list[Problem]) -> None:
    key = row[0].strip()
    if len(row) > 1:
        problems.append(Problem(f"line {line}", "A line has one key; put a key that has a comma in quotes."))
    elif problem := key_problem(key):
        problems.append(Problem(f"line {line}", problem))
    else:
        keys.append(key)
