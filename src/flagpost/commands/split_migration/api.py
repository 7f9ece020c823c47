"""Split's Admin API as a client meets it: keys, pages of three kinds, limits, and what goes wrong on the way."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

import httpx2

from flagpost.commands.split_migration.answers import Answers
from flagpost.errors import FlagpostError, SetupError
from flagpost.jira.hosts import is_loopback, split_address

BASE_URL = "https://api.split.io/internal/api/v2"
SDK_URL = "https://sdk.split.io/api"
REQUESTS_A_SECOND = 2.0  # Split: about 20 in 10 seconds, for an organisation and for an address
_TIMEOUT_SECONDS = 60.0
_BUSY_SECONDS = 900.0  # how long it is asked again while it says that it is busy
_BROKEN_SECONDS = 120.0  # and while it cannot be reached, or breaks down: the next run goes on all the same
_LONGEST_PAUSE_SECONDS = 60.0
_WORTH_SAYING_SECONDS = 5.0
_HARNESS_TOKENS = ("pat.", "sat.")  # personal and service account tokens, which Split takes in a header of their own
_LIMITS = ("Org", "IP")

Params = Mapping[str, str | int]


class SplitError(FlagpostError):
    """Split did not do what was asked. `answered`: the status of its answer, 0 where there was none to be read."""

    def __init__(self, message: str, answered: int = 0) -> None:
        super().__init__(message)
        self.answered = answered
        self.permanent = answered not in (0, 429) and answered < 500


class SplitApi:
    """Asks one account, no faster than its limits allow, and keeps every answer.

    `waiting` is told how long nothing will be asked, in seconds, and why.
    """

    def __init__(
        self,
        base_url: str,
        key: str,
        answers: Answers,
        requests_a_second: float,
        waiting: Callable[[float, str], None],
    ) -> None:
        self._base_url = _secure(base_url)
        self._reached = False
        self._answers = answers
        self._gap = 1 / requests_a_second
        self._next_at = 0.0
        self._waiting = waiting
        self._http = httpx2.Client(timeout=_TIMEOUT_SECONDS, headers={"User-Agent": "Flagpost"})
        self._key = {"x-api-key": key} if key.startswith(_HARNESS_TOKENS) else {"Authorization": f"Bearer {key}"}

    def close(self) -> None:
        """Close every connection."""
        self._http.close()

    # Asking ------------------------------------------------------------------------------------------------------

    def get(self, path: str, **params: str | int) -> Any:
        """The answer to one request. SplitError where Split refuses it, or is away for too long."""
        whole = path + (f"?{urlencode(params)}" if params else "")
        kept = self._answers.find(whole)
        if kept is None:
            kept = self._until_answered("GET", self.url(whole), self._key)
            self._answers.keep(whole, kept)
        return kept

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Have something made. Asked for once only: what was made and not answered would be made again."""
        return self._only_once("POST", self.url(path), self.url(path), json=body)

    def delete(self, path: str, what: str) -> None:
        """Have something removed; `what` names it in an error, as the path can be a secret."""
        self._only_once("DELETE", self.url(path), what)

    def get_as_sdk(self, url: str, sdk_key: str) -> Any:
        """The answer to a request that applications send, with their kind of key; nothing of this is kept."""
        return self._until_answered("GET", _secure(url), {"Authorization": f"Bearer {sdk_key}"})

    def url(self, path: str) -> str:
        """Where a path is: flag sets are the one part of version 3."""
        base = self._base_url
        return f"{base.replace('/internal/api/v2', '/api/v3') if path.startswith('flag-sets') else base}/{path}"

    def _only_once(self, method: str, url: str, what: str, **arguments: Any) -> Any:
        try:
            return _body(self._once(method, url, self._key, **arguments), method, what)
        except httpx2.RequestError as error:
            raise SplitError(f"{_unreachable(error)}.") from None

    def _until_answered(self, method: str, url: str, headers: Mapping[str, str]) -> Any:
        """The body, after growing pauses while Split is busy or away. At a first request, a wrong address ends it."""
        begun, pause = time.monotonic(), 1.0
        while True:
            try:
                answer = self._once(method, url, headers)
            except httpx2.RequestError as error:
                trouble, wait, patience = _unreachable(error), pause, _BROKEN_SECONDS if self._reached else 0.0
            else:
                if answer.status_code != 429 and answer.status_code < 500:
                    return _body(answer, method, url)
                trouble, wait = f"Split answered {answer.status_code}", max(pause, _told_to_wait(answer))
                patience = _BUSY_SECONDS if answer.status_code in (429, 503) else _BROKEN_SECONDS
                if time.monotonic() + wait > begun + patience:
                    raise SplitError(f"{trouble} to {method} {url}.", answer.status_code)
            if time.monotonic() + wait > begun + patience:
                raise SplitError(f"{trouble}. Run the same command later: it goes on where it is now.")
            self._waiting(wait, trouble)
            time.sleep(wait)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    def _once(self, method: str, url: str, headers: Mapping[str, str], **arguments: Any) -> httpx2.Response:
        self._keep_the_gap()
        answer = self._http.request(method, url, headers=headers, **arguments)
        self._reached = True
        self._heed_limits(answer)
        return answer

    def _keep_the_gap(self) -> None:
        wait = self._next_at - time.monotonic()
        if wait > _WORTH_SAYING_SECONDS:
            self._waiting(wait, "Split's limit of requests is reached")
        time.sleep(max(0.0, wait))
        self._next_at = time.monotonic() + self._gap

    def _heed_limits(self, answer: httpx2.Response) -> None:
        """Split says how many requests are left, and when there are more again; it counts other clients' too."""
        for limit in _LIMITS:
            if answer.headers.get(f"X-RateLimit-Remaining-{limit}") == "0":
                wait = _seconds(answer.headers.get(f"X-RateLimit-Reset-Seconds-{limit}"))
                self._next_at = max(self._next_at, time.monotonic() + wait)

    # Pages -------------------------------------------------------------------------------------------------------

    def all_by_offset(self, path: str, limit: int, listed: str = "objects") -> Iterator[Any]:
        """Everything of a list that goes by offset, whether its pages are objects or plain arrays.

        Plain arrays have no total, and Split leaves `offset` and `limit` alone for some of them: such a list is over
        with a page that is not exactly full, or that brings nothing new.
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

    def all_by_marker(self, path: str, limit: int, **params: str | int) -> Iterator[Any]:
        """Everything of a list whose pages name the next one."""
        after: dict[str, str | int] = {}
        while True:
            page = self.get(path, limit=limit, **params, **after)
            yield from _list(page, "data", path)
            marker = page.get("nextMarker")
            if not marker or marker == after.get("after"):
                return
            after = {"after": marker}

    def all_at_once(self, path: str) -> list[Any]:
        """Everything of a list that has no pages."""
        page = self.get(path)
        return page if isinstance(page, list) else _list(page, "objects", path)


def part(name: str) -> str:
    """A name as a part of a path."""
    return quote(name, safe="")


def _list(page: Any, name: str, path: str) -> list[Any]:
    found = page.get(name) if isinstance(page, dict) else None
    if not isinstance(found, list):
        raise SplitError(f"What answered to {path} is not Split's Admin API: there is no list of {name}.", 200)
    return found


def _body(answer: httpx2.Response, method: str, url: str) -> Any:
    try:
        body = answer.json() if answer.content else None
    except ValueError:
        body = None
    if answer.status_code == 401:
        raise SplitError(f"Split does not take this key (401) for {method} {url}. {_words(body)}".strip(), 401)
    if not answer.is_success:
        said = _words(body) or "It gave no reason."
        raise SplitError(f"Split answered {answer.status_code} to {method} {url}: {said}", answer.status_code)
    if body is None and method == "GET":
        raise SplitError(f"What answered to {url} is not Split's Admin API: it is no JSON. Look at --base-url.", 200)
    return body


def _unreachable(error: httpx2.RequestError) -> str:
    return f"Split could not be reached: {error or type(error).__name__}"


def _words(body: Any) -> str:
    return str(body.get("message") or "")[:500] if isinstance(body, dict) else ""


def _told_to_wait(answer: httpx2.Response) -> float:
    told = [f"X-RateLimit-Reset-Seconds-{limit}" for limit in _LIMITS] + ["Retry-After"]
    return max(_seconds(answer.headers.get(name)) for name in told)


def _seconds(text: str | None) -> float:
    return min(float(text), _BUSY_SECONDS) if text and text.isascii() and text.isdigit() else 0.0


def _secure(url: str) -> str:
    """An address that a key may be sent to. SetupError for any other."""
    try:
        address = split_address(url)
    except ValueError:
        raise SetupError(f"{url} is not an address.") from None
    if address.scheme != "https" and not (address.scheme == "http" and is_loopback(address.hostname or "")):
        raise SetupError(f"{url}: a key is sent over https only. The address must begin with https://.")
    return url.rstrip("/")
