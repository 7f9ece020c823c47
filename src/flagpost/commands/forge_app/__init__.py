"""The app for a Jira Cloud site, written for one's own address: what `flagpost forge-app` makes.

Addresses are fixed in a Forge app's manifest, so everybody registers, deploys and installs an app of their own, with
Atlassian's command line. `docs/how-to/connect-jira.md` goes through it.

What is written is the folder `template` and a manifest. The pages in it are plain HTML, CSS and ES modules that import
Atlassian's bridge; `npm install` there bundles them. The Jira sandbox runs them as they are.
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
    """Write the app's files into a new or empty folder, and give their paths back.

    InvalidInput where the address cannot work. Conflict where the folder has something in it already, so that an app
    that was registered is never overwritten.
    """
    manifest = forge_manifest(checked_address(base_url, allow_localhost=allow_localhost), app_id)
    if folder.exists() and any(folder.iterdir()):
        raise Conflict(f"{folder} is not empty. Choose another --out, or change manifest.yml there by hand.")
    texts = {"manifest.yml": yaml.safe_dump(manifest, sort_keys=False, allow_unicode=True), **_template()}
    return [_write(folder / name, text) for name, text in texts.items()]


def page_files() -> dict[str, str]:
    """The app's pages, not bundled, under the paths that the manifest gives its resources: for the Jira sandbox."""
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
