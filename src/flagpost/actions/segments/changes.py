"""What changed in a segment's keys, for the applications that keep a copy of them."""

from flagpost.actions.context import Context
from flagpost.store.segments import keys
from flagpost.store.segments.keys import KeyChanges
from flagpost.store.segments.segments import SegmentDefinition


def list_key_changes(ctx: Context, definition: SegmentDefinition, since: int) -> KeyChanges:
    """The keys added to and removed from a segment in one environment after change number `since`; -1 lists all keys.

    The caller has checked the SDK key: an application may read every segment of its environment.
    """
    with ctx.db.read() as tx:
        return keys.changed_since(tx, definition, since)
