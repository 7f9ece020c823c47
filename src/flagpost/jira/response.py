"""A response of Jira's: its status, its body, and what its headers say about limits, time and redirects. Pure."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_LONGEST_WAIT_SECONDS = 86_400
_LONGEST_MESSAGE = 2000


@dataclass(frozen=True, slots=True)
class JiraResponse:
    """A response of Jira's. `body` is the parsed JSON, None where there was none. Header names are in lower case."""

    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def ok(self) -> bool:
        """Whether Jira did what was asked."""
        return 200 <= self.status < 300

    @property
    def is_server_error(self) -> bool:
        """Whether Jira failed at the request. 503 is no such case: it asks the client to come back later."""
        return self.status >= 500 and self.status != 503

    @property
    def login_failed(self) -> bool:
        """Whether Jira did not accept a token, and answered as it answers without one.

        Seen on Jira Cloud, and documented nowhere: with a token that has expired, a site that shows something to
        everybody answers 200 or 404 and this header, not 401.
        """
        return self.headers.get("x-seraph-loginreason", "").upper() == "AUTHENTICATED_FAILED"

    @property
    def trace_id(self) -> str | None:
        """Atlassian's id of this response, for their support."""
        return self.headers.get("atl-traceid") or self.headers.get("x-arequestid")

    # Limits ------------------------------------------------------------------------------------------------------

    @property
    def retry_after(self) -> int | None:
        """How many seconds to wait at least (HTTP: Retry-After, in seconds or as a date); None where it does not say.

        A date counts from the date of the response. A wait of more than a day is cut to a day.
        """
        value = self.headers.get("retry-after", "").strip()
        if value.isascii() and value.isdigit():
            return _LONGEST_WAIT_SECONDS if len(value) > 9 else min(int(value), _LONGEST_WAIT_SECONDS)
        until = _milliseconds(value)
        if until is None:
            return None
        sent_at = time.time() * 1000 if self.sent_at is None else self.sent_at
        return min(max(0, math.ceil((until - sent_at) / 1000)), _LONGEST_WAIT_SECONDS)

    @property
    def sent_at(self) -> int | None:
        """When Jira says that it answered, in milliseconds (HTTP: Date); None where it does not say."""
        return _milliseconds(self.headers.get("date", ""))

    @property
    def rate_limit_reason(self) -> str:
        """Which limit was reached (Atlassian: RateLimit-Reason); empty where the response names none."""
        return self.headers.get("ratelimit-reason", "")

    @property
    def limit_resets_at(self) -> int | None:
        """When the reached limit is reset, in milliseconds (Atlassian: X-RateLimit-Reset, ISO 8601)."""
        try:
            reset = datetime.fromisoformat(self.headers["x-ratelimit-reset"])
            return int((reset if reset.tzinfo else reset.replace(tzinfo=UTC)).timestamp() * 1000)
        except (KeyError, ValueError, OverflowError):
            return None

    @property
    def near_limit(self) -> bool:
        """Whether less than a fifth of a limit is left (Atlassian: X-RateLimit-NearLimit)."""
        return self.headers.get("x-ratelimit-nearlimit", "").lower() == "true"

    # Redirects ---------------------------------------------------------------------------------------------------

    @property
    def moved_to(self) -> str | None:
        """Where the response redirects to, as it says it; None where it is no redirect."""
        return self.headers.get("location") if self.status in _REDIRECTS else None

    @property
    def site_moved_to(self) -> str | None:
        """The site's new address: `moved_to` without the path that was asked for; None where it is no redirect."""
        return self.moved_to.partition("/_edge/")[0].partition("/rest/")[0] if self.moved_to else None

    # Errors ------------------------------------------------------------------------------------------------------

    def error_message(self) -> str:
        """Why Jira did not do what was asked, in its own words; a sentence of ours where it gave no reason."""
        found = (
            [one.get("message") for one in self.body if isinstance(one, dict)] if isinstance(self.body, list) else []
        )
        if isinstance(self.body, dict):
            found = self.body.get("errorMessages") or [self.body.get("message")]
        said = "; ".join(str(message) for message in found if message)
        return said[:_LONGEST_MESSAGE] or f"Jira answered {self.status} and gave no reason."


def _milliseconds(date: str) -> int | None:
    """A date as HTTP writes it; None for what is none."""
    try:
        return int(parsedate_to_datetime(date).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
