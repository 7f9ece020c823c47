"""An HTTP server on loopback for SDKs, with the flags and segments of environments, each below its own path."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from flagpost.flags.split_wire_format import flag_json, rule_based_segment_json, segments_downloaded
from flagpost.flags.targeting import Targeting

CHANGED = 1_700_000_000_000


@contextmanager
def serving(environments: Sequence[Targeting]) -> Iterator[str]:
    """The server's address. Environment 3 is below `/3`, at `/3/sdk`, `/3/events`, `/3/auth` and `/3/telemetry`."""
    server = _Server(environments)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, environments: Sequence[Targeting]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.environments = environments

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log nothing: an SDK that stops drops its connections, and it logs other errors itself."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        _, number, service, *rest = url.path.split("/")
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        environment = self.server.environments[int(number)]
        if service == "auth":
            self._answer({"pushEnabled": False, "token": ""})
        elif rest[0] == "splitChanges":
            self._answer(_changes(environment, query))
        elif rest[0] == "segmentChanges":
            self._answer(_keys(environment, unquote(rest[1]), int(query["since"])))
        else:
            self._answer({})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self._answer({})

    def _answer(self, body: Any) -> None:
        sent = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def _changes(environment: Targeting, query: dict[str, str]) -> dict[str, Any]:
    kinds = environment.segment_kinds()
    flags = [flag_json(one, kinds) for one in environment.flags]
    segments = [rule_based_segment_json(one, kinds) for one in environment.rule_based_segments]
    return {"ff": _since(flags, int(query["since"])), "rbs": _since(segments, int(query["rbSince"]))}


def _since(found: list[dict[str, Any]], since: int) -> dict[str, Any]:
    return {"d": found if since < CHANGED else [], "s": since, "t": CHANGED}


def _keys(environment: Targeting, name: str, since: int) -> dict[str, Any]:
    assert name in segments_downloaded(environment), name
    keys = next((sorted(one.keys) for one in environment.key_segments if one.name == name), [])
    added = keys if since < CHANGED else []
    return {"name": name, "added": added, "removed": [], "since": since, "till": CHANGED}
