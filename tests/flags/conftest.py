"""What the tests beside Split's own SDK need."""

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module")
def quiet_sdk() -> Iterator[None]:
    """It logs every attribute and every matcher that it cannot read."""
    logging.getLogger("splitio").setLevel(logging.CRITICAL + 1)
    yield
    logging.getLogger("splitio").setLevel(logging.NOTSET)
