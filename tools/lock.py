"""Write `requirements.lock` anew: every package at the newest version `pyproject.toml` allows, with its hashes.

A plain file with hashes rather than uv's own format, which ties each package to the host it came from: this one
installs from whatever index or mirror the machine is set up with. See docs/decisions/.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECTS = ("pyproject.toml", "sandbox/pyproject.toml")


def main() -> None:
    """Resolve for every platform and Python from 3.11 on."""
    command = [
        *(sys.executable, "-m", "uv", "pip", "compile", *PROJECTS, "--group", "pyproject.toml:dev", "--universal"),
        *("--python-version", "3.11", "--generate-hashes", "--upgrade", "--quiet", "--no-emit-index-url"),
        *("--custom-compile-command", "python tools/lock.py", "--output-file", "requirements.lock"),
    ]
    subprocess.run(command, cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
