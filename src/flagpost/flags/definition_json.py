"""A definition as JSON, in the shape of Split's Admin API. The database stores this shape too.

Reading checks the shape first (is `rules` a list? is `size` a whole number?), and then, where the shape is right, the
rules of `flagpost.flags.validation`. Each of the two checks reports all of its problems at once, each with its path.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from flagpost.errors import InvalidInput, Problem
from flagpost.flags.model import Between, BetweenVersions, Bucket, Definition, Depends, Matcher, Rule, Treatment
from flagpost.flags.validation import problems_of

_T = TypeVar("_T")


def parse(body: object) -> Definition:
    """Read a definition, ignoring the keys of the Admin API's envelope (title, comment, id, …).

    Raises InvalidInput with every problem. `parse(dump(d)) == d` for every valid definition.
    """
    reader = _Reader()
    definition = reader.definition(body)
    problems = reader.problems or problems_of(definition)
    if problems:
        raise InvalidInput(problems)
    return definition


def load(stored: Mapping[str, Any]) -> Definition:
    """Read what `dump` wrote, without validation: a rule that became stricter must not hide a saved definition.

    It takes a third of the time of `parse`, which matters because lists and deliveries read thousands of definitions.
    """
    default, baseline = stored["defaultTreatment"], stored["baselineTreatment"]
    return Definition(
        treatments=tuple(
            Treatment(
                one["name"], one["description"], one["configurations"], tuple(one["keys"]), tuple(one["segments"])
            )
            for one in stored["treatments"]
        ),
        default_treatment=default,
        default_rule=_load_buckets(stored["defaultRule"]),
        rules=tuple(_load_rule(one) for one in stored["rules"]),
        traffic_allocation=stored["trafficAllocation"],
        baseline_treatment=baseline if baseline != default else None,
        prerequisites=tuple(
            Depends(one["splitName"], tuple(one["treatment"])) for one in stored.get("prerequisites", ())
        ),
        impressions_disabled=stored.get("impressionsDisabled", False),
    )


def _load_buckets(stored: Iterable[Mapping[str, Any]]) -> tuple[Bucket, ...]:
    return tuple(Bucket(one["treatment"], one["size"]) for one in stored)


def _load_rule(stored: Mapping[str, Any]) -> Rule:
    return Rule(load_matchers(stored["condition"]), _load_buckets(stored["buckets"]))


def load_matchers(condition: Mapping[str, Any]) -> tuple[Matcher, ...]:
    """The matchers of a stored rule's condition, of a definition or a rule-based segment, without validation."""
    reader = _Reader()
    return tuple(reader.matcher(one, "") for one in condition["matchers"])


def dump(definition: Definition) -> dict[str, Any]:
    """Write a definition. It always has `treatments`, `rules` and `defaultRule`: Split's clients iterate over them.

    Prerequisites and disabled impressions are written only where a definition has them, as Split writes them.
    """
    written: dict[str, Any] = {
        "treatments": [_dump_treatment(treatment) for treatment in definition.treatments],
        "defaultTreatment": definition.default_treatment,
        "baselineTreatment": definition.baseline_treatment or definition.default_treatment,
        "trafficAllocation": definition.traffic_allocation,
        "rules": [_dump_rule(rule) for rule in definition.rules],
        "defaultRule": _dump_buckets(definition.default_rule),
    }
    if definition.prerequisites:
        written["prerequisites"] = [_dump_depends(one) for one in definition.prerequisites]
    if definition.impressions_disabled:
        written["impressionsDisabled"] = True
    return written


def _dump_depends(depends: Depends) -> dict[str, Any]:
    return {"splitName": depends.flag, "treatment": list(depends.treatments)}


def _dump_treatment(treatment: Treatment) -> dict[str, Any]:
    return {
        "name": treatment.name,
        "configurations": treatment.configurations,
        "description": treatment.description,
        "keys": list(treatment.keys),
        "segments": list(treatment.segments),
    }


def _dump_rule(rule: Rule) -> dict[str, Any]:
    matchers = [_dump_matcher(matcher) for matcher in rule.matchers]
    return {"condition": {"combiner": "AND", "matchers": matchers}, "buckets": _dump_buckets(rule.buckets)}


def _dump_buckets(buckets: tuple[Bucket, ...]) -> list[dict[str, Any]]:
    return [{"treatment": bucket.treatment, "size": bucket.size} for bucket in buckets]


def _dump_matcher(matcher: Matcher) -> dict[str, Any]:
    written: dict[str, Any] = {"negate": matcher.negate, "type": matcher.type}
    plain: dict[str, Any] = {"attribute": matcher.attribute, "string": matcher.string, "bool": matcher.boolean}
    plain |= {"number": matcher.number, "date": matcher.date}
    written |= {name: value for name, value in plain.items() if value is not None}
    if matcher.strings is not None:
        written["strings"] = list(matcher.strings)
    if matcher.between is not None:
        written["between"] = {"from": matcher.between.start, "to": matcher.between.end}
    if matcher.between_versions is not None:
        versions = matcher.between_versions
        written["betweenVersions"] = {"from": versions.start, "to": versions.end}
    if matcher.depends is not None:
        written["depends"] = _dump_depends(matcher.depends)
    return written


