"""How the Admin API of a Split account is asked: a server that answers as Split does, on its bad days too."""

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from flagpost.commands.split_migration.account import SplitAccount, SplitEnvironment, Workspace
from flagpost.commands.split_migration.answers import Answers
from flagpost.commands.split_migration.api import SplitApi, SplitError
from flagpost.errors import SetupError
from flagpost.flags.bucketing import Seeds

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
        self.unreadable: list[str] = []
        self.answers = Answers(file, split.url)
        self.api = SplitApi(split.url, key, self.answers, 1000, lambda *pause: self.pauses.append(pause))
        self.account = SplitAccount(self.api, self.unreadable.append)

    def close(self) -> None:
        self.api.close()
        self.answers.close(forget=False)


@pytest.fixture
def asking(split: Split, tmp_path: Path) -> Iterator[Asking]:
    found = Asking(split, tmp_path / "answers")
    yield found
    found.close()


@pytest.mark.slow
def test_whoever_asks_too_much_waits_as_long_as_split_says(split: Split, asking: Asking) -> None:
    split.will_answer(429, None, X_RateLimit_Remaining_Org="0", X_RateLimit_Reset_Seconds_Org="3")
    split.will_answer(503)
    split.will_answer(200, {"objects": [], "totalCount": 0})
    assert asking.api.get("workspaces") == {"objects": [], "totalCount": 0}
    assert [why for _, why in asking.pauses] == ["Split answered 429", "Split answered 503"]
    assert asking.pauses[0][0] >= 3


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
    [{"objects": "none"}, {"objects": None}, {"message": "hello"}, b"<html>"],
    ids=["no list", "null", "another object", "no JSON"],
)
def test_what_is_no_answer_of_splits_is_refused_with_the_reason(split: Split, asking: Asking, answer: Any) -> None:
    split.will_answer(200, answer)
    with pytest.raises(SplitError, match="is not Split's Admin API"):
        asking.account.workspaces()


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


def with_a_place(split: Split, asking: Asking) -> tuple[Workspace, SplitEnvironment]:
    split.will_answer(200, {"objects": [{"id": "w", "name": "Shop"}], "totalCount": 1})
    split.will_answer(200, [{"id": "e", "name": "Production"}])
    home = asking.account.workspaces()[0]
    return home, asking.account.environments(home)[0]


def test_seeds_are_read_with_a_key_that_is_removed_again_whatever_happens(split: Split, asking: Asking) -> None:
    place = with_a_place(split, asking)
    split.will_answer(200, {"id": "k", "key": "sdk secret"})
    split.will_answer(404, {"message": "no such path"})
    split.will_answer(200, True)
    with pytest.raises(SplitError, match="no such path"):
        asking.account.seeds(*place, split.url)
    (_, _, asked), (method, path, _) = split.asked[-2:]
    assert asked["Authorization"] == "Bearer sdk secret"
    assert (method, path.rpartition("/")[2]) == ("DELETE", "k")


def test_a_key_that_cannot_be_removed_is_named_without_its_secret_and_the_seeds_are_kept(
    split: Split, asking: Asking
) -> None:
    place = with_a_place(split, asking)
    split.will_answer(200, {"id": "k", "key": "sdk secret"})
    flags = [
        {"name": "new", "seed": 1, "trafficAllocationSeed": 2, "algo": 2},
        {"name": "old_hash", "seed": 1, "trafficAllocationSeed": 2, "algo": 1},
        {"name": "none"},
    ]
    split.will_answer(200, {"ff": {"d": flags, "s": -1, "t": 7}})
    split.will_answer(200, {"ff": {"d": [], "s": 7, "t": 7}})
    split.will_answer(403, {"message": "too narrow"})
    split.will_answer(404, {"message": "no such key"})
    assert asking.account.seeds(*place, split.url) == {"new": Seeds(1, 2)}
    assert len(asking.unreadable) == 1
    assert "could not be removed, do it there" in asking.unreadable[0]
    assert "sdk secret" not in asking.unreadable[0]


def test_what_was_to_be_made_is_asked_for_once(split: Split, asking: Asking) -> None:
    split.will_answer(503)
    with pytest.raises(SplitError):
        asking.api.post("apiKeys", {})
    assert len(split.asked) == 1


@pytest.mark.parametrize("count", [49, 50, 51, 100])
def test_a_plain_list_that_leaves_offset_and_limit_alone_has_an_end(split: Split, asking: Asking, count: int) -> None:
    for _ in range(3):
        split.will_answer(200, [str(number) for number in range(count)])
    found = list(asking.api.all_by_offset("large-segments", 50))
    assert found == [str(number) for number in range(count)]


def test_a_thing_that_cannot_be_read_is_named_and_the_others_are_read(split: Split, asking: Asking) -> None:
    home, _ = with_a_place(split, asking)
    good = {
        "name": "good",
        "trafficType": {"id": 1, "name": "user"},
        "tags": None,
        "owners": [{"id": "a", "type": None}],
    }
    bad = {"name": "bad", "trafficType": None}
    split.will_answer(200, {"objects": [good, bad, "worse"], "totalCount": 3})
    assert [one.name for one in asking.account.flags(home)] == ["good"]
    assert asking.unreadable[0].startswith("SplitFlag bad: cannot be read, and was left out. trafficType:")
    assert asking.unreadable[1].startswith("SplitFlag worse: cannot be read")


def test_an_address_where_nobody_is_ends_it_at_once(tmp_path: Path) -> None:
    answers = Answers(tmp_path / "answers", "account")
    api = SplitApi("http://127.0.0.1:9", "secret", answers, 1000, lambda *_: None)
    with pytest.raises(SplitError, match="could not be reached"):
        api.get("workspaces")
    api.close()
    answers.close(forget=True)


def test_no_more_is_asked_in_a_second_than_is_allowed(split: Split, tmp_path: Path) -> None:
    answers = Answers(tmp_path / "answers", "account")
    api = SplitApi(split.url, "secret", answers, 10, lambda *_: None)
    begun = time.monotonic()
    for number in range(6):
        split.will_answer(200, [])
        api.get("tags", offset=number)
    assert time.monotonic() - begun >= 0.5
    api.close()
    answers.close(forget=True)


def test_a_database_that_is_somebody_elses_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "flagpost.db"
    with closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE flags (name TEXT)")
    with pytest.raises(SetupError, match="it holds something else"):
        Answers(file, "account")
    assert file.exists()


def test_lists_are_kept_for_an_hour_and_keys_for_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    kept = Answers(tmp_path / "answers", "account")
    kept.keep("segments/e/staff/keys?offset=0&limit=100", ["a"])
    kept.keep("splits/ws/w?offset=0&limit=50", ["flag"])
    kept.close(forget=False)
    monkeypatch.setattr("flagpost.commands.split_migration.answers.time.time", lambda: now + 3_700)
    later = Answers(tmp_path / "answers", "account")
    assert (later.count, later.find("segments/e/staff/keys?offset=0&limit=100")) == (1, ["a"])
    later.close(forget=False)
    afresh = Answers(tmp_path / "answers", "account", afresh=True)
    assert afresh.count == 0
    afresh.close(forget=True)
