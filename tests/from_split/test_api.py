"""How the Admin API of a Split account is asked: a server that answers as Split does, on its bad days too."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from flagpost.errors import SetupError
from flagpost.from_split.account import SplitAccount
from flagpost.from_split.answers import Answers
from flagpost.from_split.api import SplitApi, SplitError

Answer = tuple[int, Any, dict[str, str]]


@dataclass
class Split:
    """Answers what it was given, in order, and notes what it was asked."""

    url: str = ""
    answers: list[Answer] = field(default_factory=list)
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    def will_answer(self, status: int, body: Any = None, **headers: str) -> None:
        self.answers.append((status, body, {name.replace("_", "-"): value for name, value in headers.items()}))


@pytest.fixture
def split() -> Iterator[Split]:
    found = Split()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            found.asked.append((self.command, self.path, dict(self.headers)))
            status, body, headers = found.answers.pop(0)
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = answer

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found.url = f"http://127.0.0.1:{server.server_port}/internal/api/v2"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield found
        server.shutdown()
        thread.join()


class Asking:
    """A client of that server, and the pauses it made."""

    def __init__(self, split: Split, file: Path, key: str = "secret") -> None:
        self.pauses: list[tuple[float, str]] = []
        self.answers = Answers(file, split.url)
        self.api = SplitApi(split.url, key, self.answers, 1000, lambda *pause: self.pauses.append(pause))

    def close(self) -> None:
        self.api.close()
        self.answers.close(forget=False)


@pytest.fixture
def asking(split: Split, tmp_path: Path) -> Iterator[Asking]:
    found = Asking(split, tmp_path / "answers")
    yield found
    found.close()


def test_whoever_asks_too_much_waits_as_long_as_split_says(split: Split, asking: Asking) -> None:
    split.will_answer(429, None, X_RateLimit_Remaining_Org="0", X_RateLimit_Reset_Seconds_Org="1")
    split.will_answer(503)
    split.will_answer(200, {"objects": [], "totalCount": 0})
    assert asking.api.get("workspaces") == {"objects": [], "totalCount": 0}
    assert [why for _, why in asking.pauses] == ["Split answered 429", "Split answered 503"]
    assert asking.pauses[0][0] >= 1


def test_an_answer_is_asked_for_once_also_by_the_next_run(split: Split, asking: Asking, tmp_path: Path) -> None:
    split.will_answer(200, ["a"])
    assert asking.api.get("tags", limit=1) == asking.api.get("tags", limit=1) == ["a"]
    asking.close()
    again = Asking(split, tmp_path / "answers")
    assert again.api.get("tags", limit=1) == ["a"]
    assert len(split.asked) == 1
    assert (tmp_path / "answers").stat().st_mode & 0o077 == 0
    again.close()


def test_the_answers_of_another_account_are_not_used(split: Split, asking: Asking, tmp_path: Path) -> None:
    split.will_answer(200, ["a"])
    asking.api.get("tags")
    asking.answers.close(forget=False)
    other = Answers(tmp_path / "answers", "another account")
    assert (other.count, other.find("tags")) == (0, None)
    other.close(forget=True)
    assert not (tmp_path / "answers").exists()


def test_a_file_that_holds_no_answers_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "letter.txt"
    file.write_text("Dear Ada, " * 100)
    with pytest.raises(SetupError, match="cannot be used"):
        Answers(file, "account")
    assert file.read_text().startswith("Dear Ada")


@pytest.mark.parametrize(
    ("key", "header", "value"),
    [("abc", "Authorization", "Bearer abc"), ("sat.x.y.z", "x-api-key", "sat.x.y.z")],
    ids=["an Admin API key", "a token of Harness"],
)
def test_a_key_is_sent_in_its_own_header(split: Split, tmp_path: Path, key: str, header: str, value: str) -> None:
    split.will_answer(200, [])
    asking = Asking(split, tmp_path / "answers", key)
    asking.api.get("tags")
    assert split.asked[0][2][header] == value
    asking.close()


def test_a_redirect_is_not_followed_with_the_key(split: Split, asking: Asking) -> None:
    split.will_answer(302, None, Location="/elsewhere")
    with pytest.raises(SplitError, match="Split answered 302"):
        asking.api.get("tags")
    assert len(split.asked) == 1


@pytest.mark.parametrize(
    "answer",
    [{"objects": "none"}, {"objects": [{"id": 1}]}, {"objects": ["text"]}, b"<html>", ["x"]],
    ids=["no list", "no name", "no object", "no JSON", "another list"],
)
def test_what_is_no_answer_of_splits_is_refused_with_the_reason(split: Split, asking: Asking, answer: Any) -> None:
    split.will_answer(200, answer)
    with pytest.raises(SplitError, match=r"is not Split's Admin API|that Flagpost cannot read"):
        SplitAccount(asking.api).workspaces()


def test_lists_are_read_to_their_end_by_offset_by_marker_and_by_full_pages(split: Split, asking: Asking) -> None:
    split.will_answer(200, {"objects": ["a", "b"], "totalCount": 3})
    split.will_answer(200, {"objects": ["c"], "totalCount": 3})
    assert list(asking.api.all_by_offset("groups", 2)) == ["a", "b", "c"]
    split.will_answer(200, {"data": ["a"], "nextMarker": "m"})
    split.will_answer(200, {"data": ["b"], "nextMarker": None})
    assert list(asking.api.all_by_marker("users", 1)) == ["a", "b"]
    split.will_answer(200, ["a", "b"])
    split.will_answer(200, ["c"])
    assert list(asking.api.all_by_offset("rule-based-segments", 2)) == ["a", "b", "c"]
    assert [path.partition("v2/")[2] for _, path, _ in split.asked[2:4]] == [
        "users?limit=1",
        "users?limit=1&after=m",
    ]


def test_seeds_are_read_with_a_key_that_is_removed_again_whatever_happens(split: Split, asking: Asking) -> None:
    account = SplitAccount(asking.api)
    split.will_answer(200, {"objects": [{"id": "w", "name": "Shop"}], "totalCount": 1})
    split.will_answer(200, [{"id": "e", "name": "Production"}])
    home = account.workspaces()[0]
    place = account.environments(home)[0]
    split.will_answer(200, {"id": "k", "key": "sdk secret"})
    split.will_answer(404, {"message": "no such path"})
    split.will_answer(200, True)
    with pytest.raises(SplitError, match="no such path"):
        account.seeds(home, place, split.url)
    (_, _, asked), (method, path, _) = split.asked[-2:]
    assert asked["Authorization"] == "Bearer sdk secret"
    assert (method, path.rpartition("/")[2]) == ("DELETE", "k")
