"""Whether any key can meet a flag's prerequisites, computed without a key.

A flag that gives all keys one treatment, for example because it is killed, decides for every key. Where a prerequisite
does not accept that treatment, the dependent flag serves its default treatment to all keys, whatever its own rules are.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from flagpost.flags.evaluation import CONTROL
from flagpost.flags.model import Definition


@dataclass(frozen=True, slots=True)
class PrerequisiteState:
    """The definition of an active flag in an environment, and whether the flag is killed there."""

    definition: Definition
    killed: bool


@dataclass(frozen=True, slots=True)
class UnmetPrerequisite:
    """A prerequisite that no key meets: the other flag's name, and why in words, for example ``is killed``."""

    flag: str
    why: str


Prerequisites = Mapping[str, PrerequisiteState]
"""By name, the flags of one environment that a flag depends on, directly or through others.

A flag without a definition there is missing.
"""


def unmet_prerequisite(definition: Definition, others: Prerequisites) -> UnmetPrerequisite | None:
    """The first prerequisite that no key meets; None where some key may meet all of them.

    None, too, where flags depend on each other in a cycle: the evaluator serves `control` there.
    """
    try:
        return _unmet(definition, others, frozenset())
    except _Cycle:
        return None


class _Cycle(Exception):
    """A flag depends on itself through its prerequisites."""


def _unmet(definition: Definition, others: Prerequisites, path: frozenset[str]) -> UnmetPrerequisite | None:
    for prerequisite in definition.prerequisites:
        found = _served_to_all_keys(prerequisite.flag, others, path)
        if found is not None and found[0] not in prerequisite.treatments:
            return UnmetPrerequisite(prerequisite.flag, found[1])
    return None


def _served_to_all_keys(name: str, others: Prerequisites, path: frozenset[str]) -> tuple[str, str] | None:
    """The one treatment that every key gets, and why; None where it depends on the key."""
    if name in path:
        raise _Cycle
    found = others.get(name)
    if found is None:
        return CONTROL, "is not initiated"
    definition = found.definition
    if found.killed:
        return definition.default_treatment, "is killed"
    unmet = _unmet(definition, others, path | {name})
    treatment = definition.default_treatment if unmet else only_treatment(definition)
    return (treatment, f"gives everybody “{treatment}”") if treatment else None


def only_treatment(definition: Definition) -> str | None:
    """The one treatment that a definition gives every key, prerequisites and kills aside; None where keys differ."""
    if any(treatment.keys or treatment.segments for treatment in definition.treatments):
        return None
    if definition.traffic_allocation == 0:
        return definition.default_treatment
    served = {bucket.treatment for bucket in definition.default_rule if bucket.size}
    if definition.traffic_allocation < 100:
        served.add(definition.default_treatment)
    return served.pop() if len(served) == 1 and not definition.rules else None
