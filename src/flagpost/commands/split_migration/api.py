"""A client of Split's Admin API: keys, three kinds of pages, rate limits, and errors."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import httpx2

from flagpost.commands.split_migration.response_cache import ResponseCache
from flagpost.errors import FlagpostError, SetupError
from flagpost.jira.hosts import is_loopback, split_address

BASE_URL = "https://api.split.io/internal/api/v2"
SDK_URL = "https://sdk.split.io/api"
REQUESTS_A_SECOND = 2.0  # Split: about 20 in 10 seconds, for an organisation and for an address
_TIMEOUT_SECONDS = 60.0
_BUSY_SECONDS = 900.0  # how long a request is repeated while Split says that it is busy
_BROKEN_SECONDS = 120.0  # and while Split cannot be reached or fails: the next run continues all the same
_LONGEST_PAUSE_SECONDS = 60.0
_NOTICEABLE_SECONDS = 5.0  # a shorter wait is not reported
_HARNESS_TOKENS = ("pat.", "sat.")  # personal and service account tokens, which Split reads from another header
_LIMITS = ("Org", "IP")

OnWait = Callable[[float, str], None]
"""Called with the seconds that the client is going to wait, and the reason."""


class SplitError(FlagpostError):
    """Split refused the request or failed. `split_status` is the status of its response, 0 if there was none."""

    def __init__(self, message: str, split_status: int = 0) -> None:
        super().__init__(message)
        self.split_status = split_status
        self.permanent = split_status not in (0, 429) and split_status < 500


@dataclass(frozen=True, slots=True)
class _Transient:
    """Why a request did not succeed this time. It is repeated for `patience` seconds in all."""

    reason: str
    patience: float
    retry_after: float = 0.0
    status: int = 0


class SplitApi:
    """Reads one account, no faster than its limits allow, and caches every response.

    `on_wait` is called before each longer wait.
    """

    def __init__(
        self, base_url: str, key: str, cache: ResponseCache, requests_a_second: float, on_wait: OnWait
    ) -> None:
        self._base_url = _require_secure(base_url)
        self._reached = False
        self._cache = cache
        self._gap = 1 / requests_a_second
        self._next_at = 0.0
        self._on_wait = on_wait
        self._http = httpx2.Client(timeout=_TIMEOUT_SECONDS, headers={"User-Agent": "Flagpost"})
        self._key = {"x-api-key": key} if key.startswith(_HARNESS_TOKENS) else {"Authorization": f"Bearer {key}"}

    def close(self) -> None:
        """Close every connection."""
        self._http.close()

    # Requests ----------------------------------------------------------------------------------------------------

    def get(self, path: str, **params: str | int) -> Any:
        """The body of a response, from the cache or from Split. SplitError if Split refuses or is away for too long."""
        whole = path + (f"?{urlencode(params)}" if params else "")
        body = self._cache.get(whole)
        if body is None:
            body = self._get_with_retries(self.url(whole), self._key)
            self._cache.put(whole, body)
        return body

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Create something. Sent once: a creation whose response was lost would be made twice."""
        return self._send_once("POST", self.url(path), self.url(path), json=body)

    def delete(self, path: str, what: str) -> None:
        """Delete something. `what` names it in errors, because the path can contain a secret."""
        self._send_once("DELETE", self.url(path), what)

    def get_as_sdk(self, url: str, sdk_key: str) -> Any:
        """The body of a response to an application, with an SDK key. It is not cached."""
        return self._get_with_retries(_require_secure(url), {"Authorization": f"Bearer {sdk_key}"})

    def url(self, path: str) -> str:
        """The address of a path. Flag sets are the one part of the API that is in version 3."""
        base = self._base_url
        return f"{base.replace('/internal/api/v2', '/api/v3') if path.startswith('flag-sets') else base}/{path}"

    def _send_once(self, method: str, url: str, what: str, **arguments: Any) -> Any:
        try:
            return _body(self._send(method, url, self._key, **arguments), method, what)
        except httpx2.RequestError as error:
            raise SplitError(f"{_unreachable(error)}.") from None

    def _get_with_retries(self, url: str, headers: Mapping[str, str]) -> Any:
        """Repeat the request, after pauses that grow, while Split is busy or away.

        If the very first request of a run reaches no server, the address is wrong: then it is not repeated.
        """
        begun, pause = time.monotonic(), 1.0
        while True:
            result = self._try_get(url, headers)
            if not isinstance(result, _Transient):
                return _body(result, "GET", url)
            wait = max(pause, result.retry_after)
            if time.monotonic() + wait > begun + result.patience:
                raise _gave_up(result, url)
            self._on_wait(wait, result.reason)
            time.sleep(wait)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    def _try_get(self, url: str, headers: Mapping[str, str]) -> httpx2.Response | _Transient:
        try:
            response = self._send("GET", url, headers)
        except httpx2.RequestError as error:
            return _Transient(_unreachable(error), _BROKEN_SECONDS if self._reached else 0.0)
        status = response.status_code
        if status != 429 and status < 500:
            return response
        patience = _BUSY_SECONDS if status in (429, 503) else _BROKEN_SECONDS
        return _Transient(f"Split answered {status}", patience, _retry_after(response), status)

    def _send(self, method: str, url: str, headers: Mapping[str, str], **arguments: Any) -> httpx2.Response:
        self._wait_for_turn()
        response = self._http.request(method, url, headers=headers, **arguments)
        self._reached = True
        self._observe_limits(response)
        return response

    def _wait_for_turn(self) -> None:
        wait = self._next_at - time.monotonic()
        if wait > _NOTICEABLE_SECONDS:
            self._on_wait(wait, "Split's limit of requests is reached")
        time.sleep(max(0.0, wait))
        self._next_at = time.monotonic() + self._gap

    def _observe_limits(self, response: httpx2.Response) -> None:
        """Split says how many requests are left and when the limit resets. Requests of other clients count too."""
        for limit in _LIMITS:
            if response.headers.get(f"X-RateLimit-Remaining-{limit}") == "0":
                wait = _seconds(response.headers.get(f"X-RateLimit-Reset-Seconds-{limit}"))
                self._next_at = max(self._next_at, time.monotonic() + wait)

    # Pages -------------------------------------------------------------------------------------------------------

    def list_by_offset(self, path: str, limit: int, listed: str = "objects") -> Iterator[Any]:
        """All items of a list that is paged by offset, whether its pages are objects or plain arrays.

        Plain arrays have no total, and Split ignores `offset` and `limit` for some of them: such a list ends with a
        page that is not exactly full, or that repeats the page before.
        """
        offset, before = 0, None
        while True:
            page = self.get(path, offset=offset, limit=limit)
            items = page if isinstance(page, list) else _list(page, listed, path)
            if items == before:
                return
            yield from items
            offset, before = offset + len(items), items
            total = page.get("totalCount", page.get("count")) if isinstance(page, dict) else None
            if not items or (offset >= total if isinstance(total, int) else len(items) != limit):
                return

    def list_by_marker(self, path: str, limit: int, **params: str | int) -> Iterator[Any]:
        """All items of a list whose pages name the next one."""
        after: dict[str, str | int] = {}
        while True:
            page = self.get(path, limit=limit, **params, **after)
            yield from _list(page, "data", path)
            marker = page.get("nextMarker")
            if not marker or marker == after.get("after"):
                return
            after = {"after": marker}

    def list_unpaged(self, path: str) -> list[Any]:
        """All items of a list that has no pages."""
        page = self.get(path)
        return page if isinstance(page, list) else _list(page, "objects", path)


