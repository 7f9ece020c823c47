"""What `flagpost doctor` looks at: each finding says what is right or wrong, and what to do where it is wrong."""

from collections.abc import Iterator
from dataclasses import dataclass

from flagpost.actions import first_start, integration
from flagpost.actions.access import system
from flagpost.actions.context import Context
from flagpost.errors import FlagpostError
from flagpost.settings import Settings
from flagpost.store import health
from flagpost.store.db import Database


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `to_do` is empty where nothing needs doing."""

    good: bool
    text: str
    to_do: str = ""
