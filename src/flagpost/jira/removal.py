"""Having Jira forget what it was told of a project, or of everything, and proving that it did.

First in one request, by the properties that every flag was sent with. That Jira took it proves nothing: it works such
requests off later, and flags that an older Flagpost sent lack the project's property. So a sample of the flags is read
*before*, to see that reading works and which of them Jira shows, and those are read again afterwards. Only if each of
them is gone are all flags taken to be; otherwise every one is deleted by its id, as any flag that has to go, and the
sample is read once more when that is done.

Whether OAuth credentials may delete and read is not documented. Where Jira refuses, the removal says so, and ends.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flagpost.formatting import counted
from flagpost.jira.client import Answer
from flagpost.jira.failure_policy import FailurePolicy
from flagpost.jira.flags_api import FlagsApi
from flagpost.jira.site_access import OAUTH
from flagpost.store.db import Database
from flagpost.store.jira import outbox, removals
from flagpost.store.jira.removals import Removal

GONE, UNPROVEN, LEFT = "gone", "unproven", "left"
_REFUSED = frozenset({400, 403, 404, 405})
_REFUSED_WITH_CREDENTIALS = _REFUSED | {401}  # a token that is good for sending may be answered so elsewhere
_LOOK_AGAIN_AFTER = (0.2, 0.5, 1.0, 2.0, 4.0)  # seconds: Jira deletes a little later
_CHUNK = 1000


def properties(account_id: str, project_id: str | None) -> dict[str, str]:
    """What flags are sent with, to be deleted by: their account and project (Atlassian: `properties`, at most five)."""
    return {"account": account_id} | ({"project": project_id} if project_id else {})


@dataclass(frozen=True, slots=True)
class Remover:
    """Works removals off, for whoever delivers to the site."""

    db: Database
    trouble: FailurePolicy
    clock: Callable[[], int]
    pause: Callable[[float], None]

    def sweep(self, api: FlagsApi, removal: Removal) -> None:
        """Delete by properties; where reading back proves that all is gone, that ends it."""
        with self.db.read() as tx:
            held = removals.held_flags(tx, removal)
        shown, refusal = self._shown(api, removal.sample)
        answer = api.delete_by_properties(properties(removal.account_id, removal.project_id))
        if not answer.ok and not _is_refusal(api, answer):
            self.trouble.give_up(api.site, answer)
        if answer.ok and shown and self._still_shown(api, shown) == ([], ""):
            self._forget(held)
            self._end(removal, GONE, _gone(len(shown)))
            return
        said = refusal or ("" if answer.ok else f"Jira would not delete by properties: {answer.words()}")
        with self.db.write() as tx:
            removals.note_asked(tx, removal, self.clock())
            removals.update(tx, removal.id, swept_at=self.clock(), sample=shown, words=said)

    def conclude(self, api: FlagsApi, removal: Removal, delete_refused: str | None) -> None:
        """Everything was deleted by id, or refused: say what came of it."""
        with self.db.read() as tx:
            kept = len(removals.held_flags(tx, removal))
        if kept and delete_refused:
            stay = "1 flag stays on its issues" if kept == 1 else f"{kept} flags stay on their issues"
            self._end(removal, LEFT, f"{delete_refused} {stay}, shown as off.")
        elif not removal.sample:
            said = removal.words or "Jira showed none of the sample before either."
            self._end(removal, UNPROVEN, f"Every flag was deleted, but reading back proved nothing. {said}")
        else:
            self._end(removal, *self._read_back(api, removal.sample))

    def _read_back(self, api: FlagsApi, sample: Sequence[str]) -> tuple[str, str]:
        left, refusal = self._still_shown(api, sample)
        if refusal:
            return UNPROVEN, f"Every flag was deleted, but reading back proved nothing. {refusal}"
        if left:
            return LEFT, f"Jira still shows {len(left)} of {len(sample)} flags that were read back."
        return GONE, _gone(len(sample))

    def supersede(self, removal: Removal) -> None:
        """What was to go is to be shown again."""
        self._end(removal, UNPROVEN, "It was added again before Jira had forgotten everything.")

    def _shown(self, api: FlagsApi, flag_ids: Sequence[str]) -> tuple[list[str], str]:
        """Those that Jira shows now, and what it said where it would not let them be read."""
        shown = []
        for flag_id in flag_ids:
            answer = api.get(flag_id)
            if answer.ok:
                shown.append(flag_id)
            elif answer.status != 404:
                return [], self._unreadable(api, answer)
        return shown, ""

    def _unreadable(self, api: FlagsApi, answer: Answer) -> str:
        if not _is_refusal(api, answer):
            self.trouble.give_up(api.site, answer)
        return f"Jira does not let them be read ({answer.status})."

    def _still_shown(self, api: FlagsApi, shown: Sequence[str]) -> tuple[list[str], str]:
        """Those that Jira shows still, after it had time; and what it said where they may not be read any more."""
        left, refusal = list(shown), ""
        for seconds in _LOOK_AGAIN_AFTER:
            self.pause(seconds)
            left, refusal = self._shown(api, left)
            if refusal or not left:
                break
        return left, refusal

    def _forget(self, held: list[tuple[str, int]]) -> None:
        for start in range(0, len(held), _CHUNK):
            answers = [outbox.Answer(id, wanted, held=False) for id, wanted in held[start : start + _CHUNK]]
            with self.db.write() as tx:
                outbox.record_answers(tx, answers, self.clock())

    def _end(self, removal: Removal, outcome: str, words: str) -> None:
        with self.db.write() as tx:
            removals.update(tx, removal.id, outcome=outcome, words=words, finished_at=self.clock())


def _is_refusal(api: FlagsApi, answer: Answer) -> bool:
    """Whether Jira would not do it, and will not when asked again."""
    return answer.status in (_REFUSED_WITH_CREDENTIALS if api.site.way == OAUTH else _REFUSED)


def _gone(count: int) -> str:
    return f"{counted(count, 'flag')} that Jira showed before {'was' if count == 1 else 'were'} read back: gone."
