"""The app, bundled, for every test that needs it."""

from pathlib import Path

import pytest

from tests.commands.forge_app.node import built_app


@pytest.fixture(scope="session")
def built(npm_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The app for https://flags.example.com; a test that changes it takes a copy."""
    return built_app(tmp_path_factory.mktemp("forge") / "app", npm_cache)
