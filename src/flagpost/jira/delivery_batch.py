"""What one round of a delivery works off: up to a hundred flags, of those whose issues may be written now."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from flagpost.jira.payload import MAX_FLAGS, FlagToTell
from flagpost.jira.rate_limits import IssueWrites
from flagpost.store.jira.outbox import Push


@dataclass(frozen=True, slots=True)
class Batch:
    """The rows, and what is to be told of them. `wait`: seconds until a row that was passed over may go."""

    rows: list[Push]
    to_tell: dict[str, FlagToTell]
    wait: float = 0.0


def pick(rows: Sequence[Push], to_tell: dict[str, FlagToTell], writes: IssueWrites) -> Batch:
    """The first rows that may go now."""
    picked: list[Push] = []
    planned: Counter[str] = Counter()
    waits = []
    for row in rows:
        told = to_tell[row.flag_id].issues if row.flag_id in to_tell else ()
        if told and (wait := writes.wait_for(told, planned)):
            waits.append(wait)
            continue
        planned.update(told)
        picked.append(row)
        if len(picked) == MAX_FLAGS:
            break
    return Batch(picked, to_tell, min(waits, default=0.0))


def by_project(rows: Sequence[Push]) -> dict[str, list[Push]]:
    """The rows of each project together: one request bears one project's properties."""
    found: defaultdict[str, list[Push]] = defaultdict(list)
    for row in rows:
        found[row.project_id].append(row)
    return found
