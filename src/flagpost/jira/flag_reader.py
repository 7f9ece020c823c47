"""Reading flags back from Jira, as many as its limits allow now."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from flagpost.errors import JiraError
from flagpost.jira.failure_policy import FailurePolicy
from flagpost.jira.flags_api import FlagsApi
from flagpost.jira.rate_limits import RateLimited, is_quota
from flagpost.jira.response import JiraResponse
from flagpost.jira.token_bucket import TokenBucket
from flagpost.store.jira.comparison_candidates import Candidate

_AT_ONCE, _PER_SECOND = 20.0, 4.0  # reads; each costs two of Atlassian's points, of which there are 65,000 an hour
_STEP_SECONDS = 2.0
_UNREADABLE = frozenset({400, 401, 403, 405})


class HaltKind(Enum):
    """Why reading ended before the first flag: the limits, another failure of Jira's, or Jira never allows it."""

    NO_ROOM = "no room"
    FAILED = "failed"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Halt:
    """Reading ended. `message`: what Jira said, empty where the limits left no room."""

    kind: HaltKind
    message: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """One flag with Jira's response to reading it: the flag, or 404."""

    candidate: Candidate
    response: JiraResponse


@dataclass(frozen=True, slots=True)
class Readings:
    """The first of the candidates, in their order: those that were read, and those that need no reading.

    `skipped`: a change is pending, or Jira refused the flag, so it differs for a known reason. `halt`: why nothing was
    read; None where something was, or where no candidate needed it.
    """

    read: list[Reading] = field(default_factory=list)
    skipped: list[Candidate] = field(default_factory=list)
    halt: Halt | None = None

    @property
    def seen(self) -> int:
        """How many of the candidates are done; those after them are left for the next time."""
        return len(self.read) + len(self.skipped)


@dataclass
class FlagReader:
    """Reads flags of every site; used by one thread at a time."""

    failure_policy: FailurePolicy
    buckets: dict[str, TokenBucket] = field(default_factory=dict)

    def read(
        self, api: FlagsApi, candidates: Sequence[Candidate], now: Callable[[], float], *, paced: bool
    ) -> Readings:
        """Read these flags in their order, as far as limits and time allow. Raises nothing for what Jira answers.

        `now` is a clock in seconds. Without `paced`, flags do not wait for the reader's own rate: for one flag at a
        person's request, or a few.
        """
        found = Readings()
        until = now() + _STEP_SECONDS
        for candidate in candidates:
            if candidate.entry.pending or candidate.entry.refusal:
                found.skipped.append(candidate)
                continue
            if (found.read and now() > until) or (paced and not self._has_turn(api.site.id, now())):
                break
            got = self._get(api, candidate)
            if isinstance(got, Halt):
                return found if found.read else Readings(skipped=found.skipped, halt=got)
            found.read.append(Reading(candidate, got))
        return found

    def _has_turn(self, site_id: str, now: float) -> bool:
        bucket = self.buckets.setdefault(site_id, TokenBucket(_AT_ONCE, _PER_SECOND))
        return bucket.take(now, patience=0.0) is not None

    def _get(self, api: FlagsApi, candidate: Candidate) -> JiraResponse | Halt:
        try:
            response = api.get(candidate.entry.flag_id)
        except RateLimited:
            return Halt(HaltKind.NO_ROOM)
        except JiraError as error:
            return Halt(HaltKind.FAILED, error.message)
        if response.ok or response.status == 404:
            return response
        said = f"({response.status}): {response.error_message()}"
        if response.status in _UNREADABLE:
            return Halt(HaltKind.UNREADABLE, f"Jira does not let flags be read {said}")
        if is_quota(response):
            self.failure_policy.respect_quota(api.site, response)
        return Halt(HaltKind.FAILED, f"Jira could not be read just now {said}")
