"""The secrets that are kept, and the keys they are encrypted with (`FLAGPOST_SECRET_KEYS`)."""

from flagpost.actions.context import Context
from flagpost.store.jira import credentials


def encrypt_with_newest_key(ctx: Context) -> int:
    """Encrypt every secret with the newest key that is not yet; how many were. Older keys may be dropped then."""
    with ctx.db.read() as tx:
        kept = credentials.encrypted(tx)
    renewed = [(column, id, stored, ctx.box.renewed(stored)) for column, id, stored in kept]
    changed = [(column, id, old, new) for column, id, old, new in renewed if new is not None]
    if changed:
        with ctx.db.write() as tx:
            for column, id, old, new in changed:
                credentials.replace_encrypted(tx, column, id, old, new)
    return len(changed)


def count_unreadable(ctx: Context) -> int:
    """How many secrets no key of today fits: they have to be entered again."""
    with ctx.db.read() as tx:
        return sum(ctx.box.decrypt(stored) is None for _, _, stored in credentials.encrypted(tx))
