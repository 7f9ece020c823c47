"""The project URLs in the metadata of both distributions, which depend on who publishes them.

The build backend calls this while it builds. `FLAGPOST_REPOSITORY` is the address of the repository that the release
comes from, for example `https://git.example.com/tools/flagpost`; `make release REPOSITORY=…` sets it, and the hosted
workflow knows it. Without one the distributions name no URL, because the source names no host of its own.
"""

import os
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

PAGES = {
    "Homepage": "",
    "Documentation": "/blob/main/README.md",
    "Changelog": "/blob/main/CHANGELOG.md",
    "Source": "",
    "Issues": "/issues",
}


class ProjectUrls(MetadataHookInterface):
    """Fill the dynamic field `urls`."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the field `urls` of `metadata` in place; to an empty table where no repository is known."""
        repository = os.environ.get("FLAGPOST_REPOSITORY", "").strip().rstrip("/")
        metadata["urls"] = {name: repository + page for name, page in PAGES.items()} if repository else {}
