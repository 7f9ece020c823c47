"""`python -m benchmarks.faults`: the fault tests with more changes, and a report on standard output.

Each run draws new seeds. A test that fails prints its seed; with `FLAGPOST_FAULTS_SEED` it repeats the same actions.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any


def main() -> None:
    """Run the tests, and print the report. The exit code is 0 if all passed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("--changes", type=int, default=5000, help="how many changes a burst has (5000)")
    parser.add_argument("--runs", type=int, default=1, help="how often each test is run (1)")
    parser.add_argument("--at-once", type=int, default=2, help="how many tests run beside each other (2)")
    parser.add_argument("--only", default="", help="as pytest's -k: only tests whose names match")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="flagpost-faults-") as folder:
        report = Path(folder) / "report.jsonl"
        failed = sum(_run(chosen, report) for _ in range(chosen.runs))
        lines = [json.loads(line) for line in report.read_text().splitlines()] if report.exists() else []
    _print(lines, chosen.changes)
    sys.exit(1 if failed or not lines else 0)


def _run(chosen: argparse.Namespace, report: Path) -> bool:
    """Run the tests once. Gives whether one failed."""
    values = {"FLAGPOST_FAULTS_CHANGES": str(chosen.changes), "FLAGPOST_FAULTS_REPORT": str(report)}
    command = [sys.executable, "-m", "pytest", "tests/end_to_end", "-m", "faults", "-n", str(chosen.at_once), "-rA"]
    command += ["-k", chosen.only] if chosen.only else []
    done = subprocess.run(command, env={**os.environ, **values}, stdout=sys.stderr, check=False)
    return done.returncode != 0


def _print(lines: list[dict[str, Any]], changes: int) -> None:
    print("| test | store | seed | changes acknowledged | not acknowledged | faults | seconds |")
    print("|---|---|---|---|---|---|---|")
    for line in sorted(lines, key=lambda one: (one["test"], one["store"])):
        name = line["test"].removeprefix("test_").partition("[")[0].replace("_", " ")
        faults = ", ".join(f"{count} × {fault}" for fault, count in line["faults"].items())
        cells = (name, line["store"], line["seed"], line["changes"], line["unanswered"], faults, line["seconds"])
        print("| " + " | ".join(map(str, cells)) + " |")
    total: Counter[str] = Counter()
    for line in lines:
        total.update(line["faults"])
    acknowledged = sum(line["changes"] for line in lines)
    print(f"\n{len(lines)} runs, {total.total()} faults, {acknowledged} acknowledged changes ({changes} to a burst).")


if __name__ == "__main__":
    main()
