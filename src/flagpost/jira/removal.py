"""Removing all flags of a project, or of the account, from Jira, and proving that they are gone.

First in one request, by the properties that every flag was sent with. A response that accepts it proves nothing: Jira
carries such requests out later, and flags that an older Flagpost sent lack the project's property. So a sample of the
flags is read *before*, to see that reading works and which of them Jira shows, and those are read again afterwards.
Only where each of them is gone, all flags count as gone. Otherwise every flag is deleted by its id, as any flag that
Jira must not show, and the sample is read once more when that is done.

Whether OAuth credentials may delete and read is not documented. Where Jira refuses, the removal says so, and ends.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flagpost.formatting import counted
from flagpost.jira.failure_policy import FailurePolicy
from flagpost.jira.flags_api import FlagsApi
from flagpost.jira.response import JiraResponse
from flagpost.jira.site_access import OAUTH
from flagpost.store.db import Database
from flagpost.store.jira import delivery_results, removals
from flagpost.store.jira.delivery_results import DeliveryResult
from flagpost.store.jira.removals import Removal

GONE, UNPROVEN, LEFT = "gone", "unproven", "left"
_REFUSED = frozenset({400, 403, 404, 405})
_REFUSED_WITH_CREDENTIALS = _REFUSED | {401}  # a token that is good for sending may be responseed so elsewhere
_LOOK_AGAIN_AFTER = (0.2, 0.5, 1.0, 2.0, 4.0)  # seconds: Jira deletes a little later
_CHUNK = 1000


def properties(account_id: str, project_id: str | None) -> dict[str, str]:
    """The properties that flags are sent with and can be deleted by: account and project (Atlassian: at most five)."""
    return {"account": account_id} | ({"project": project_id} if project_id else {})


@dataclass(frozen=True, slots=True)
class Remover:
    """Carries out removals, within the delivery to the site."""

    db: Database
    failure_policy: FailurePolicy
    clock: Callable[[], int]
    pause: Callable[[float], None]

    def sweep(self, api: FlagsApi, removal: Removal) -> None:
        """Delete by properties. Where a comparison with Jira proves that all flags are gone, that ends the removal."""
        with self.db.read() as tx:
            remaining = removals.remaining_flags(tx, removal)
        shown, refusal = self._shown(api, removal.sample)
        response = api.delete_by_properties(properties(removal.account_id, removal.project_id))
        if not response.ok and not _is_refusal(api, response):
            self.failure_policy.fail(api.site, response)
        if response.ok and shown and self._still_shown(api, shown) == ([], ""):
            self._record_gone(remaining)
            self._end(removal, GONE, _gone(len(shown)))
            return
        said = refusal or ("" if response.ok else f"Jira would not delete by properties: {response.error_message()}")
        with self.db.write() as tx:
            removals.mark_deleted(tx, removal, self.clock())
            removals.update(tx, removal.id, swept_at=self.clock(), sample=shown, message=said)

    def conclude(self, api: FlagsApi, removal: Removal, delete_refusal: str | None) -> None:
        """End a removal once every flag was deleted by its id, or Jira refused to: note what came of it."""
        with self.db.read() as tx:
            kept = len(removals.remaining_flags(tx, removal))
        if kept and delete_refusal:
            stay = "1 flag stays on its issues" if kept == 1 else f"{kept} flags stay on their issues"
            self._end(removal, LEFT, f"{delete_refusal} {stay}, shown as off.")
        elif not removal.sample:
            said = removal.message or "Jira showed none of the sample before either."
            self._end(removal, UNPROVEN, f"Every flag was deleted, but the comparison with Jira proved nothing. {said}")
        else:
            self._end(removal, *self._read_back(api, removal.sample))

    def _read_back(self, api: FlagsApi, sample: Sequence[str]) -> tuple[str, str]:
        left, refusal = self._still_shown(api, sample)
        if refusal:
            return UNPROVEN, f"Every flag was deleted, but the comparison with Jira proved nothing. {refusal}"
        if left:
            return LEFT, f"Jira still shows {len(left)} of {len(sample)} flags that were compared."
        return GONE, _gone(len(sample))

    def supersede(self, removal: Removal) -> None:
        """End a removal whose flags are to be shown again."""
        self._end(removal, UNPROVEN, "It was added again before Jira had forgotten everything.")

    def _shown(self, api: FlagsApi, flag_ids: Sequence[str]) -> tuple[list[str], str]:
        """The flags that Jira shows now; and its message where it does not let them be read."""
        shown = []
        for flag_id in flag_ids:
            response = api.get(flag_id)
            if response.ok:
                shown.append(flag_id)
            elif response.status != 404:
                return [], self._unreadable(api, response)
        return shown, ""

    def _unreadable(self, api: FlagsApi, response: JiraResponse) -> str:
        if not _is_refusal(api, response):
            self.failure_policy.fail(api.site, response)
        return f"Jira does not let them be read ({response.status})."

    def _still_shown(self, api: FlagsApi, shown: Sequence[str]) -> tuple[list[str], str]:
        """The flags that Jira still shows after some seconds; and its message where it does not let them be read."""
        left, refusal = list(shown), ""
        for seconds in _LOOK_AGAIN_AFTER:
            self.pause(seconds)
            left, refusal = self._shown(api, left)
            if refusal or not left:
                break
        return left, refusal

    def _record_gone(self, remaining: list[tuple[str, int]]) -> None:
        for start in range(0, len(remaining), _CHUNK):
            part = remaining[start : start + _CHUNK]
            gone = [DeliveryResult(flag_id, version, may_exist_remotely=False) for flag_id, version in part]
            with self.db.write() as tx:
                delivery_results.record(tx, gone, self.clock())

    def _end(self, removal: Removal, outcome: str, message: str) -> None:
        with self.db.write() as tx:
            removals.update(tx, removal.id, outcome=outcome, message=message, finished_at=self.clock())


def _is_refusal(api: FlagsApi, response: JiraResponse) -> bool:
    """Whether Jira refuses it, now and at every further attempt."""
    return response.status in (_REFUSED_WITH_CREDENTIALS if api.site.auth_method == OAUTH else _REFUSED)


def _gone(count: int) -> str:
    return f"{counted(count, 'flag')} that Jira showed before {'was' if count == 1 else 'were'} compared again: gone."