class _Reader:
    """Reads JSON of any shape. It notes each value that does not fit, and continues with one that does."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def definition(self, body: object) -> Definition:
        source = self._object(body, "")
        default = self._text(source, "defaultTreatment", "", required=True)
        baseline = self._text(source, "baselineTreatment", "")
        return Definition(
            treatments=self._each(source, "treatments", "", self._treatment, required=True),
            default_treatment=default or "",
            default_rule=self._each(source, "defaultRule", "", self._bucket, required=True),
            rules=self._each(source, "rules", "", self._rule),
            traffic_allocation=self._whole(source, "trafficAllocation", "", 100),
            baseline_treatment=baseline if baseline and baseline != default else None,
            prerequisites=self._each(source, "prerequisites", "", self._dependency),
            impressions_disabled=bool(self._typed(source, "impressionsDisabled", "", bool, "true or false")),
        )

    def _treatment(self, body: object, path: str) -> Treatment:
        source = self._object(body, path)
        return Treatment(
            name=self._text(source, "name", path, required=True) or "",
            description=self._text(source, "description", path) or "",
            configurations=self._text(source, "configurations", path),
            keys=self._texts(source, "keys", path) or (),
            segments=self._texts(source, "segments", path) or (),
        )

    def _rule(self, body: object, path: str) -> Rule:
        source = self._object(body, path)
        condition_path = _join(path, "condition")
        condition = self._object(source.get("condition"), condition_path)
        if condition.get("combiner", "AND") != "AND":
            self._note(_join(condition_path, "combiner"), "Matchers are joined by AND.")
        return Rule(
            matchers=self._each(condition, "matchers", condition_path, self.matcher, required=True),
            buckets=self._each(source, "buckets", path, self._bucket, required=True),
        )

    def _bucket(self, body: object, path: str) -> Bucket:
        source = self._object(body, path)
        treatment = self._text(source, "treatment", path, required=True) or ""
        return Bucket(treatment, self._whole(source, "size", path, None))

    def matcher(self, body: object, path: str) -> Matcher:
        source = self._object(body, path)
        return Matcher(
            type=self._text(source, "type", path, required=True) or "",
            negate=bool(self._typed(source, "negate", path, bool, "true or false")),
            attribute=self._text(source, "attribute", path) or None,
            string=self._text(source, "string", path),
            boolean=self._typed(source, "bool", path, bool, "true or false"),
            strings=self._texts(source, "strings", path),
            number=self._number(source, "number", path),
            date=self._date(source, "date", path),
            between=self._between(source, path),
            between_versions=self._between_versions(source, path),
            depends=self._depends(source, path),
        )

    def _between(self, source: Mapping[str, Any], path: str) -> Between | None:
        if source.get("between") is None:
            return None
        path = _join(path, "between")
        between = self._object(source["between"], path)
        start, end = self._number(between, "from", path), self._number(between, "to", path)
        if start is None or end is None:
            self._note(path, "Give both ends: from and to.")
        return Between(start or 0, end or 0)

    def _between_versions(self, source: Mapping[str, Any], path: str) -> BetweenVersions | None:
        if source.get("betweenVersions") is None:
            return None
        path = _join(path, "betweenVersions")
        between = self._object(source["betweenVersions"], path)
        start, end = (self._text(between, name, path, required=True) for name in ("from", "to"))
        return BetweenVersions(start or "", end or "")

    def _depends(self, source: Mapping[str, Any], path: str) -> Depends | None:
        depends = source.get("depends")
        return None if depends is None else self._dependency(depends, _join(path, "depends"))

    def _dependency(self, body: object, path: str) -> Depends:
        depends = self._object(body, path)
        treatment = depends.get("treatment")
        listed = {"treatment": [treatment]} if isinstance(treatment, str) else depends
        flag = self._text(depends, "splitName", path, required=True) or ""
        return Depends(flag, self._texts(listed, "treatment", path) or ())

    # Values of one field ----------------------------------------------------------------------------------------------

    def _note(self, path: str, message: str) -> None:
        self.problems.append(Problem(path, message))

    def _object(self, value: object, path: str) -> Mapping[str, Any]:
        if isinstance(value, Mapping):
            return value
        self._note(path, "This must be an object.")
        return {}

    def _each(
        self, source: Mapping[str, Any], name: str, path: str, read: Callable[[object, str], _T], required: bool = False
    ) -> tuple[_T, ...]:
        value, path = source.get(name), _join(path, name)
        if isinstance(value, list):
            return tuple(read(part, f"{path}[{number}]") for number, part in enumerate(value))
        if value is not None or required:
            self._note(path, "This is missing." if value is None else "This must be a list.")
        return ()

    def _typed(self, source: Mapping[str, Any], name: str, path: str, kind: type, what: str) -> Any:
        value = source.get(name)
        if value is None or (isinstance(value, kind) and isinstance(value, bool) == (kind is bool)):
            return value
        self._note(_join(path, name), f"This must be {what}.")
        return None

    def _text(self, source: Mapping[str, Any], name: str, path: str, *, required: bool = False) -> str | None:
        if required and source.get(name) in (None, ""):
            self._note(_join(path, name), "This is missing.")
            return None
        text: str | None = self._typed(source, name, path, str, "text")
        return text

    def _texts(self, source: Mapping[str, Any], name: str, path: str) -> tuple[str, ...] | None:
        value = source.get(name)
        if value is None:
            return None
        if isinstance(value, list) and all(isinstance(part, str) for part in value):
            return tuple(value)
        self._note(_join(path, name), "This must be a list of texts.")
        return None

    def _whole(self, source: Mapping[str, Any], name: str, path: str, default: int | None) -> int:
        if source.get(name) is None and default is not None:
            return default
        value = source.get(name)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        self._note(_join(path, name), "This must be a whole number.")
        return 0

    def _number(self, source: Mapping[str, Any], name: str, path: str) -> int | float | None:
        value = source.get(name)
        if value is None or (isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**63):
            return value
        self._note(_join(path, name), "This must be a number.")
        return None

    def _date(self, source: Mapping[str, Any], name: str, path: str) -> int | None:
        return None if source.get(name) is None else self._whole(source, name, path, None)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
