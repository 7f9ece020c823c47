"""What one round of a delivery works off: up to a hundred flags, of those whose issues may be written now."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from flagpost.jira.payload import MAX_FLAGS, JiraFlagState
from flagpost.jira.rate_limits import SlidingWindow
from flagpost.store.jira.outbox import OutboxEntry


@dataclass(frozen=True, slots=True)
class Batch:
    """The rows, and what is to be told of them. `wait`: seconds until a row that was passed over may go."""

    rows: list[OutboxEntry]
    to_tell: dict[str, JiraFlagState]
    wait: float = 0.0


def pick(rows: Sequence[OutboxEntry], to_tell: dict[str, JiraFlagState], writes: SlidingWindow) -> Batch:
    """The first rows that may go now."""
    picked: list[OutboxEntry] = []
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


def by_project(rows: Sequence[OutboxEntry]) -> dict[str, list[OutboxEntry]]:
    """The rows of each project together: one request bears one project's properties."""
    found: defaultdict[str, list[OutboxEntry]] = defaultdict(list)
    for row in rows:
        found[row.project_id].append(row)
    return found
