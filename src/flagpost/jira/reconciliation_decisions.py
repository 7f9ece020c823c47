"""What to do about a flag that was compared with Jira. Each decision is made on the flag's locked outbox entry."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flagpost.jira.comparison import NEWER, OTHER, difference
from flagpost.jira.flag_reader import Reading
from flagpost.jira.payload import JiraFlagState, flag_payload
from flagpost.store.db import Transaction
from flagpost.store.jira import comparison_candidates, reconciliations
from flagpost.store.jira.comparison_candidates import Candidate
from flagpost.store.jira.delivery_results import COMPARE_AFTER_MS, LATE_DELETE_MS
from flagpost.store.jira.reconciliations import MISSING, STILL_THERE, Counts, Finding

_SETTLED_MS = 55_000  # Jira answers before it has stored a flag
_REPAIRS = 2
_REPAIRS_WITHIN_MS = 7 * 24 * 3_600_000


@dataclass(frozen=True, slots=True)
class Compared:
    """One flag that was read. `difference`: its kind and a sentence; None where Jira holds what it should."""

    reading: Reading
    difference: tuple[str, str] | None

    @property
    def candidate(self) -> Candidate:
        """The flag."""
        return self.reading.candidate


def compare(readings: Sequence[Reading], states: Mapping[str, JiraFlagState]) -> list[Compared]:
    """Compare what Jira holds of each flag with what it should show; with nothing, where `states` has no such flag."""
    return [Compared(one, _difference(one, states.get(one.candidate.entry.flag_id))) for one in readings]


def _difference(one: Reading, state: JiraFlagState | None) -> tuple[str, str] | None:
    if state is None:
        return (STILL_THERE, "It was deleted, and Jira still shows it.") if one.response.ok else None
    if not one.response.ok:
        return MISSING, "Jira accepted it, and does not have it."
    return difference(flag_payload(state), one.response.body, one.candidate.names)


def decide(tx: Transaction, compared: Sequence[Compared], counts: Counts, now: int) -> list[Finding]:
    """Repair what differs, and return it; add to `counts` what each flag came to. Locks the flags' entries."""
    comparison_candidates.lock(tx, [one.candidate for one in compared])
    findings = []
    for one in compared:
        entry = one.candidate.entry
        if one.difference is None:
            if not one.reading.response.ok:
                comparison_candidates.note_gone(tx, entry, now)
        elif (entry.delivered_at or 0) > now - _SETTLED_MS:
            counts.postponed += comparison_candidates.compare_again(tx, entry, now + COMPARE_AFTER_MS)
        elif finding := _finding(tx, one, *one.difference, now=now):
            counts.differed += 1
            counts.repaired += finding.repaired
            findings.append(finding)
        else:
            counts.skipped += 1
    return findings


def _finding(tx: Transaction, one: Compared, kind: str, message: str, *, now: int) -> Finding | None:
    """The finding about a flag, repaired unless that did not help before; None where the flag changed since."""
    entry = one.candidate.entry
    in_vain = kind == OTHER and _repaired_in_vain(tx, entry.flag_id, message, now)
    if in_vain:
        message = f"{message} It was sent again before, and that did not change it: it is left as it is."
    else:
        above = _version(one.reading.response.body) if kind == NEWER else 0
        may_exist = entry.may_exist_remotely or kind == STILL_THERE
        if not comparison_candidates.repair(tx, entry, now, above=above, may_exist_remotely=may_exist):
            return None
    return Finding(entry.flag_id, entry.project_id, entry.flag_name, now, kind, message, repaired=not in_vain)


def _repaired_in_vain(tx: Transaction, flag_id: str, message: str, now: int) -> bool:
    latest = reconciliations.findings_of_flag(tx, flag_id, _REPAIRS)
    recent = [one for one in latest if one.at > now - _REPAIRS_WITHIN_MS]
    return len(recent) == _REPAIRS and all(one.kind == OTHER and message in one.message for one in recent)


def _version(body: Any) -> int:
    found = body.get("updateSequenceId") if isinstance(body, dict) else None
    return found if isinstance(found, int) else 0


def schedule_next(tx: Transaction, compared: Sequence[Compared], now: int) -> None:
    """Set when to compare the flags again that are as they should be, after a delete that may still be late."""
    comparison_candidates.lock(tx, [one.candidate for one in compared])
    for one in compared:
        if one.difference is None:
            comparison_candidates.compare_again(tx, one.candidate.entry, _compare_again_at(one.candidate, now))


def _compare_again_at(candidate: Candidate, now: int) -> int | None:
    """After as long as it has been since the delivery, so ever less often; None once no delete can be late any more."""
    since_delivery = max(COMPARE_AFTER_MS, now - (candidate.entry.delivered_at or now))
    at = now + since_delivery
    deleted_at = candidate.deleted_at
    return at if deleted_at is not None and at < deleted_at + LATE_DELETE_MS else None
