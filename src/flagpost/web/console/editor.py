"""The definition editor without JavaScript: a form's flat fields to JSON and back, and its buttons as pure changes.

A field's name is its path, as in ``rules[0].condition.matchers[1].strings``: the same path that a problem carries, so
each problem finds its field.
"""

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flagpost.flags.definition_json import dump, parse
from flagpost.flags.matchers import DATE_MATCHERS, MATCHERS
from flagpost.flags.model import Definition
from flagpost.store.records import FlagDefinition
from flagpost.web.admin_api import schemas

_STEP = re.compile(r"([A-Za-z]+)|\[(\d{1,4})\]")
_MAX_ITEMS = 1000
_LISTS = ("prerequisites", "flagSets")
_NOTHING: dict[str, Any] = {"prerequisites": [], "flagSets": [], "impressionsDisabled": False}
FIELDS = ("treatments", "rules", "defaultRule", "defaultTreatment", "trafficAllocation", *_NOTHING)
NEW_MATCHER: dict[str, Any] = {"type": "IN_LIST_STRING", "negate": False, "strings": []}
MATCHER_GROUPS = [
    (group, [kind for kind in MATCHERS.values() if kind.group == group])
    for group in dict.fromkeys(kind.group for kind in MATCHERS.values())
]


@dataclass(frozen=True, slots=True)
class Draft:
    """The content of the editor: a definition, and the ids of the flag's sets."""

    definition: Definition
    flag_sets: tuple[str, ...] = ()

    @classmethod
    def read(cls, body: Any) -> "Draft":
        """Read the Admin API's shape. InvalidInput names every problem."""
        return cls(parse(body), tuple(schemas.flag_sets(body) or ()))

    @classmethod
    def of(cls, saved: FlagDefinition) -> "Draft":
        """The saved definition."""
        return cls(saved.definition, saved.flag_set_ids)

    def body(self) -> dict[str, Any]:
        """The Admin API's shape, with every field that the editor has."""
        return _NOTHING | dump(self.definition) | {"flagSets": [{"id": id} for id in self.flag_sets]}


