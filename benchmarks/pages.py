"""The response times of console pages, the memory that they take, and the time of a start."""

import http.cookiejar
import os
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path

from benchmarks.stage import Client, flagpost, p50, percentile, resident_mb
from benchmarks.table import report


def bench_pages(database: Path, count: int) -> None:
    """Measure console pages with many flags."""
    with flagpost(database) as (url, running):
        client = Client(url)
        home = client.get("/internal/api/v2/workspaces")["objects"][0]["id"]
        signed_in = Client(url, {"Cookie": session(url, database)})
        pages = {
            f"Page of 100 of {count} flags": f"/projects/{home}/flags?sort=name&offset={{}}",
            "The same, searched by name": f"/projects/{home}/flags?q=flag{{:03}}",
            f"Connect: search among {count} flags": "/flags/connect?issue=PAY-1&q={:03}",
        }
        floor = [_timed(client, "/healthz") for _ in range(300)]
        for what, path in pages.items():
            for number in range(20):
                _timed(signed_in, path.format(number))
            took = [_timed(signed_in, path.format(number % 90)) for number in range(300)]
            report(
                f"{what}, p99",
                f"{percentile(took, 0.99) * 1000:.1f} ms (p50 {p50(took) * 1000:.1f} ms)",
                f"/healthz: {percentile(floor, 0.99) * 1000:.1f} ms",
                f"{percentile(took, 0.99) / percentile(floor, 0.99):.0f} ×",
                "≤ 15 ms",
            )
        report(f"Memory with {count} flags, after these pages", f"{resident_mb(running):.0f} MB", "", "", "< 120 MB")


def _timed(client: Client, path: str) -> float:
    start = time.perf_counter()
    client.get(path)
    return time.perf_counter() - start


def session(url: str, database: Path) -> str:
    """The cookie of an admin who was invited at the command line."""
    command = [
        sys.executable,
        "-m",
        "flagpost",
        "user",
        "create",
        f"bench{time.time_ns()}@example.com",
        "--role",
        "admin",
    ]
    values = {**os.environ, "FLAGPOST_DATABASE_URL": f"sqlite:///{database}", "FLAGPOST_BASE_URL": url}
    said = subprocess.run(command, env=values, capture_output=True, text=True, check=True).stdout
    link = next(line for line in said.splitlines() if line.startswith("http"))
    cookies = http.cookiejar.CookieJar()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(cookies))
    form = urllib.parse.urlencode({"name": "Bench", "password": "a-good-long-password"}).encode()
    opener.open(urllib.request.Request(link, form, {"Sec-Fetch-Site": "same-origin"}))
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in cookies)


def bench_start_up(database: Path) -> None:
    """Measure the time from the command until ready, beside a Python that only imports the web stack."""
    took, bare = [], []
    for _ in range(5):
        start = time.perf_counter()
        with flagpost(database):
            took.append(time.perf_counter() - start)
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import fastapi, uvicorn, sqlalchemy, httpx2"], check=True)
        bare.append(time.perf_counter() - start)
    report(
        "Start-up, until ready, p50 of 5",
        f"{p50(took):.2f} s",
        f"importing FastAPI, uvicorn, SQLAlchemy, httpx2: {p50(bare):.2f} s",
        f"{p50(took) / p50(bare):.1f} ×",
        "≤ 1 s",
    )
