"""The state of a flag in one environment: for Jira as its API has it, and in words for every page that shows it.

The rollout that Jira shows follows Harness FME's rule. Where a definition uses only the default rule, it is the
percentage that this rule gives to the default treatment; otherwise it is the number of rules. Individual targets count
as one rule, because they decide before the default rule does. Where all keys get the default treatment for another
reason, the rollout is a text: a percentage or a number of rules would contradict what applications are served.
"""

from dataclasses import dataclass
from enum import StrEnum

from flagpost.flags.model import Definition
from flagpost.flags.prerequisites import Prerequisites, unmet_prerequisite
from flagpost.formatting import counted


class StateKind(StrEnum):
    """What decides first about a flag in an environment. BLOCKED: on, but no key meets one of its prerequisites."""

    ARCHIVED = "archived"
    NOT_INITIATED = "not_initiated"
    KILLED = "killed"
    BLOCKED = "blocked"
    ON = "on"


@dataclass(frozen=True, slots=True)
class StateWords:
    """A state in words: a short label, and a detail where the label does not say which treatment is served."""

    label: str
    detail: str = ""
    separator: str = ": "

    @property
    def text(self) -> str:
        """Label and detail, for example “Killed: everybody gets “off””."""
        return f"{self.label}{self.separator}{self.detail}" if self.detail else self.label


@dataclass(frozen=True, slots=True)
class Rollout:
    """How far a flag is rolled out; exactly one field is set (Atlassian: `rollout` shows only one)."""

    percentage: int | None = None
    rules: int | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class FlagState:
    """The state of a flag in one environment.

    `enabled`, `default_value` and `rollout` are what Jira shows; `default_value` is the default treatment, None where
    there is no definition. `words` say what applications are served.
    """

    enabled: bool
    default_value: str | None
    rollout: Rollout
    kind: StateKind
    words: StateWords


def flag_state(
    definition: Definition | None, *, killed: bool, archived: bool = False, others: Prerequisites | None = None
) -> FlagState:
    """The state of a flag with this definition, None where it is not initiated in the environment.

    `others` are the flags that it depends on; without them, prerequisites count as met.
    """
    default = definition.default_treatment if definition else None
    if archived:
        return FlagState(False, default, Rollout(text="Archived"), StateKind.ARCHIVED, StateWords("Archived"))
    if definition is None:
        words = StateWords("Not initiated")
        return FlagState(False, None, Rollout(text=words.text), StateKind.NOT_INITIATED, words)
    if killed:
        words = StateWords("Killed", f"everybody gets “{default}”")
        rollout = Rollout(text="Killed" if default == "off" else words.text)
        return FlagState(False, default, rollout, StateKind.KILLED, words)
    if others is not None and (unmet := unmet_prerequisite(definition, others)):
        words = StateWords("On", f"but its prerequisite “{unmet.flag}” {unmet.why}: everybody gets “{default}”", ", ")
        return FlagState(True, default, Rollout(text=words.text), StateKind.BLOCKED, words)
    return FlagState(True, default, _rollout(definition), StateKind.ON, StateWords(_on(definition)))


def _rule_count(definition: Definition) -> int:
    targeted = any(treatment.keys or treatment.segments for treatment in definition.treatments)
    return len(definition.rules) + targeted


def _rollout(definition: Definition) -> Rollout:
    if rules := _rule_count(definition):
        return Rollout(rules=rules)
    sizes = {bucket.treatment: bucket.size for bucket in definition.default_rule}
    return Rollout(percentage=sizes.get(definition.default_treatment, 0))


def _on(definition: Definition) -> str:
    """For example “On for 10 %” or “On with 2 rules”.

    The shares include limit exposure: traffic that it leaves out gets the default treatment. For a flag with the
    treatments *on* and *off*, the text has the share of *on*; for others it names each treatment.
    """
    if rules := _rule_count(definition):
        return f"On with {counted(rules, 'rule')}"
    shares = _shares(definition)
    if {treatment.name for treatment in definition.treatments} == {"on", "off"}:
        return f"On for {shares['on']:g} %"
    return "On: " + ", ".join(f"{share:g} % {name}" for name, share in shares.items() if share)


def _shares(definition: Definition) -> dict[str, float]:
    """The percentage of traffic for each treatment where only the default rule applies, to two decimals."""
    shares = {treatment.name: 0.0 for treatment in definition.treatments}
    for bucket in definition.default_rule:
        shares[bucket.treatment] += bucket.size * definition.traffic_allocation / 100
    shares[definition.default_treatment] += 100 - definition.traffic_allocation
    return {name: round(share, 2) for name, share in shares.items()}


def describe(state: FlagState) -> str:
    """What Jira is sent of a state, in words, for example “On · 3 rules” or “Killed”."""
    rollout = state.rollout
    if rollout.text is not None:
        return rollout.text
    if rollout.rules is not None:
        return f"On · {counted(rollout.rules, 'rule')}"
    return f"On · {rollout.percentage} % {state.default_value}"
