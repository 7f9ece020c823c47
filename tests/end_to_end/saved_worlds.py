"""The environments made up at random for the evaluator's tests, saved into a running Flagpost as people save them."""

import dataclasses
from collections.abc import Sequence
from functools import cmp_to_key
from random import Random
from typing import Any, TypeVar

from flagpost.actions.access import Actor
from flagpost.actions.accounts import api_keys
from flagpost.actions.context import Context
from flagpost.actions.flags import definitions, flags
from flagpost.actions.projects import environments, projects
from flagpost.actions.segments import keys as keys_of_segments
from flagpost.actions.segments import rule_based, segments
from flagpost.flags.definition_json import dump, parse
from flagpost.flags.model import BetweenVersions, Definition, Rule
from flagpost.flags.semantic_versions import read_version
from flagpost.flags.targeting import RuleBasedSegment, SegmentKind
from flagpost.serving.environment import ServedEnvironment
from flagpost.serving.environments import Environments
from tests.flags.cases import HALF_A_PAIR, Case, World, world

_T = TypeVar("_T")
_NAMES = frozenset({*(f"f{n}" for n in range(5)), "nowhere", "s0", "s1", "s2", "r0", "r1", "unknown"})


def worlds(random: Random, many: int, keys: int, *, strange: bool) -> list[World]:
    """Worlds whose names no two share, with what Flagpost takes only, and asked what every SDK takes.

    Split's SDKs refuse blank keys before they evaluate, and say nothing of a flag that is not there.
    """
    made = [fit_to_save(world(random, keys, strange=strange), f"w{number}_") for number in range(many)]
    return [World(one.targeting, tuple(case for case in one.cases if _asked(case))) for one in made]


def _asked(case: Case) -> bool:
    names = [case.key, case.key if case.bucketing_key is None else case.bucketing_key]
    return not case.flag.endswith("nowhere") and all(name.strip() and HALF_A_PAIR not in name for name in names)


def fit_to_save(value: _T, prefix: str) -> _T:
    """The same with a prefix to each name of a flag or a segment, without the blank key, and ranges in order."""
    changed: Any = value
    if isinstance(value, str):
        changed = prefix + value if value in _NAMES else value
    elif isinstance(value, tuple | frozenset):
        changed = type(value)(fit_to_save(one, prefix) for one in value if one != " ")
    elif isinstance(value, BetweenVersions):
        changed = BetweenVersions(*sorted((value.start, value.end), key=cmp_to_key(_compare)))
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = {one.name: fit_to_save(getattr(value, one.name), prefix) for one in dataclasses.fields(value)}
        changed = dataclasses.replace(value, **parts)
    return changed  # type: ignore[no-any-return]


def _compare(one: str, other: str) -> int:
    first, second = read_version(one), read_version(other)
    assert first is not None
    assert second is not None
    return first.compare(second)


class Saved:
    """A project with these worlds in its environment Production."""

    def __init__(self, ctx: Context, actor: Actor, name: str, made: Sequence[World]) -> None:
        self.ctx, self.actor = ctx, actor
        self.project = projects.create_project(ctx, actor, name)
        places = environments.list_environments(ctx, actor, self.project.id)
        self.place = next(one.id for one in places if one.production)
        for number, one in enumerate(made):
            self._save(one, f"w{number}_")

    def key(self, kind: str = "server_side") -> tuple[str, str]:
        """A new SDK key: its id and its secret."""
        scope = api_keys.KeyScope(self.project.id, [self.place])
        key, secret = api_keys.create_api_key(self.ctx, self.actor, name=kind, kind=kind, scope=scope)
        return key.id, secret

    def new_flag(self, name: str) -> None:
        flags.create_flag(self.ctx, self.actor, self.project.id, name=name, traffic_type="user")

    def define(self, name: str, body: object, *, new: bool = True) -> None:
        """In the Admin API's shape."""
        act = definitions.create_definition if new else definitions.save_definition
        act(self.ctx, self.actor, self.project.id, name, self.place, definitions.Draft(parse(body)))

    def served(self) -> ServedEnvironment:
        """As OFREP and *Try it* evaluate it now."""
        return Environments(self.ctx).load(self.project.id, self.place)

    def _save(self, one: World, prefix: str) -> None:
        for segment in one.targeting.key_segments:
            self._segment(segment.name, SegmentKind.STANDARD)
            keys_of_segments.add_keys(self.ctx, self.actor, self.place, segment.name, segment.keys)
        self._segment(f"{prefix}unknown", SegmentKind.STANDARD)  # no definition may name one that is not there
        for rules in reversed(one.targeting.rule_based_segments):
            self._segment(rules.name, SegmentKind.RULE_BASED)
            body = _rules_json(rules, {segment.name for segment in one.targeting.key_segments})
            rule_based.save_rules(self.ctx, self.actor, self.project.id, self.place, rules.name, body)
        names = [f"{prefix}nowhere", *(flag.name for flag in one.targeting.flags)]  # the first is not set up anywhere
        for name in names:
            self.new_flag(name)
        for flag in one.targeting.flags:
            self.define(flag.name, dump(flag.definition))
            if flag.killed:
                definitions.kill(self.ctx, self.actor, self.project.id, flag.name, self.place)

    def _segment(self, name: str, kind: SegmentKind) -> None:
        segments.create_segment(self.ctx, self.actor, self.project.id, kind, name=name, traffic_type="user")
        segments.add_to_environment(self.ctx, self.actor, self.place, name)


def _rules_json(segment: RuleBasedSegment, of_keys: set[str]) -> dict[str, Any]:
    """In the Admin API's shape; a definition with these rules is written first, as the two have the same ones."""
    rules = tuple(Rule(matchers, ()) for matchers in segment.rules)
    written = dump(Definition((), "", (), rules))["rules"]
    types = {
        name: "standard_segment" if name in of_keys else "rule_based_segment" for name in segment.excluded_segments
    }
    return {
        "rules": [{"condition": one["condition"]} for one in written],
        "excludedKeys": list(segment.excluded_keys),
        "excludedSegments": [{"name": name, "type": kind} for name, kind in types.items()],
    }
