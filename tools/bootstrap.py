"""Make `.venv` with everything Flagpost needs, at the versions of `requirements.lock`. Needs only Python 3.11 or later.

uv does the work, because it is quick; it is itself installed from the same place as everything else.
"""

import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"


def run(*command: object) -> None:
    """Run a command in the project's folder, and stop with its own message if it fails."""
    done = subprocess.run([str(part) for part in command], cwd=ROOT, check=False)
    if done.returncode:
        sys.exit(
            f"\nSetting up failed at: {' '.join(map(str, command))}\nMend what it says above, then run make again."
        )


def main() -> None:
    """Create the environment, install the locked versions, Flagpost and its sandbox, and mark it ready."""
    if sys.version_info < (3, 11):  # run by whatever Python the machine has
        sys.exit(
            f"Flagpost needs Python 3.11 or later; this is {sys.version.split()[0]}. Try: make PYTHON=python3.12 …"
        )
    print("Setting up .venv (once; a minute or less) …", flush=True)
    if not PYTHON.exists():
        venv.create(VENV, with_pip=True)
    run(PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "uv")
    uv = (PYTHON, "-m", "uv", "pip")
    run(
        *uv,
        "install",
        "--quiet",
        "--compile-bytecode",
        "--python",
        PYTHON,
        "--require-hashes",
        "-r",
        "requirements.lock",
    )
    run(*uv, "install", "--quiet", "--python", PYTHON, "--no-deps", "--editable", ".", "--editable", "./sandbox")
    (VENV / "ready").touch()


if __name__ == "__main__":
    main()
