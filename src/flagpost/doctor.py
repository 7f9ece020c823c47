"""What `flagpost doctor` looks at: each finding says what is right or wrong, and what to do where it is wrong."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `to_do` is empty where nothing needs doing."""

    good: bool
    text: str
    to_do: str = ""
