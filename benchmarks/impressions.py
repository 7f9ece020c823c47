"""Impressions for a minute, as server-side SDKs send them. All that were acknowledged have to be in the totals."""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.stage import Client, flagpost, p50, percentile, resident_mb, sdk_key

RATE = 60_000
SECONDS = 60.0
IN_A_REQUEST = 5_000  # the most that Split's Python SDK sends at once (`impressionsBulkSize`)
SENDERS = 8
FLAGS = 50
DEFINITION = {
    "treatments": [{"name": "on"}, {"name": "off"}],
    "defaultTreatment": "off",
    "defaultRule": [{"treatment": "on", "size": 100}],
}
Report = Callable[[str, str, str, str, str], None]


class Sending:
    """Connections that send in turn, at a set rate or as fast as they are answered, and their results."""

    def __init__(self, url: str, key: str, body: bytes, rate: float | None, seconds: float) -> None:
        self._url, self._key, self._body = url, key, body
        self._every = SENDERS * IN_A_REQUEST / rate if rate else 0.0
        self._seconds = seconds
        self.took: list[float] = []
        self.refused = 0

    def run(self) -> float:
        """Send from all connections. Gives the seconds that it took."""
        start = time.perf_counter()
        threads = [threading.Thread(target=self._send, args=(start, number)) for number in range(SENDERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.perf_counter() - start

    def _send(self, start: float, number: int) -> None:
        client = Client(self._url, {"Authorization": f"Bearer {self._key}", "SplitSDKImpressionsMode": "DEBUG"})
        due = start + number * self._every / SENDERS
        while due < start + self._seconds:
            time.sleep(max(0.0, due - time.perf_counter()))
            begun = time.perf_counter()
            status, _ = client.send("POST", "/sdk/testImpressions/bulk", self._body)
            if status == 200:
                self.took.append(time.perf_counter() - begun)
            else:
                self.refused += 1
            due = due + self._every if self._every else time.perf_counter()
        client.close()


def bench_impressions(folder: Path, report: Report) -> None:
    """Measure the intended rate and the highest rate of one core, beside parsing the same bodies."""
    for what, rate, seconds in (("60,000 a second for a minute", RATE, SECONDS), ("As many as it takes", None, 15.0)):
        with flagpost(folder / f"impressions{rate}.db") as (url, running):
            client = Client(url)
            key, body = _application(client), json.dumps(_impressions()).encode()
            sending = Sending(url, key, body, rate, seconds)
            elapsed = sending.run()
            acknowledged = len(sending.took) * IN_A_REQUEST
            lost = acknowledged - _kept(client)
            assert lost == 0, f"{lost} impressions were acknowledged and are not in the sums"
            memory = resident_mb(running)
        floor = _parsed(body)
        report(
            f"Impressions on one core: {what}",
            f"{acknowledged / elapsed:,.0f} /s; {acknowledged:,} acknowledged, 0 lost, {sending.refused} refused; "
            f"answered in p50 {p50(sending.took) * 1000:.0f} ms, p99 {percentile(sending.took, 0.99) * 1000:.0f} ms; "
            f"{memory:.0f} MB",
            f"parsing the same JSON and nothing else: {floor:,.0f} /s",
            f"{acknowledged / elapsed / floor:.2f} ×",
            f"≥ {RATE:,} /s",
        )


def _impressions() -> list[dict[str, Any]]:
    """The impressions of one request, over all flags and both treatments."""
    now = time.time_ns() // 1_000_000
    each = IN_A_REQUEST // FLAGS
    one = {"c": 1_790_000_000_000, "r": "default rule", "b": None, "pt": None}
    return [
        {
            "f": f"flag{flag}",
            "i": [
                {"k": f"user-{flag}-{number}", "t": "on" if number % 3 else "off", "m": now - number, **one}
                for number in range(each)
            ],
        }
        for flag in range(FLAGS)
    ]


def _application(client: Client) -> str:
    """Create flags with definitions. Gives a key to their environment."""
    home = client.get("/internal/api/v2/workspaces")["objects"][0]["id"]
    splits = f"/internal/api/v2/splits/ws/{home}"
    for number in range(FLAGS):
        client.send("POST", f"{splits}/trafficTypes/user", {"name": f"flag{number}"})
        client.send("POST", f"{splits}/flag{number}/environments/Production", DEFINITION)
    return sdk_key(client)


def _kept(client: Client) -> int:
    path = "/api/v1/projects/Default/flags/flag{}/traffic?environment=Production&by=day"
    return sum(one["count"] for number in range(FLAGS) for one in client.get(path.format(number))["served"])


def _parsed(body: bytes) -> float:
    """Impressions a second that `json.loads` parses on one core."""
    times = []
    for _ in range(30):
        start = time.perf_counter()
        json.loads(body)
        times.append(time.perf_counter() - start)
    return IN_A_REQUEST / p50(times)
