"""The client of Split's Admin API, against a server that answers as Split does, with its errors and limits too."""

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
from flagpost.commands.split_migration.api import SplitApi, SplitError
from flagpost.commands.split_migration.response_cache import ResponseCache
from flagpost.errors import SetupError
from flagpost.flags.bucketing import Seeds

Answer = tuple[int, Any, dict[str, str]]


@dataclass
class Split:
    """ResponseCache what it was given, in order, and notes what it was asked."""

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


class Client:
    """A client of that server, with the waits it announced and its warnings."""

    def __init__(self, split: Split, file: Path, key: str = "secret") -> None:
        self.pauses: list[tuple[float, str]] = []
        self.warnings: list[str] = []
        self.cache = ResponseCache(file, split.url)
        self.api = SplitApi(split.url, key, self.cache, 1000, lambda *pause: self.pauses.append(pause))
        self.account = SplitAccount(self.api, self.warnings.append)

    def close(self) -> None:
        self.api.close()
        self.cache.close(delete=False)


@pytest.fixture
def client(split: Split, tmp_path: Path) -> Iterator[Client]:
    found = Client(split, tmp_path / "cache")
    yield found
    found.close()


@pytest.mark.slow
def test_the_client_waits_as_long_as_split_says(split: Split, client: Client) -> None:
    split.will_answer(429, None, X_RateLimit_Remaining_Org="0", X_RateLimit_Reset_Seconds_Org="3")
    split.will_answer(503)
    split.will_answer(200, {"objects": [], "totalCount": 0})
    assert client.api.get("workspaces") == {"objects": [], "totalCount": 0}
    assert [why for _, why in client.pauses] == ["Split answered 429", "Split answered 503"]
    assert client.pauses[0][0] >= 3


def test_a_response_is_requested_once_also_by_the_next_run(split: Split, client: Client, tmp_path: Path) -> None:
    split.will_answer(200, ["a"])
    assert client.api.get("tags", limit=1) == client.api.get("tags", limit=1) == ["a"]
    client.close()
    again = Client(split, tmp_path / "cache")
    assert again.api.get("tags", limit=1) == ["a"]
    assert len(split.asked) == 1
    assert (tmp_path / "cache").stat().st_mode & 0o077 == 0
    again.close()


def test_the_responses_of_another_account_are_not_used(split: Split, client: Client, tmp_path: Path) -> None:
    split.will_answer(200, ["a"])
    client.api.get("tags")
    client.cache.close(delete=False)
    other = ResponseCache(tmp_path / "cache", "another account")
    assert (other.count, other.get("tags")) == (0, None)
    other.close(delete=True)
    assert not (tmp_path / "cache").exists()


def test_a_file_that_is_no_cache_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "letter.txt"
    file.write_text("Dear Ada, " * 100)
    with pytest.raises(SetupError, match="cannot be used"):
        ResponseCache(file, "account")
    assert file.read_text().startswith("Dear Ada")


@pytest.mark.parametrize(
    ("key", "header", "value"),
    [("abc", "Authorization", "Bearer abc"), ("sat.x.y.z", "x-api-key", "sat.x.y.z")],
    ids=["an Admin API key", "a token of Harness"],
)
def test_a_key_is_sent_in_its_own_header(split: Split, tmp_path: Path, key: str, header: str, value: str) -> None:
    split.will_answer(200, [])
    client = Client(split, tmp_path / "cache", key)
    client.api.get("tags")
    assert split.asked[0][2][header] == value
    client.close()


def test_a_redirect_is_not_followed_with_the_key(split: Split, client: Client) -> None:
    split.will_answer(302, None, Location="/elsewhere")
    with pytest.raises(SplitError, match="Split answered 302"):
        client.api.get("tags")
    assert len(split.asked) == 1


@pytest.mark.parametrize(
    "answer",
    [{"objects": "none"}, {"objects": None}, {"message": "hello"}, b"<html>"],
    ids=["no list", "null", "another object", "no JSON"],
)
def test_a_response_that_is_not_splits_is_refused_with_the_reason(split: Split, client: Client, answer: Any) -> None:
    split.will_answer(200, answer)
    with pytest.raises(SplitError, match="is not from Split's Admin API"):
        client.account.workspaces()


def test_lists_are_read_to_their_end_by_offset_by_marker_and_by_full_pages(split: Split, client: Client) -> None:
    split.will_answer(200, {"objects": ["a", "b"], "totalCount": 3})
    split.will_answer(200, {"objects": ["c"], "totalCount": 3})
    assert list(client.api.list_by_offset("groups", 2)) == ["a", "b", "c"]
    split.will_answer(200, {"data": ["a"], "nextMarker": "m"})
    split.will_answer(200, {"data": ["b"], "nextMarker": None})
    assert list(client.api.list_by_marker("users", 1)) == ["a", "b"]
    split.will_answer(200, ["a", "b"])
    split.will_answer(200, ["c"])
    assert list(client.api.list_by_offset("rule-based-segments", 2)) == ["a", "b", "c"]
    assert [path.partition("v2/")[2] for _, path, _ in split.asked[2:4]] == [
        "users?limit=1",
        "users?limit=1&after=m",
    ]


