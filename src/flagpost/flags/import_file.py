"""Reads a file of flags to import, CSV or JSON. Pure: text in, lines out.

`docs/reference/import-format.md` describes the format. A line that cannot be read is returned with its problems, so
that the other lines can be imported.

The reader converts values itself. msgspec and cattrs would need a converter for every field, because a list may be one
cell of text, and yes or no a word; and a file needs all problems of all its lines at once.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flagpost.errors import InvalidInput, Problem
from flagpost.flags.naming_rules import flag_name_problem

FIELDS = (
    "name",
    "description",
    "traffic_type",
    "rollout_status",
    "tags",
    "owners",
    "issues",
    "default",
    "stage",
    "component",
)
_LIST = re.compile(r"[;,]")
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


@dataclass(frozen=True, slots=True)
class FlagLine:
    """One flag of a file. `number` is its line in CSV, its position in the list (from 1) in JSON.

    `default` says whether the flag is on for all traffic where it is not set up yet; None leaves it not initiated.
    `traffic_type` and `rollout_status` are None where the file does not have them.
    """

    number: int
    name: str
    description: str = ""
    traffic_type: str | None = None
    rollout_status: str | None = None
    tags: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    issues: tuple[str, ...] = ()
    default: bool | None = None
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class FlagFile:
    """The flags of a file, and the names of its fields that Flagpost ignores."""

    lines: list[FlagLine]
    ignored_fields: list[str]


def read_flags(text: str, *, is_json: bool) -> FlagFile:
    """The flags of a file. InvalidInput where the file cannot be read as a whole, or has no flag."""
    entries = list(_from_json(text) if is_json else _from_csv(text))
    if not entries:
        raise InvalidInput("There is no flag in the file.")
    known = {*FIELDS, "versions"}
    ignored = dict.fromkeys(name for _, entry in entries for name in entry if name not in known)
    seen: dict[str, int] = {}
    return FlagFile([_line(number, entry, seen) for number, entry in entries], [*ignored])


def _from_csv(text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    try:
        header = [str(name).strip().lower() for name in reader.fieldnames or []]
        if "name" not in header:
            raise InvalidInput("The first line must name the columns, and one of them must be “name”.")
        reader.fieldnames = header
        for row in reader:
            extra = row.pop(None, None)
            if extra:
                raise InvalidInput(f"Line {reader.line_num} has more cells than the header. Is a quote missing?")
            yield reader.line_num, {name: value for name, value in row.items() if value not in (None, "")}
    except csv.Error as error:
        raise InvalidInput(f"Line {reader.line_num} is not CSV: {error}.") from None


def _from_json(text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise InvalidInput(f"The file is not JSON: {error}.") from None
    if isinstance(found, dict):
        lists = [value for value in found.values() if isinstance(value, list)]
        found = lists[0] if len(lists) == 1 else None
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise InvalidInput("The JSON must be a list of objects, or an object with one such list in it.")
    yield from enumerate(found, 1)


def _line(number: int, entry: Mapping[str, Any], seen: dict[str, int]) -> FlagLine:
    reader = _Entry(entry)
    name = reader.text("name")
    if problem := flag_name_problem(name):
        reader.problems.append(Problem("name", problem))
    elif name in seen:
        reader.problems.append(Problem("name", f"“{name}” is already in the file, at {seen[name]}."))
    seen.setdefault(name, number)
    latest = reader.latest_version()
    stage = reader.text("stage") or str(latest.get("stage", ""))
    labels = (stage, reader.text("component"))
    return FlagLine(
        number=number,
        name=name,
        description=reader.text("description"),
        traffic_type=reader.text("traffic_type") or None,
        rollout_status=reader.text("rollout_status") or None,
        tags=tuple(dict.fromkeys([*reader.texts("tags"), *filter(None, labels)])),
        owners=reader.texts("owners"),
        issues=reader.texts("issues"),
        default=reader.yes_or_no("default", latest.get("default")),
        problems=tuple(reader.problems),
    )


class _Entry:
    """The values of one entry. A value of the wrong type becomes a problem."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values
        self.problems: list[Problem] = []

    def text(self, name: str) -> str:
        value = self._values.get(name, "")
        if value is None or isinstance(value, str | int | float):
            return str("" if value is None else value).strip()
        self.problems.append(Problem(name, "This must be text."))
        return ""

    def texts(self, name: str) -> tuple[str, ...]:
        value = self._values.get(name) or []
        parts: Iterable[Any] = _LIST.split(value) if isinstance(value, str) else value
        if not isinstance(parts, list) or not all(isinstance(part, str | int) for part in parts):
            self.problems.append(Problem(name, "This must be a list of texts."))
            return ()
        return tuple(dict.fromkeys(text for part in parts if (text := str(part).strip())))

    def yes_or_no(self, name: str, default: object) -> bool | None:
        value = self._values.get(name, default)
        word = str(value).strip().lower()
        if value is None or word == "":
            return None
        if word not in (*_TRUE, *_FALSE):
            self.problems.append(Problem(name, f"“{word}” is neither true nor false."))
        return word in _TRUE

    def latest_version(self) -> Mapping[str, Any]:
        """The last version of a feature gate (Kubernetes), which has its present stage and default."""
        versions = self._values.get("versions")
        latest = versions[-1] if isinstance(versions, list) and versions else {}
        return latest if isinstance(latest, dict) else {}
