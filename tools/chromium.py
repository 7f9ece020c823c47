"""Find a Chromium for the browser tests, or install one with what the machine offers, or say what to do."""

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
LAUNCH = [
    "--no-sandbox",  # as root, in a container, Chromium starts no other way; it only sees pages of the tests
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
HOW = """No Chromium was found, and none could be installed.
Install one (for example `apt-get install chromium`, `dnf install chromium` or `brew install --cask chromium`),
or point FLAGPOST_TEST_CHROMIUM at the program of an installed Chromium or Chrome. Then run make again."""


def find() -> str | None:
    """The program to start: the variable's, or the first installed one."""
    named = os.environ.get("FLAGPOST_TEST_CHROMIUM")
    if named:
        return named if shutil.which(named) else None
    return next((path for name in NAMES if (path := shutil.which(name))), None) or _of_playwright()


def _of_playwright() -> str | None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if os.path.exists(path) else None


def _install() -> None:
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if shutil.which("apt-get") and (not sudo or shutil.which("sudo")):
        apt = [*sudo, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]
        subprocess.run([*apt, "update"], check=False)
        subprocess.run([*apt, "install", "-y", "chromium"], check=False)
    if not find():
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False)


def main() -> None:
    """Make sure there is one, and say which."""
    if not find():
        print("No Chromium found; installing one for the browser tests …", flush=True)
        _install()
    found = find()
    if not found:
        sys.exit(HOW)
    print(f"Browser tests use {found}")


if __name__ == "__main__":
    main()