def quoted(name: str) -> str:
    """A name, quoted as one segment of a path."""
    return quote(name, safe="")


def _list(page: Any, name: str, path: str) -> list[Any]:
    found = page.get(name) if isinstance(page, dict) else None
    if not isinstance(found, list):
        raise SplitError(f"The response to {path} is not from Split's Admin API: it has no list of {name}.", 200)
    return found


def _body(response: httpx2.Response, method: str, url: str) -> Any:
    status = response.status_code
    try:
        body = response.json() if response.content else None
    except ValueError:
        body = None
    if status == 401:
        raise SplitError(f"Split does not accept this key (401) for {method} {url}. {_message(body)}".strip(), 401)
    if not response.is_success:
        message = _message(body) or "It gave no reason."
        raise SplitError(f"Split answered {status} to {method} {url}: {message}", status)
    if body is None and method == "GET":
        raise SplitError(f"The response to {url} is not from Split's Admin API: it is no JSON. Check --base-url.", 200)
    return body


def _gave_up(error: _Transient, url: str) -> SplitError:
    if error.status:
        return SplitError(f"{error.reason} to GET {url}.", error.status)
    return SplitError(f"{error.reason}. Run the same command later: it continues where it is now.")


def _unreachable(error: httpx2.RequestError) -> str:
    return f"Split could not be reached: {error or type(error).__name__}"


def _message(body: Any) -> str:
    return str(body.get("message") or "")[:500] if isinstance(body, dict) else ""


def _retry_after(response: httpx2.Response) -> float:
    names = [f"X-RateLimit-Reset-Seconds-{limit}" for limit in _LIMITS] + ["Retry-After"]
    return max(_seconds(response.headers.get(name)) for name in names)


def _seconds(text: str | None) -> float:
    return min(float(text), _BUSY_SECONDS) if text and text.isascii() and text.isdigit() else 0.0


def _require_secure(url: str) -> str:
    """An address that a key may be sent to. SetupError for any other."""
    try:
        address = split_address(url)
    except ValueError:
        raise SetupError(f"{url} is not an address.") from None
    if address.scheme != "https" and not (address.scheme == "http" and is_loopback(address.hostname or "")):
        raise SetupError(f"{url}: a key is sent over https only. The address must begin with https://.")
    return url.rstrip("/")