def workspace_and_environment(split: Split, client: Client) -> tuple[Workspace, SplitEnvironment]:
    split.will_answer(200, {"objects": [{"id": "w", "name": "Shop"}], "totalCount": 1})
    split.will_answer(200, [{"id": "e", "name": "Production"}])
    home = client.account.workspaces()[0]
    return home, client.account.environments(home)[0]


def test_seeds_are_read_with_a_key_that_is_removed_again_whatever_happens(split: Split, client: Client) -> None:
    place = workspace_and_environment(split, client)
    split.will_answer(200, {"id": "k", "key": "sdk secret"})
    split.will_answer(404, {"message": "no such path"})
    split.will_answer(200, True)
    with pytest.raises(SplitError, match="no such path"):
        client.account.seeds(*place, split.url)
    (_, _, asked), (method, path, _) = split.asked[-2:]
    assert asked["Authorization"] == "Bearer sdk secret"
    assert (method, path.rpartition("/")[2]) == ("DELETE", "k")


def test_a_key_that_cannot_be_removed_is_named_without_its_secret_and_the_seeds_are_kept(
    split: Split, client: Client
) -> None:
    place = workspace_and_environment(split, client)
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
    assert client.account.seeds(*place, split.url) == {"new": Seeds(1, 2)}
    assert len(client.warnings) == 1
    assert "could not be deleted. Delete it in Split." in client.warnings[0]
    assert "sdk secret" not in client.warnings[0]


def test_a_creation_is_sent_once(split: Split, client: Client) -> None:
    split.will_answer(503)
    with pytest.raises(SplitError):
        client.api.post("apiKeys", {})
    assert len(split.asked) == 1


@pytest.mark.parametrize("count", [49, 50, 51, 100])
def test_a_plain_list_that_leaves_offset_and_limit_alone_has_an_end(split: Split, client: Client, count: int) -> None:
    for _ in range(3):
        split.will_answer(200, [str(number) for number in range(count)])
    found = list(client.api.list_by_offset("large-segments", 50))
    assert found == [str(number) for number in range(count)]


def test_an_object_that_cannot_be_read_is_named_and_the_others_are_read(split: Split, client: Client) -> None:
    home, _ = workspace_and_environment(split, client)
    good = {
        "name": "good",
        "trafficType": {"id": 1, "name": "user"},
        "tags": None,
        "owners": [{"id": "a", "type": None}],
    }
    bad = {"name": "bad", "trafficType": None}
    split.will_answer(200, {"objects": [good, bad, "worse"], "totalCount": 3})
    assert [one.name for one in client.account.flags(home)] == ["good"]
    assert client.warnings[0].startswith("SplitFlag bad: cannot be read and was left out. trafficType:")
    assert client.warnings[1].startswith("SplitFlag worse: cannot be read")


def test_an_address_without_a_server_fails_at_once(tmp_path: Path) -> None:
    cache = ResponseCache(tmp_path / "cache", "account")
    api = SplitApi("http://127.0.0.1:9", "secret", cache, 1000, lambda *_: None)
    with pytest.raises(SplitError, match="could not be reached"):
        api.get("workspaces")
    api.close()
    cache.close(delete=True)


def test_no_more_requests_are_sent_in_a_second_than_allowed(split: Split, tmp_path: Path) -> None:
    cache = ResponseCache(tmp_path / "cache", "account")
    api = SplitApi(split.url, "secret", cache, 10, lambda *_: None)
    begun = time.monotonic()
    for number in range(6):
        split.will_answer(200, [])
        api.get("tags", offset=number)
    assert time.monotonic() - begun >= 0.5
    api.close()
    cache.close(delete=True)


def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "flagpost.db"
    with closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE flags (name TEXT)")
    with pytest.raises(SetupError, match="it holds something else"):
        ResponseCache(file, "account")
    assert file.exists()


def test_lists_are_kept_for_an_hour_and_keys_for_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    kept = ResponseCache(tmp_path / "cache", "account")
    kept.put("segments/e/staff/keys?offset=0&limit=100", ["a"])
    kept.put("splits/ws/w?offset=0&limit=50", ["flag"])
    kept.close(delete=False)
    monkeypatch.setattr("flagpost.commands.split_migration.response_cache.time.time", lambda: now + 3_700)
    later = ResponseCache(tmp_path / "cache", "account")
    assert (later.count, later.get("segments/e/staff/keys?offset=0&limit=100")) == (1, ["a"])
    later.close(delete=False)
    fresh = ResponseCache(tmp_path / "cache", "account", fresh=True)
    assert fresh.count == 0
    fresh.close(delete=True)
