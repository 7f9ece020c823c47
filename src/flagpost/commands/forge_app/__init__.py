"""`flagpost forge-app`: writes the app for a Jira Cloud site, with the address of this installation.

The manifest of a Forge app contains fixed addresses. So every operator registers, deploys and installs an own app, with
Atlassian's command line; `docs/how-to/connect-jira.md` shows how.

The app consists of the folder `template` and a manifest. Its pages are plain HTML, CSS and ES modules that import
Atlassian's bridge. `npm install` in the app's folder bundles them. The Jira sandbox runs them unbundled.
"""

from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import yaml

from flagpost.commands.forge_app.address import checked_address
from flagpost.errors import Conflict
from flagpost.jira.manifest import forge_manifest

PLACEHOLDER_ID = "ari:cloud:ecosystem::app/00000000-0000-0000-0000-000000000000"


def write_app(
    base_url: str, folder: Path, app_id: str = PLACEHOLDER_ID, *, allow_localhost: bool = False
) -> list[Path]:
    """Write the app's files into a new or empty folder. Gives their paths.

    InvalidInput if the address cannot work. Conflict if the folder is not empty, so that a registered app is never
    overwritten.
    """
    manifest = forge_manifest(checked_address(base_url, allow_localhost=allow_localhost), app_id)
    if folder.exists() and any(folder.iterdir()):
        raise Conflict(f"{folder} is not empty. Choose another --out, or change manifest.yml there by hand.")
    texts = {"manifest.yml": yaml.safe_dump(manifest, sort_keys=False, allow_unicode=True), **_template()}
    return [_write(folder / name, text) for name, text in texts.items()]


def page_files() -> dict[str, str]:
    """The app's pages, unbundled, by the paths of the manifest's resources: for the Jira sandbox."""
    return {f"static/{name.removeprefix('pages/')}": text for name, text in _template().items() if "/" in name}


def _template() -> dict[str, str]:
    return dict(sorted(_texts(files(__package__) / "template", "")))


def _texts(folder: Traversable, prefix: str) -> Iterator[tuple[str, str]]:
    for one in folder.iterdir():
        if one.is_dir():
            yield from _texts(one, f"{prefix}{one.name}/")
        else:
            yield prefix + one.name, one.read_text("utf-8")


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path
