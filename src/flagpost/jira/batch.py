"""What one round of a delivery sends: up to a hundred entries of those whose issues may be written now."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flagpost.jira.payload import MAX_FLAGS, JiraFlagState
from flagpost.jira.sliding_window import SlidingWindow
from flagpost.store.db import Transaction
from flagpost.store.jira import outbox, outbox_requests, payload_source
from flagpost.store.jira.outbox import OutboxEntry
from flagpost.store.jira.outbox_requests import CarriedRequests


@dataclass(frozen=True, slots=True)
class Group:
    """Entries that go out in one request, or one entry to delete, with the requests whose changes they carry."""

    entries: list[OutboxEntry]
    carried: CarriedRequests


@dataclass(frozen=True, slots=True)
class Batch:
    """One round. `states`: what Jira should show of each flag to send, by flag id.

    `absent`: entries of flags that Jira must not show and does not hold. `wait`: seconds until an entry that was passed
    over may go.
    """

    sends: list[Group]
    deletions: list[Group]
    absent: list[OutboxEntry]
    states: Mapping[str, JiraFlagState]
    wait: float

    @property
    def empty(self) -> bool:
        """Whether every entry has to wait."""
        return not (self.sends or self.deletions or self.absent)


def load_batch(
    tx: Transaction, account_id: str, public_url: str, writes: SlidingWindow, *, look_at: int, now: int
) -> Batch | None:
    """The next round of an account, from its first `look_at` pending entries; None where none is pending.

    The transaction sees the state of one moment, so each flag's state is at least as new as its entry's version.
    """
    entries = outbox.pending(tx, account_id, look_at, now)
    if not entries:
        return None
    states = payload_source.load_flag_states(tx, account_id, entries, public_url)
    picked, wait = _pick(entries, states, writes)
    sends = [entry for entry in picked if entry.flag_id in states]
    others = [entry for entry in picked if entry.flag_id not in states]
    return Batch(
        sends=[_group(tx, together) for together in _by_request(sends)],
        deletions=[_group(tx, [entry]) for entry in others if entry.may_exist_remotely],
        absent=[entry for entry in others if not entry.may_exist_remotely],
        states=states,
        wait=wait,
    )


def _pick(
    entries: Sequence[OutboxEntry], states: Mapping[str, JiraFlagState], writes: SlidingWindow
) -> tuple[list[OutboxEntry], float]:
    """The first entries that may go now, and how many seconds until another one may."""
    picked: list[OutboxEntry] = []
    planned: Counter[str] = Counter()
    waits = []
    for entry in entries:
        issues = states[entry.flag_id].issues if entry.flag_id in states else ()
        if issues and (wait := writes.wait_for(issues, planned)):
            waits.append(wait)
            continue
        planned.update(issues)
        picked.append(entry)
        if len(picked) == MAX_FLAGS:
            break
    return picked, min(waits, default=0.0)


def _by_request(entries: Sequence[OutboxEntry]) -> list[list[OutboxEntry]]:
    """The entries of each project together, because a request has the properties of one project.

    An entry that Jira failed at before goes alone, after all others, so that it holds none of them up.
    """
    together: defaultdict[str, list[OutboxEntry]] = defaultdict(list)
    for entry in entries:
        if not entry.failed_attempts:
            together[entry.project_id].append(entry)
    return [*together.values(), *([entry] for entry in entries if entry.failed_attempts)]


def _group(tx: Transaction, entries: list[OutboxEntry]) -> Group:
    return Group(entries, outbox_requests.carried_by(tx, [entry.flag_id for entry in entries]))
