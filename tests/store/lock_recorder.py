"""Notes which tables a transaction locks rows of, and complains where it leaves the order of `flagpost.store.locks`.

It reads the statements that SQLAlchemy sends: rows are locked by SELECT … FOR …, UPDATE, DELETE, and by an INSERT that
may turn into an update. It compares tables and not rows, so it accepts a table that the transaction locked before.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from flagpost.store.locks import LOCK_ORDER

_COVERS = {"flags": "definitions"}  # whoever holds the first may write the second (`flagpost.store.flags.definitions`)
_RANK = {table: rank for rank, table in enumerate(LOCK_ORDER)}
_SELECT = re.compile(r"\bFROM (\w+)\b.*\bFOR (?:UPDATE|SHARE|NO KEY UPDATE|KEY SHARE)", re.DOTALL)
_OF = re.compile(r"\bFOR (?:UPDATE|SHARE|NO KEY UPDATE|KEY SHARE) OF ([\w, ]+?)(?= FOR |$)")
_WRITE = re.compile(r"^\s*(?:UPDATE|DELETE FROM) (\w+)")
_INSERT = re.compile(r"^\s*INSERT INTO (\w+)\b(?!.*\bDO UPDATE\b)", re.DOTALL)
_UPSERT = re.compile(r"^\s*INSERT INTO (\w+)\b.*\bON CONFLICT\b.*\bDO UPDATE\b", re.DOTALL)


def tables_locked_by(statement: str) -> list[str]:
    """The tables whose rows a statement locks, in the order in which it names them."""
    for pattern in (_WRITE, _UPSERT):
        if found := pattern.match(statement):
            return [found[1]]
    if named := _OF.findall(statement):
        return [table.strip() for names in named for table in names.split(",")]
    found = _SELECT.search(statement)
    return [found[1]] if found else []


@dataclass
class LockRecorder:
    """The transactions of an engine: which tables each has locked so far, and what broke the order."""

    broken: list[str] = field(default_factory=list)
    _locked: dict[int, list[str]] = field(default_factory=dict)
    _inserted: dict[int, set[str]] = field(default_factory=dict)

    def begin(self, connection: Connection) -> None:
        """A transaction begins."""
        self._locked[id(connection.connection.dbapi_connection)] = []
        self._inserted[id(connection.connection.dbapi_connection)] = set()

    def note(self, connection: Connection, _cursor: Any, statement: str, *_rest: Any) -> None:
        """A statement is about to run."""
        held = self._locked.setdefault(id(connection.connection.dbapi_connection), [])
        inserted = self._inserted.setdefault(id(connection.connection.dbapi_connection), set())
        if new := _INSERT.match(statement):
            inserted.add(new[1])  # its own new row: it waits for no other transaction, and none waits for it
            return
        for table in tables_locked_by(statement):
            if table not in _RANK or table in held or table in inserted:
                continue
            if later := [one for one in held if _RANK.get(one, 0) > _RANK[table]]:
                self.broken.append(f"{table} is locked after {', '.join(later)}: {' '.join(statement.split())[:200]}")
            held += [table, *([_COVERS[table]] if table in _COVERS else [])]


@contextmanager
def recording(engine: Engine) -> Iterator[LockRecorder]:
    """Record every transaction of this engine while the block runs, and fail at its end if one broke the order."""
    recorder = LockRecorder()
    sa.event.listen(engine, "begin", recorder.begin)
    sa.event.listen(engine, "before_cursor_execute", recorder.note)
    try:
        yield recorder
    finally:
        sa.event.remove(engine, "begin", recorder.begin)
        sa.event.remove(engine, "before_cursor_execute", recorder.note)
    assert not recorder.broken, "\n".join(dict.fromkeys(recorder.broken))
