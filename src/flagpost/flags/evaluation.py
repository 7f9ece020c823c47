"""Which treatment a key gets, as Split's SDKs decide it: an environment is compiled once, and evaluated many times.

Compiling turns each flag into a few closures over prepared values, and creates every possible evaluation in advance.
Evaluating then allocates nothing and queries no database. It needs no lock, because a compiled snapshot never changes:
after a change, a new snapshot replaces the old one.

The order is Split's: killed, prerequisites, individual targets, limit exposure, targeting rules, default rule.
`docs/explanation/evaluation.md` names the source of each part.
"""

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from flagpost.flags.bucketing import bucket
from flagpost.flags.conditions import (
    EXCEPTION,
    KILLED,
    NOT_FOUND,
    NOT_IN_SPLIT,
    PREREQUISITES_NOT_MET,
    Condition,
    Reason,
    individual_targets,
    rules,
)
from flagpost.flags.expressions import expression
from flagpost.flags.matching import value_test
from flagpost.flags.model import Bucket, Depends, Matcher
from flagpost.flags.targeting import KeySegment, RuleBasedSegment, TargetedFlag, Targeting

CONTROL = "control"  # the treatment of an unknown flag

Attributes = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The treatment, and what decided.

    `rule` is the index of the targeting rule that decided, from 0. `share` is the percentage that its distribution
    gives to this treatment; 100 where there is no distribution. `change_number` is -1 for an unknown flag.
    """

    treatment: str
    label: str
    reason: Reason
    configuration: str | None = None
    change_number: int = -1
    rule: int | None = None
    share: int = 100


@dataclass(frozen=True, slots=True)
class Explanation:
    """An evaluation, with the buckets (1 to 100) that it depends on; None where it depends on none."""

    evaluation: Evaluation
    bucket: int | None
    exposure_bucket: int | None


_NOT_FOUND = Evaluation(CONTROL, NOT_FOUND, Reason.NOT_FOUND)
_NO_ATTRIBUTES: Attributes = {}

_Test = Callable[[str, str, Attributes], bool]
_Decide = Callable[[str, str, Attributes], Evaluation]
_Share = Callable[[str], Evaluation]


class Snapshot:
    """The compiled flags of an environment. Threads can share it.

    Evaluating takes microseconds while the key and attributes have at most `longest_text` characters; with longer ones
    it can take milliseconds, as `flagpost.flags.expressions` explains.
    """

    __slots__ = ("_broken", "_decide", "_flags", "longest_text")

    def __init__(self, targeting: Targeting, previous: "Snapshot | None" = None) -> None:
        self._flags = {flag.name: flag for flag in targeting.flags}
        self._decide = _Compiler(targeting, previous._independent() if previous else {}).flags
        self._broken = {flag.name: _broken(flag) for flag in targeting.flags}
        self.longest_text = _longest_text(targeting)

    def evaluate(
        self, flag: str, key: str, attributes: Attributes | None = None, bucketing_key: str | None = None
    ) -> Evaluation:
        """Never raises. Where `bucketing_key` is given, it decides the bucket in place of the key.

        An error during evaluation, for example of flags that depend on each other in a cycle, gives `control` with
        the label `exception`, as in Split's SDKs: an application must not fail because a flag does.
        """
        decide = self._decide.get(flag)
        if decide is None:
            return _NOT_FOUND
        try:
            return decide(key, key if bucketing_key is None else bucketing_key, attributes or _NO_ATTRIBUTES)
        except Exception:  # a cycle of flags, for example, raises RecursionError
            return self._broken[flag]

    def evaluate_all(
        self,
        key: str,
        attributes: Attributes | None = None,
        bucketing_key: str | None = None,
        flags: Iterable[str] | None = None,
    ) -> dict[str, Evaluation]:
        """The evaluations of every flag, or of the named flags, by name."""
        names = self._decide if flags is None else flags
        return {name: self.evaluate(name, key, attributes, bucketing_key) for name in names}

    def explain(
        self, flag: str, key: str, attributes: Attributes | None = None, bucketing_key: str | None = None
    ) -> Explanation:
        """What `evaluate` returns, with the buckets that decided."""
        evaluation = self.evaluate(flag, key, attributes, bucketing_key)
        bucketed = key if bucketing_key is None else bucketing_key
        reason, found = evaluation.reason, self._flags.get(flag)
        if found is None or reason not in (Reason.LEFT_OUT, Reason.RULE, Reason.DEFAULT_RULE):
            return Explanation(evaluation, None, None)
        has_shares = reason is not Reason.LEFT_OUT and evaluation.share < 100
        is_limited = found.definition.traffic_allocation < 100
        return Explanation(
            evaluation,
            bucket(bucketed, found.seeds.shares) if has_shares else None,
            bucket(bucketed, found.seeds.exposure) if is_limited else None,
        )

    def recompile(self, targeting: Targeting) -> "Snapshot":
        """A snapshot of a later state. It reuses compiled flags that did not change and depend on nothing else."""
        return Snapshot(targeting, self)

    def _independent(self) -> dict[str, tuple[TargetedFlag, _Decide]]:
        """The compiled flags that depend on no other flag and no segment."""
        return {name: (flag, self._decide[name]) for name, flag in self._flags.items() if _is_independent(flag)}

    def names(self) -> list[str]:
        """The names of all flags."""
        return list(self._flags)


def compile_environment(targeting: Targeting) -> Snapshot:
    """Prepare an environment for evaluation. It takes about 20 µs a flag, and more for each key of a segment."""
    return Snapshot(targeting)


def _is_independent(flag: TargetedFlag) -> bool:
    """Whether the flag depends on no other flag and no segment."""
    conditions = (*individual_targets(flag.definition), *rules(flag.definition))
    matchers = (matcher for one in conditions for matcher in one.matchers)
    return not flag.definition.prerequisites and not any(m.type == "IN_SEGMENT" or m.depends for m in matchers)


def _longest_text(targeting: Targeting) -> int:
    """The shortest of the limits up to which its regular expressions can search without a time limit."""
    of_flags = (rule.matchers for flag in targeting.flags for rule in flag.definition.rules)
    of_segments = (matchers for segment in targeting.rule_based_segments for matchers in segment.rules)
    matchers = (one for one in chain.from_iterable(chain(of_flags, of_segments)) if one.type == "MATCHES_STRING")
    return min((expression(one.string or "").longest for one in matchers), default=sys.maxsize)


def _broken(flag: TargetedFlag) -> Evaluation:
    return Evaluation(CONTROL, EXCEPTION, Reason.EXCEPTION, change_number=flag.change_number)


class _Compiler:
    """Turns flags and segments into closures, which look each other up by name when they are called."""

    def __init__(self, targeting: Targeting, reusable: Mapping[str, tuple[TargetedFlag, _Decide]]) -> None:
        self.flags: dict[str, _Decide] = {}
        self.segments: dict[str, _Test] = {one.name: _keys(one) for one in targeting.key_segments}
        self.segments |= {one.name: self._rule_based(one) for one in targeting.rule_based_segments}
        for flag in targeting.flags:
            compiled_from, decide = reusable.get(flag.name, (None, None))
            self.flags[flag.name] = decide if decide and compiled_from is flag else self._flag(flag)

    def _flag(self, flag: TargetedFlag) -> _Decide:
        if flag.killed:
            killed = _default(flag, Reason.KILLED, KILLED)
            return lambda _key, _bucketing, _attributes: killed
        decide = self._conditions(flag)
        if not flag.definition.prerequisites:
            return decide
        tests = tuple(self._dependency(one) for one in flag.definition.prerequisites)
        unmet = _default(flag, Reason.PREREQUISITES, PREREQUISITES_NOT_MET)

        def with_prerequisites(key: str, bucketing: str, attributes: Attributes) -> Evaluation:
            for test in tests:
                if not test(key, bucketing, attributes):
                    return unmet
            return decide(key, bucketing, attributes)

        return with_prerequisites

    def _conditions(self, flag: TargetedFlag) -> _Decide:
        individual = self._compiled(flag, individual_targets(flag.definition))
        *conditions, default = rules(flag.definition)
        by_rule = self._compiled(flag, conditions)
        otherwise = _share(flag, default)
        exposure, exposure_seed = flag.definition.traffic_allocation, flag.seeds.exposure
        left_out = _default(flag, Reason.LEFT_OUT, NOT_IN_SPLIT)

        def decide(key: str, bucketing: str, attributes: Attributes) -> Evaluation:
            for test, share in individual:
                if test(key, bucketing, attributes):
                    return share(bucketing)
            if exposure < 100 and bucket(bucketing, exposure_seed) > exposure:
                return left_out
            for test, share in by_rule:
                if test(key, bucketing, attributes):
                    return share(bucketing)
            return otherwise(bucketing)

        return decide

    def _compiled(self, flag: TargetedFlag, conditions: Iterable[Condition]) -> tuple[tuple[_Test, _Share], ...]:
        return tuple((self._all(one.matchers), _share(flag, one)) for one in conditions)

    def _all(self, matchers: tuple[Matcher, ...]) -> _Test:
        tests = tuple(self._matcher(matcher) for matcher in matchers)
        if len(tests) == 1:
            return tests[0]

        def all_match(key: str, bucketing: str, attributes: Attributes) -> bool:
            for test in tests:  # noqa: SIM110 - a loop is twice as fast as all()
                if not test(key, bucketing, attributes):
                    return False
            return True

        return all_match

    def _matcher(self, matcher: Matcher) -> _Test:
        if matcher.type == "IN_SEGMENT":
            return _negated(self._in_segment(matcher.string or ""), matcher.negate)
        if matcher.depends is not None:
            return _negated(self._dependency(matcher.depends), matcher.negate)
        return _value_matcher(matcher)

    def _in_segment(self, name: str) -> _Test:
        segments = self.segments

        def in_segment(key: str, bucketing: str, attributes: Attributes) -> bool:
            test = segments.get(name)
            return test is not None and test(key, bucketing, attributes)

        return in_segment

    def _dependency(self, depends: Depends) -> _Test:
        flags, name, treatments = self.flags, depends.flag, frozenset(depends.treatments)

        def gets(key: str, bucketing: str, attributes: Attributes) -> bool:
            decide = flags.get(name)
            treatment = CONTROL if decide is None else decide(key, bucketing, attributes).treatment
            return treatment in treatments

        return gets

    def _rule_based(self, segment: RuleBasedSegment) -> _Test:
        excluded_keys = frozenset(segment.excluded_keys)
        excluded = tuple(self._in_segment(name) for name in segment.excluded_segments)
        tests = tuple(self._all(matchers) for matchers in segment.rules)

        def in_segment(key: str, bucketing: str, attributes: Attributes) -> bool:
            if key in excluded_keys or any(test(key, bucketing, attributes) for test in excluded):
                return False
            return any(test(key, bucketing, attributes) for test in tests)

        return in_segment


def _keys(segment: KeySegment) -> _Test:
    keys = segment.keys
    return lambda key, _bucketing, _attributes: key in keys


def _negated(test: _Test, negate: bool) -> _Test:
    return (lambda *arguments: not test(*arguments)) if negate else test


def _value_matcher(matcher: Matcher) -> _Test:
    """A matcher of the key or of an attribute. It does not match a missing attribute, unless it is negated."""
    test, name, negate = value_test(matcher), matcher.attribute, matcher.negate
    if name is None:
        return lambda key, _bucketing, _attributes: test(key) is not negate

    def of_attribute(_key: str, _bucketing: str, attributes: Attributes) -> bool:
        value = attributes.get(name)
        return negate if value is None else test(value) is not negate

    return of_attribute


def _configuration(flag: TargetedFlag, treatment: str) -> str | None:
    return next((one.configurations for one in flag.definition.treatments if one.name == treatment), None)


def _default(flag: TargetedFlag, reason: Reason, label: str) -> Evaluation:
    treatment = flag.definition.default_treatment
    return Evaluation(treatment, label, reason, _configuration(flag, treatment), flag.change_number)


def _share(flag: TargetedFlag, condition: Condition) -> _Share:
    """A distribution as a table of 100 evaluations, one for each bucket. A single treatment needs no bucket."""
    evaluations = tuple(_evaluation(flag, condition, share) for share in condition.buckets for _ in range(share.size))
    if len(condition.buckets) == 1:
        only = evaluations[0]
        return lambda _bucketing: only
    seed = flag.seeds.shares
    return lambda bucketing: evaluations[bucket(bucketing, seed) - 1]


def _evaluation(flag: TargetedFlag, condition: Condition, share: Bucket) -> Evaluation:
    configuration = _configuration(flag, share.treatment)
    return Evaluation(
        share.treatment,
        condition.label,
        condition.reason,
        configuration,
        flag.change_number,
        condition.rule,
        share.size,
    )
