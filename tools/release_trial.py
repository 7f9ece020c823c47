"""Try the wheels of a release in an environment that holds nothing else, as a user's first minutes would.

Usage: release_trial.py DIST VERSION. Ends with a message and code 1 where anything differs from what it promises.
It installs what the index serves today and not what the lock file names, because that is what users get.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

ROOT = Path(__file__).parents[1]
START_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Wheels:
    """The two wheels of a release."""

    product: Path
    sandbox: Path


@dataclass(frozen=True, slots=True)
class Trial:
    """An empty environment, and a folder that its commands run in."""

    environment: Path
    folder: Path

    def install(self, *what: str) -> None:
        """Install packages, with their dependencies from the index."""
        python = self.environment / "bin/python"
        command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", str(python), *what]
        subprocess.run(command, cwd=self.folder, check=True)

    def variables(self) -> dict[str, str]:
        """The process environment: nothing of the developer's own settings or source folders."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("FLAGPOST_", "PYTHON"))}
        database = f"sqlite:///{self.folder / 'trial.db'}"
        return kept | {"FLAGPOST_DATABASE_URL": database, "FLAGPOST_BASE_URL": "https://flags.example.com"}

    def call(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment to its end."""
        command = [str(self.environment / "bin" / program), *arguments]
        return subprocess.run(
            command, cwd=self.folder, env=self.variables(), capture_output=True, text=True, check=False, timeout=120
        )

    @contextmanager
    def running(self, *arguments: str) -> Iterator[None]:
        """Run `flagpost` until the block ends, then stop it as Ctrl-C does, which it must take for a normal end."""
        command = [str(self.environment / "bin/flagpost"), *arguments]
        process = subprocess.Popen(command, cwd=self.folder, env=self.variables(), stdout=subprocess.DEVNULL)
        try:
            yield
        finally:
            process.send_signal(signal.SIGINT)
            code = process.wait(timeout=60)
        expect(code in (0, 130, -signal.SIGINT), f"flagpost {arguments[0]} ended with {code}")


def expect(holds: object, what: str) -> None:
    """End the trial with a message unless something holds."""
    if not holds:
        sys.exit(f"The trial of the release failed: {what}")


def free_port() -> int:
    """A port of this machine that is free now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def answered(url: str) -> httpx2.Response:
    """What a server says at a URL, redirects followed, once it listens."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return httpx2.get(url, follow_redirects=True, trust_env=False)
        except httpx2.TransportError:
            expect(time.monotonic() < deadline, f"no answer from {url} within {START_SECONDS:.0f} s")
            time.sleep(0.1)


def check_contents(wheel: Path, package: str, source: str) -> None:
    """A wheel holds one package, all of its files, and nothing else."""
    names = zipfile.ZipFile(wheel).namelist()
    own = {name for name in names if name.startswith(f"{package}/")}
    others = {name for name in names if name not in own and ".dist-info/" not in name}
    expect(not others, f"{wheel.name} also holds {sorted(others)[:5]}")
    listing = subprocess.run(["git", "ls-files", source], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    wanted = {line.removeprefix(source.removesuffix(package)) for line in listing.splitlines()}
    expect(own == wanted, f"{wheel.name} differs from {source}: {sorted(own ^ wanted)[:5]}")
    expect(f"{package}/py.typed" in own, f"{wheel.name} has no py.typed")


def check_commands(trial: Trial, version: str) -> None:
    """The commands of the product alone answer."""
    said = trial.call("flagpost", "--version")
    expect(said.stdout.strip() == f"flagpost {version}", f"flagpost --version says {said.stdout}{said.stderr}")
    expect(trial.call("python", "-c", "import jira_sandbox").returncode, "the product's wheel brings the sandbox")
    demo = trial.call("flagpost", "demo")
    expect(demo.returncode == 1 and "flagpost[demo]" in demo.stderr, f"flagpost demo says {demo.stderr}")


def check_serving(trial: Trial) -> None:
    """`flagpost serve` makes a database and answers people and programs; `doctor` can read it afterwards."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with trial.running("serve", "--port", str(port)):
        expect(answered(f"{url}/healthz").json() == {"status": "ok"}, "/healthz is not ok")
        expect(answered(f"{url}/readyz").status_code == 200, "/readyz is not ready")
        page = answered(f"{url}/")
        expect(page.status_code == 200 and "Flagpost" in page.text, f"the console answers {page.status_code}")
        style = re.search(r'href="(/static/[^"]+\.css[^"]*)"', page.text)
        expect(style and answered(url + style[1]).status_code == 200, "the console has no style sheet")
        unproven = answered(f"{url}/internal/api/v2/workspaces")
        expect(unproven.status_code == 401, f"the Admin API answers {unproven.status_code} without a key")
    doctor = trial.call("flagpost", "doctor")  # ends with 1: the installation has no users yet
    expect(re.search(r"^ok .*trial\.db", doctor.stdout, re.MULTILINE), f"doctor says {doctor.stdout}{doctor.stderr}")


def check_demo(trial: Trial, wheels: Wheels) -> None:
    """The extra `demo` accepts this release's sandbox, and the demo shows both sides."""
    trial.install(f"flagpost[demo] @ {wheels.product.as_uri()}", str(wheels.sandbox))
    port, sandbox_port = free_port(), free_port()
    with trial.running("demo", "--no-browser", "--port", str(port), "--sandbox-port", str(sandbox_port)):
        expect(answered(f"http://127.0.0.1:{port}/").status_code == 200, "the demo's console does not answer")
        expect("PAY-1" in answered(f"http://127.0.0.1:{sandbox_port}/").text, "the sandbox shows no issues")


def main() -> None:
    """Try both wheels."""
    dist, version = Path(sys.argv[1]).resolve(), sys.argv[2]
    wheels = Wheels(
        dist / f"flagpost-{version}-py3-none-any.whl", dist / f"flagpost_jira_sandbox-{version}-py3-none-any.whl"
    )
    check_contents(wheels.product, "flagpost", "src/flagpost")
    check_contents(wheels.sandbox, "jira_sandbox", "sandbox/src/jira_sandbox")
    with tempfile.TemporaryDirectory(prefix="flagpost-trial-") as folder:
        trial = Trial(Path(folder) / "environment", Path(folder))
        venv.create(trial.environment)
        trial.install(str(wheels.product))
        check_commands(trial, version)
        check_serving(trial)
        check_demo(trial, wheels)
    print(f"Tried {wheels.product.name} and {wheels.sandbox.name} in an empty environment: all good.")


if __name__ == "__main__":
    main()
