"""How a call of the catalogue is described and made. The names below are all that calls are about: few, so that they meet."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.end_to_end.stored_account import HOME, State

API, REST = "/internal/api/v2", "/api/v1"
FLAGS, SETS, GROUPS = ("pay", "search"), ("web",), ("team",)
PEOPLE = ("ada@example.com", "bob@example.com", "carol@example.com")
ISSUES, ATTRIBUTES, KEYS = ("PAY-1", "PAY-2"), ("plan", "tier"), ("k1", "k2", "k3")
PLACES, SHOWN, SPARE_PLACE = ("Production", "Staging", "QA"), ("Production", "Staging"), "QA"
SEGMENTS = {"segments": ("vips", "testers"), "large-segments": ("whales",), "rule-based-segments": ("chosen",)}
SPARE = "Spare"
_CHOICES: dict[str, Sequence[str]] = {
    "workspace": (HOME,),
    "project": (HOME,),
    "environment": PLACES,
    "split": FLAGS,
    "flag": FLAGS,
    "name": FLAGS,
    "object_type": ("Split",),
    "traffic_type": ("user",),
    "user": PEOPLE,
    "group": GROUPS,
    "flag_set": SETS,
    "attribute": ATTRIBUTES,
    "identity": KEYS,
    "key": ISSUES,
}
_KINDS = {"environment": "environment", "flag_set": "flag set", "traffic_type": "traffic type"}
_SAME = dict.fromkeys(("split", "flag", "name"), ("split", "flag", "name"))
Effect = Callable[[State, Any], None]


@dataclass(frozen=True, slots=True)
class Made:
    """What is sent, and what an acknowledged answer (its JSON) means for the stored account."""

    sent: dict[str, Any] = field(default_factory=dict)
    effect: Effect = lambda _state, _answer: None


@dataclass(frozen=True, slots=True)
class Call:
    """A request, ready to be made."""

    route: str
    method: str
    path: str
    made: Made


@dataclass
class Memory:
    """What earlier answers gave: one-time addresses as (secret, change request, environment), ids of back-fills."""

    site: str
    uploads: list[tuple[str, str, str]] = field(default_factory=list)
    backfills: list[str] = field(default_factory=list)

    def note(self, route: str, said: Any) -> None:
        """Keep what a later call may need of an acknowledged answer."""
        if route.endswith("/jira/backfills"):
            self.backfills.append(said["id"])
        if isinstance(said, dict) and "transactionMetadata" in said:
            secret = said["transactionMetadata"]["url"].rpartition("/")[2]
            self.uploads.append((secret, said["id"], said["environment"]["name"]))


@dataclass
class Scene:
    """What a call is made for: the account as it is, what earlier answers gave, and the `names` in the call's path.

    `near`: the names of the other call of the pair.
    """

    state: State
    chance: random.Random
    number: int
    memory: Memory
    near: Mapping[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    choices: dict[str, Sequence[str]] = field(default_factory=dict)

    def __getitem__(self, parameter: str) -> str:
        return self.names[parameter]

    def pick(self, name: str, choices: Sequence[str]) -> str:
        """One of these for a parameter; mostly what the other call of the pair is about."""
        near = next((self.near[one] for one in _SAME.get(name, (name,)) if one in self.near), None)
        chosen = near if near and near in choices and self.number % 4 else self.chance.choice(choices or [""])
        self.names[name] = chosen
        return chosen

    def some(self, *choices: Any) -> Any:
        return self.chance.choice(choices)

    @property
    def text(self) -> str:
        """Another each time."""
        return f"text {self.number}"

    @property
    def share(self) -> int:
        return self.number % 101

    def definition(self) -> dict[str, Any]:
        rule = [{"treatment": "off", "size": self.share}, {"treatment": "on", "size": 100 - self.share}]
        treatments = [{"name": "on"}, {"name": "off"}]
        body = {"treatments": treatments, "defaultTreatment": "off", "rules": [], "defaultRule": rule}
        users = {("content", "vips", self.names.get("environment", ""))} & self.state.keys()
        if users and self.some(True, False):
            body["treatments"] = [{"name": "on", "segments": ["vips"]}, {"name": "off"}]
        return body | {"flagSets": [{"id": id, "type": "FLAG_SET"} for id in self.sets()]}

    def sets(self) -> tuple[str, ...]:
        """The flag set on every second call, where it is there."""
        found = self.state.get(("flag set", "web"))
        return (found,) if found and self.number % 2 else ()


Build = Callable[[Scene], Made]
WRITES: dict[str, Build] = {}
BREAKING: set[str] = set()
"""Those of `WRITES` that end, replace or change the connection with Jira."""
_FIXED: dict[str, dict[str, Sequence[str]]] = {}


def write(*routes: str, breaking: bool = False, **fixed: Sequence[str]) -> Callable[[Build], Build]:
    """Enter a builder for these routes. `fixed`: what a parameter of the path is chosen from, where not as elsewhere."""

    def note(build: Build) -> Build:
        for route in routes:
            assert route not in WRITES, route
            WRITES[route], _FIXED[route] = build, fixed
            BREAKING.update({route} if breaking else ())
        return build

    return note


def make(route: str, scene: Scene) -> Call:
    """A call of this route; which of the few things it is about, chance decides."""
    method, _, path = route.partition(" ")
    scene.choices = {**_CHOICES, **_choices_of(path, scene), **_FIXED[route]}
    for part in path.split("{")[1:]:
        name = part.partition("}")[0]
        scene.pick(name, scene.choices.get(name, ()))
    made = WRITES[route](scene)
    for name, chosen in scene.names.items():
        shown = scene.state.get((_KINDS[name], chosen)) if name in _KINDS else chosen
        path = path.replace(f"{{{name}}}", str(shown or "gone"))
    return Call(route, method, path, made)


def _choices_of(path: str, scene: Scene) -> dict[str, Sequence[str]]:
    requests = [key[1] for key in scene.state if key[0] == "request" and len(key) == 2]
    return {
        "segment": next((names for base, names in SEGMENTS.items() if f"/{base}/" in path), ()),
        "change_request": requests[-3:],
        "api_key": [key[1] for key in scene.state if key[0] == "api key"],
        "backfill": scene.memory.backfills[-2:],
    }


def patch(**values: Any) -> dict[str, Any]:
    """The body of a PATCH that replaces these fields (JSON Patch, RFC 6902)."""
    return {"json": [{"op": "replace", "path": f"/{name}", "value": value} for name, value in values.items()]}
