"""What changed in an environment after a number, as its applications are served it."""

from dataclasses import dataclass

from flagpost.flags.targeting import SegmentKind
from flagpost.store.db import Transaction
from flagpost.store.flags import change_log, flag_sets
from flagpost.store.flags.change_log import ChangedFlag
from flagpost.store.segments import keys as segment_keys
from flagpost.store.segments import segments
from flagpost.store.segments.segments import SegmentDefinition


@dataclass(frozen=True, slots=True)
class ChangedKeys:
    """A segment of keys, with all of its keys."""

    definition: SegmentDefinition
    keys: frozenset[str]


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed after a number. `number` is the last change that is included."""

    number: int
    flags: list[ChangedFlag]
    flag_sets: dict[str, str]
    rule_based: list[SegmentDefinition]
    keys: list[ChangedKeys]


def read(tx: Transaction, project_id: str, environment_id: str, since: int) -> Changes:
    """Everything that changed in an environment after this number; all of the environment with -1.

    It takes several queries: call it in one read transaction, which sees the state of one moment.
    """
    number = change_log.numbers(tx, [environment_id]).get(environment_id, -1)
    flags = change_log.since(tx, environment_id, since)
    named = {set_id for flag in flags for set_id in flag.flag_set_ids}
    of_keys = [
        _keys(tx, one)
        for kind in (SegmentKind.STANDARD, SegmentKind.LARGE)
        for one in segments.changed_since(tx, environment_id, kind, since)
    ]
    return Changes(
        number,
        flags,
        flag_sets.names_of(tx, project_id, named),
        list(segments.changed_since(tx, environment_id, SegmentKind.RULE_BASED, since)),
        of_keys,
    )


def _keys(tx: Transaction, definition: SegmentDefinition) -> ChangedKeys:
    return ChangedKeys(definition, frozenset(segment_keys.present(tx, definition.id)))
