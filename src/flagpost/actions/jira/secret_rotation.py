"""Stored secrets, and the keys that they are encrypted with (`FLAGPOST_SECRET_KEYS`)."""

from collections.abc import Sequence
from typing import Any

from flagpost.actions.access import NO_ACCOUNT, system
from flagpost.actions.context import Context
from flagpost.actions.unit_of_work import Change, transactional
from flagpost.store.jira import credentials


def encrypt_with_newest_key(ctx: Context) -> int:
    """Encrypt every secret with the newest key that is not yet; how many were. Older keys may be dropped then."""
    with ctx.db.read() as tx:
        stored = credentials.encrypted(tx)
    renewed = [(column, id, old, ctx.box.renewed(old)) for column, id, old in stored]
    changed = [one for one in renewed if one[3] is not None]
    if changed:
        _store(ctx, system(NO_ACCOUNT), changed)
    return len(changed)


@transactional
def _store(change: Change, changed: Sequence[tuple[Any, str, bytes, Any]]) -> None:
    """Store secrets anew, but for those that were replaced since they were read."""
    for column, id, old, new in changed:
        credentials.replace_encrypted(change.tx, column, id, old, new)


def count_unreadable(ctx: Context) -> int:
    """How many secrets none of the keys decrypts: they have to be entered again."""
    with ctx.db.read() as tx:
        return sum(ctx.box.decrypt(stored) is None for _, _, stored in credentials.encrypted(tx))
