"""The app for a Jira Cloud site, written for one's own address: what `flagpost forge-app` makes.

Addresses are fixed in a Forge app's manifest, so everybody registers, deploys and installs an app of their own, with
Atlassian's command line. `docs/how-to/connect-jira.md` goes through it.
"""

from importlib.resources import files
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from flagpost.errors import Conflict, InvalidInput
from flagpost.jira.client import is_loopback
from flagpost.jira.manifest import forge_manifest

PLACEHOLDER_ID = "ari:cloud:ecosystem::app/00000000-0000-0000-0000-000000000000"
_PAGES = ("index.html", "configure.css")
_SOURCES = ("package.json", "configure.js", "README.md")


def write_app(base_url: str, folder: Path, app_id: str = PLACEHOLDER_ID) -> list[Path]:
    """Write the app's files into a new or empty folder, and give their paths back.

    InvalidInput where the address cannot work: not https, or too long for Jira. Conflict where the folder has
    something in it already, so that an app that was registered is never overwritten.
    """
    base_url = _checked(base_url)
    manifest = forge_manifest(base_url, app_id)
    if folder.exists() and any(folder.iterdir()):
        raise Conflict(f"{folder} is not empty. Choose another --out, or change manifest.yml there by hand.")
    pages = files(__package__) / "pages"
    written = {folder / "manifest.yml": yaml.safe_dump(manifest, sort_keys=False, allow_unicode=True)}
    written |= {folder / "static" / name: (pages / name).read_text("utf-8") for name in _PAGES}
    written |= {folder / name: (pages / name).read_text("utf-8") for name in _SOURCES}
    for path, text in written.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return list(written)


def _checked(base_url: str) -> str:
    try:
        parts = urlsplit(base_url.strip())
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise InvalidInput("That is not an address. Example: https://flags.example.com", "base-url") from None
    if parts.scheme != "https" or not host:
        raise InvalidInput("Jira Cloud calls Flagpost over https only. Example: https://flags.example.com", "base-url")
    if is_loopback(host):
        raise InvalidInput(f"Jira Cloud cannot reach {host}: that is your own machine, seen from there.", "base-url")
    if parts.query or parts.fragment:
        raise InvalidInput("The address must have no ? and no #.", "base-url")
    return base_url.strip().rstrip("/")
