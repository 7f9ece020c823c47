"""Make a release: set the version, cut the changelog, build both distributions, check them and try them out.

`make release VERSION=0.3.0` begins a release; `make release` alone builds and tries the version that the changelog was
already cut for. Nothing is uploaded, committed or tagged: the last lines that this prints say how to do that.
docs/contributing/versions.md explains the numbers.
"""

import argparse
import datetime
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
VERSION_FILE = Path("src/flagpost/__init__.py")
CHANGELOG = Path("CHANGELOG.md")
UNRELEASED = "## Unreleased"
TWINE = "twine==7.0.0"  # only a release needs it, so it is not among the packages of .venv

#: Files that name the version of the container image, which no build can fill in.
IMAGE_FILES = (
    Path("deploy/kubernetes/web.yaml"),
    Path("deploy/kubernetes/worker.yaml"),
    Path("deploy/kubernetes/migrate.yaml"),
    Path("docs/how-to/deploy.md"),
)


def current_version(text: str) -> str:
    """The version that `src/flagpost/__init__.py` with this text states."""
    found = re.search(r'^__version__ = "(\d+\.\d+\.\d+)"$', text, re.MULTILINE)
    if not found:
        sys.exit(f"{VERSION_FILE} states no version of the form 1.2.3.")
    return found[1]


def demo_range(version: str) -> str:
    """The versions of the sandbox that the extra `demo` of a version accepts: those of its minor version."""
    major, minor, _ = map(int, version.split("."))
    return f">={major}.{minor},<{major}.{minor + 1}"


def stamped(path: Path, text: str, version: str) -> str:
    """The text of a file of the repository after it was set to a version."""
    if path == VERSION_FILE:
        return re.sub(r'^__version__ = ".*"$', f'__version__ = "{version}"', text, flags=re.MULTILINE)
    if path == Path("pyproject.toml"):
        return re.sub(r'"flagpost-jira-sandbox[^"]*"', f'"flagpost-jira-sandbox{demo_range(version)}"', text)
    return re.sub(r"\bflagpost:\d+\.\d+\.\d+\b", f"flagpost:{version}", text)


def cut(changelog: str, version: str, date: datetime.date) -> str:
    """The changelog with what is unreleased under a heading of its version and date, and an empty section above it.

    ValueError where nothing is unreleased, or where the version has a section already.
    """
    if f"\n## {version} - " in changelog:
        raise ValueError(f"{CHANGELOG} has a section for {version} already.")
    before, heading, after = changelog.partition(f"{UNRELEASED}\n")
    if not heading or not after.partition("\n## ")[0].strip():
        raise ValueError(f"{CHANGELOG} lists nothing under “{UNRELEASED}”.")
    return f"{before}{UNRELEASED}\n\n## {version} - {date:%Y-%m-%d}\n{after}"


@contextmanager
def restored_on_failure(paths: Iterable[Path]) -> Iterator[None]:
    """Put files back as they were when the block raises or exits, so that a failed release leaves no trace."""
    before = {path: (ROOT / path).read_text() for path in paths}
    try:
        yield
    except BaseException:
        for path, text in before.items():
            (ROOT / path).write_text(text)
        raise


def run(*command: object, **environment: str) -> None:
    """Run a command in the repository; end the release with its message where it fails."""
    done = subprocess.run([str(part) for part in command], cwd=ROOT, check=False, env={**os.environ, **environment})
    if done.returncode:
        sys.exit(f"\nThe release stopped at: {' '.join(map(str, command))}")


def build(repository: str) -> None:
    """Build sdist and wheel of both distributions into an empty `dist/`, and check their metadata."""
    shutil.rmtree(DIST, ignore_errors=True)
    uv = (sys.executable, "-m", "uv")
    for project in (".", "sandbox"):
        run(*uv, "build", "--quiet", "--out-dir", DIST, project, FLAGPOST_REPOSITORY=repository)
    built = sorted(path for path in DIST.iterdir() if path.suffix in {".whl", ".gz"})
    run(*uv, "tool", "run", "--quiet", "--from", TWINE, "twine", "check", "--strict", *built)


def prepare(version: str, date: datetime.date) -> None:
    """Write a version into every file that states it, and cut the changelog."""
    for path in (VERSION_FILE, Path("pyproject.toml"), *IMAGE_FILES):
        text = (ROOT / path).read_text()
        (ROOT / path).write_text(stamped(path, text, version))
    try:
        (ROOT / CHANGELOG).write_text(cut((ROOT / CHANGELOG).read_text(), version, date))
    except ValueError as error:
        sys.exit(str(error))


def main() -> None:
    """Release the version given on the command line, or build the one that was cut before."""
    parser = argparse.ArgumentParser(description="Build, check and try a release. Uploads nothing.")
    parser.add_argument("--version", default="", help="the version to cut, such as 0.3.0; empty: build the present one")
    parser.add_argument("--date", default="", help="the day of the release, as 2026-12-01; today if not given")
    parser.add_argument("--repository", default="", help="the https address that the project URLs begin with")
    given = parser.parse_args()
    if given.version and not re.fullmatch(r"\d+\.\d+\.\d+", given.version):
        parser.error("the version must have the form 1.2.3")
    date = datetime.date.fromisoformat(given.date) if given.date else datetime.datetime.now(datetime.UTC).date()
    with restored_on_failure((VERSION_FILE, Path("pyproject.toml"), CHANGELOG, *IMAGE_FILES)):
        if given.version:
            prepare(given.version, date)
        version = current_version((ROOT / VERSION_FILE).read_text())
        if f"\n## {version} - " not in (ROOT / CHANGELOG).read_text():
            sys.exit(f"{CHANGELOG} has no section for {version}. Cut one: make release VERSION={version}")
        build(given.repository)
        run(sys.executable, ROOT / "tools/release_trial.py", DIST, version)
    print(f"\ndist/ holds Flagpost {version}, checked and tried. Nothing was uploaded. Next:")
    print(f"  git commit -am 'Release {version}' && git tag v{version}     # after a look at git diff")
    print("  twine upload dist/*                                         # with the credentials of your index")


if __name__ == "__main__":
    main()
