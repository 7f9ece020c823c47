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
from flagpost.actions.segments.segments import reach_to_change, record_segment
from flagpost.errors import InvalidInput, NotFound, Problem
from flagpost.flags.naming_rules import key_problem
from flagpost.flags.targeting import SegmentKind
from flagpost.store.db import Transaction
from flagpost.store.records import Environment, Page
from flagpost.store.segments import keys as segment_keys
from flagpost.store.segments import segments
from flagpost.store.segments.segments import SegmentDefinition

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


def add_keys(
    ctx: Context,
    actor: Actor,
    environment: str,
    segment: str,
    keys: Collection[str],
    *,
    replace: bool = False,
    title: str = "",
    comment: str = "",
    kinds: Collection[SegmentKind] = (SegmentKind.STANDARD,),
) -> int:
    """Put keys in; with `replace`, exactly these are in it then. How many were added that were not there."""
    actor.require(Right.EDIT_SEGMENTS)
    _require_keys(keys)
    now = ctx.clock()
    with ctx.db.write() as tx:
        _, place, definition = reach_to_change(tx, actor, environment, segment, kinds)
        require_direct_change(tx, actor, place, definition.segment.id)
        return put_keys(tx, actor, now, place, definition, keys, replace, title, comment)


def put_keys(
    tx: Transaction,
    actor: Actor,
    now: int,
    place: Environment,
    definition: SegmentDefinition,
    keys: Collection[str],
    replace: bool,
    title: str = "",
    comment: str = "",
) -> int:
    """The same within a transaction that does more, and holds the definition's lock."""
    wanted, there = set(keys), segment_keys.present(tx, definition.id)
    added, removed = wanted - there, (there - wanted if replace else set())
    total = len(there) + len(added) - len(removed)
    if total > MAX_KEYS:
        name = definition.segment.name
        raise InvalidInput(f"“{name}” would have {total:,} keys in {place.name}; it can have {MAX_KEYS:,}.", "keys")
    _apply(tx, actor, now, place, definition, added, removed, title, comment)
    return len(added)


def remove_keys(
    ctx: Context,
    actor: Actor,
    environment: str,
    segment: str,
    keys: Collection[str],
    *,
    title: str = "",
    comment: str = "",
    kinds: Collection[SegmentKind] = (SegmentKind.STANDARD,),
) -> int:
    """Take keys out; those that are not in it are left alone. How many were taken out."""
    actor.require(Right.EDIT_SEGMENTS)
    _require_keys(keys)
    now = ctx.clock()
    with ctx.db.write() as tx:
        _, place, definition = reach_to_change(tx, actor, environment, segment, kinds)
        require_direct_change(tx, actor, place, definition.segment.id)
        return drop_keys(tx, actor, now, place, definition, keys, title, comment)


def drop_keys(
    tx: Transaction,
    actor: Actor,
    now: int,
    place: Environment,
    definition: SegmentDefinition,
    keys: Collection[str] | None,
    title: str = "",
    comment: str = "",
) -> int:
    """The same within a transaction that does more, and holds the definition's lock; None takes out every key."""
    present = segment_keys.present(tx, definition.id)
    removed = present if keys is None else present & set(keys)
    _apply(tx, actor, now, place, definition, set(), removed, title, comment)
    return len(removed)


def _apply(
    tx: Transaction,
    actor: Actor,
    now: int,
    place: Environment,
    definition: SegmentDefinition,
    added: set[str],
    removed: set[str],
    title: str,
    comment: str,
) -> None:
    if not added and not removed:
        return
    segment_keys.change(tx, definition, added, removed, actor.name, now)
    after = {"keysAdded": _in_words(added), "keysRemoved": _in_words(removed)}
    shown = {name: text for name, text in after.items() if text}
    record_segment(tx, actor, now, definition.segment, "changed_keys", place, after=shown, title=title, comment=comment)


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
