"""`make bench`: figures with their units, each beside a floor that was measured in the same run.

Servers run on one core, the client and the sandbox on the other. The table goes to standard output. Without names on
the command line, all benchmarks run except `load`, which has a table of its own and takes minutes.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.applications import bench_applications
from benchmarks.change import bench_change
from benchmarks.evaluation import bench_evaluation
from benchmarks.expressions import bench_expressions
from benchmarks.impressions import bench_impressions
from benchmarks.load.run import bench_load
from benchmarks.pages import bench_pages, bench_start_up
from benchmarks.resync import bench_resync
from benchmarks.served import bench_served
from benchmarks.stage import CLIENT_CORE, KEY, SECRET_KEY, on_core
from benchmarks.table import HEAD, report
from benchmarks.writes import bench_writes

FLAGS = int(os.environ.get("FLAGPOST_BENCH_FLAGS", "10000"))
SECONDS = float(os.environ.get("FLAGPOST_BENCH_SECONDS", "5"))


def fill(database: Path) -> None:
    """Fill a new database with many connected flags."""
    print(f"Filling a database with {FLAGS} connected flags …", file=sys.stderr, flush=True)
    values = {"FLAGPOST_DATABASE_URL": f"sqlite:///{database}", "FLAGPOST_BOOTSTRAP_ADMIN_KEY": KEY}
    command = [sys.executable, "-m", "benchmarks.fill", str(FLAGS)]
    subprocess.run(command, env={**os.environ, **values, "FLAGPOST_SECRET_KEYS": SECRET_KEY}, check=True)


def measure(chosen: set[str], folder: Path) -> None:
    """Run the chosen benchmarks, and print a table."""
    database = folder / "many.db"
    if chosen & {"resync", "pages", "start-up"}:
        fill(database)
    print(HEAD)
    if "evaluation" in chosen:
        bench_evaluation(report)
        bench_expressions(report)
    if "applications" in chosen:
        bench_applications(folder, SECONDS)
    if "served" in chosen:
        bench_served(FLAGS)
    if "impressions" in chosen:
        bench_impressions(folder, report)
    if "change" in chosen:
        bench_change(folder)
    if "writes" in chosen:
        bench_writes(folder, SECONDS)
    if "pages" in chosen:
        bench_pages(database, FLAGS)
    if "start-up" in chosen:
        bench_start_up(database)
    if "resync" in chosen:
        bench_resync(database)


def main() -> None:
    """Run all benchmarks, or those named on the command line."""
    chosen = set(sys.argv[1:]) or {
        "change",
        "resync",
        "writes",
        "pages",
        "start-up",
        "evaluation",
        "applications",
        "served",
        "impressions",
    }
    with tempfile.TemporaryDirectory(prefix="flagpost-bench-", ignore_cleanup_errors=True) as name:
        if "load" in chosen:
            bench_load(Path(name))
        if chosen - {"load"}:
            on_core(CLIENT_CORE)
            measure(chosen, Path(name))


if __name__ == "__main__":
    main()