def from_form(fields: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """The definition in a form, in the Admin API's shape; invalid values stay, for the validation to name them."""
    body: dict[str, Any] = {"treatments": [], "rules": [], "defaultRule": []}
    for name, value in fields:
        if name in _LISTS:
            body.setdefault(name, [])  # the form has these fields, even if all of them are empty
        elif name.startswith(FIELDS):
            _put(body, [word or int(number) for word, number in _STEP.findall(name)], value)
    body["treatments"] = [_treatment(one) for one in body["treatments"] if one]
    body["rules"] = [_rule(one) for one in body["rules"] if one]
    body["defaultRule"] = _buckets(body["defaultRule"])
    body["trafficAllocation"] = _number(body.get("trafficAllocation", "100"))
    if "prerequisites" in body:
        body["prerequisites"] = [_depends(one) for one in body["prerequisites"] if one]
    if "flagSets" in body:
        body["flagSets"] = [one for one in body["flagSets"] if one]
    if "impressionsDisabled" in body:
        body["impressionsDisabled"] = body["impressionsDisabled"] == "true"
    return body


def with_hidden(body: dict[str, Any], present: dict[str, Any] | None) -> dict[str, Any]:
    """The body with the present values of what the form has no fields for: a save must not undo them."""
    kept = _NOTHING | (present or {})
    hidden = {name: kept[name] for name in _NOTHING}
    if present and present["baselineTreatment"] != present["defaultTreatment"]:
        hidden["baselineTreatment"] = present["baselineTreatment"]
    return hidden | body


def flag_names(body: dict[str, Any]) -> set[str]:
    """The names of the flags that a body depends on: by prerequisites and by matchers."""
    matchers = [one for rule in body["rules"] for one in rule["condition"]["matchers"]]
    depends = [*body.get("prerequisites", ()), *(one["depends"] for one in matchers if one.get("depends"))]
    return {one["splitName"] for one in depends if one["splitName"]}


def _put(body: Any, path: list[str | int], value: str) -> None:
    for step, following in itertools.pairwise(path):
        empty: Any = [] if isinstance(following, int) else {}
        if isinstance(step, int):
            _lengthen(body, step)
            if body[step] is None:
                body[step] = empty
        else:
            body.setdefault(step, empty)
        body = body[step]
    if isinstance(path[-1], int):
        _lengthen(body, path[-1])
    body[path[-1]] = value


def _lengthen(items: list[Any], index: int) -> None:
    items.extend([None] * (min(index, _MAX_ITEMS) + 1 - len(items)))


def _treatment(raw: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": raw.get("name", "").strip(),
        "description": raw.get("description", ""),
        "configurations": raw.get("configurations", "").replace("\r\n", "\n") or None,
        "keys": texts(raw.get("keys", "")),
        "segments": texts(raw.get("segments", "")),
    }


def _rule(raw: dict[str, Any]) -> dict[str, Any]:
    matchers = (raw.get("condition") or {}).get("matchers") or []
    condition = {"combiner": "AND", "matchers": [_matcher(one) for one in matchers if one]}
    return {"condition": condition, "buckets": _buckets(raw.get("buckets") or [])}


def _buckets(raw: list[Any]) -> list[dict[str, Any]]:
    shares = [{"treatment": one["treatment"], "size": _number(one.get("size") or "0")} for one in raw if one]
    return [share for share in shares if share["size"] != 0] or shares[:1]


def _matcher(raw: dict[str, Any]) -> dict[str, Any]:
    kind = MATCHERS.get(raw.get("type", ""))
    made: dict[str, Any] = {"type": raw.get("type", ""), "negate": raw.get("negate") == "true"}
    if raw.get("attribute", "").strip():
        made["attribute"] = raw["attribute"].strip()
    if kind is None:
        return made
    name = kind.json_name
    if kind.field in ("between", "between_versions", "depends"):
        made[name] = _pair(kind.type, kind.field, raw.get(name))
    else:
        made[name] = _value(kind.field, raw.get(name) or "")
    return made


def _pair(type: str, field: str, raw: Any) -> dict[str, Any]:
    source = raw if isinstance(raw, dict) else {}
    if field == "depends":
        return _depends(source)
    if field == "between_versions":
        return {end: source.get(end, "").strip() for end in ("from", "to")}
    read = read_date if type in DATE_MATCHERS else _number
    return {"from": read(source.get("from", "")), "to": read(source.get("to", ""))}


def _depends(source: dict[str, Any]) -> dict[str, Any]:
    """Another flag and its treatments: ticked where the treatments are known, else typed."""
    typed = source.get("treatment", "")
    treatments = [one for one in typed if one] if isinstance(typed, list) else texts(typed)
    return {"splitName": source.get("splitName", "").strip(), "treatment": treatments}


def _value(field: str, text: str) -> Any:
    match field:
        case "strings":
            return texts(text)
        case "number":
            return _number(text)
        case "date":
            return read_date(text)
        case "boolean":
            return text == "true"
    return text


def texts(value: str) -> list[str]:
    """The texts of a field that takes one a line."""
    return [line.strip() for line in value.splitlines() if line.strip()]


def _number(text: Any) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except (TypeError, ValueError):
            continue
    return None if text == "" else text


def read_date(text: str) -> Any:
    """The time of a browser's date field in milliseconds; None where it is empty, the text where it is no date."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text or None
    return int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() * 1000)


def date_field(value: Any) -> str:
    """A time in milliseconds as the value of a browser's date field, in UTC."""
    if not isinstance(value, int):
        return ""
    return datetime.fromtimestamp(value / 1000, UTC).strftime("%Y-%m-%dT%H:%M")


EDITOR_VALUES: dict[str, Any] = {
    "matchers": MATCHERS,
    "groups": MATCHER_GROUPS,
    "dates": DATE_MATCHERS,
    "date_field": date_field,
}
"""The values that the templates of the editor take, for flags and for segments."""


def new_definition() -> dict[str, Any]:
    """The first definition of a flag that is initiated: all keys get *off*."""
    names = ("on", "off")
    plain: dict[str, Any] = {"description": "", "configurations": None, "segments": []}
    return _NOTHING | {
        "treatments": [{"name": name, "keys": [], **plain} for name in names],
        "defaultTreatment": "off",
        "trafficAllocation": 100,
        "rules": [],
        "defaultRule": [{"treatment": "off", "size": 100}],
    }


def press(body: dict[str, Any], button: str) -> dict[str, Any]:
    """The body after a button of the form, such as ``add-matcher 0`` or ``up 2``; an unknown one does nothing."""
    name, *numbers = button.split()
    at = [int(number) for number in numbers if number.isdigit()]
    action = _BUTTONS.get(name)
    try:
        if action:
            action(body, *at)
    except (IndexError, KeyError, TypeError):
        return body
    return body


def _add_treatment(body: dict[str, Any]) -> None:
    body["treatments"].append({"name": "", "keys": [], "segments": [], "description": "", "configurations": None})


def _add_prerequisite(body: dict[str, Any]) -> None:
    body["prerequisites"] = [*body["prerequisites"], {"splitName": "", "treatment": []}]


def _add_rule(body: dict[str, Any]) -> None:
    first = body["treatments"][0]["name"]
    matchers = [dict(NEW_MATCHER)]
    condition = {"combiner": "AND", "matchers": matchers}
    body["rules"].append({"condition": condition, "buckets": [{"treatment": first, "size": 100}]})


def _add_matcher(body: dict[str, Any], rule: int) -> None:
    body["rules"][rule]["condition"]["matchers"].append(dict(NEW_MATCHER))


def _drop_matcher(body: dict[str, Any], rule: int, matcher: int) -> None:
    del body["rules"][rule]["condition"]["matchers"][matcher]


def _move_up(body: dict[str, Any], rule: int) -> None:
    if rule > 0:
        body["rules"].insert(rule - 1, body["rules"].pop(rule))


def _drop(part: str) -> Any:
    def drop(body: dict[str, Any], number: int) -> None:
        del body[part][number]

    return drop


_BUTTONS: dict[str, Any] = {
    "add-treatment": _add_treatment,
    "drop-treatment": _drop("treatments"),
    "add-prerequisite": _add_prerequisite,
    "drop-prerequisite": _drop("prerequisites"),
    "add-rule": _add_rule,
    "drop-rule": _drop("rules"),
    "up": _move_up,
    "down": lambda body, rule: _move_up(body, rule + 1),
    "add-matcher": _add_matcher,
    "drop-matcher": _drop_matcher,
}
