"""Whether a flag's prerequisites can be met at all, by what is known without a key: kills, and rules for everybody.

A prerequisite that gives everybody one treatment, such as a killed flag, decides for every key. Where that treatment
is not one of those asked for, the flag that asks serves its default treatment to everybody, whatever its own rules say.
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
"""By name, the flags of one environment that a flag asks for, and those that these ask for in turn.

A name that is missing has no definition there.
"""


def unmet_prerequisite(definition: Definition, others: Prerequisites) -> UnmetPrerequisite | None:
    """The first prerequisite that no key meets; None where some key may meet all of them.

    None, too, where flags depend on each other in a cycle: the evaluator serves `control` there.
    """
    try:
        return _unmet(definition, others, frozenset())
    except _Circle:
        return None


class _Circle(Exception):
    """A flag leads back to itself by its prerequisites."""


def _unmet(definition: Definition, others: Prerequisites, asking: frozenset[str]) -> UnmetPrerequisite | None:
    for wanted in definition.prerequisites:
        found = _served_to_everybody(wanted.flag, others, asking)
        if found is not None and found[0] not in wanted.treatments:
            return UnmetPrerequisite(wanted.flag, found[1])
    return None


def _served_to_everybody(name: str, others: Prerequisites, asking: frozenset[str]) -> tuple[str, str] | None:
    """The one treatment that every key gets, and why; None where it depends on the key."""
    if name in asking:
        raise _Circle
    found = others.get(name)
    if found is None:
        return CONTROL, "is not initiated"
    definition = found.definition
    if found.killed:
        return definition.default_treatment, "is killed"
    unmet = _unmet(definition, others, asking | {name})
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
