"""What Jira shows of a flag, computed from its definition in the primary environment.

The rule is Harness FME's. Where a definition uses only the default rule, Jira shows the percentage that this rule gives
to the default treatment; otherwise it shows the number of rules. Individual targets count as one rule, because they
decide before the default rule does.
"""

from dataclasses import dataclass

from flagpost.flags.model import Definition
from flagpost.formatting import counted

_PLAIN_TEXTS = {"Archived": "Off (archived)", "Not initiated": "Not set up yet", "Killed": "Off (killed)"}


@dataclass(frozen=True, slots=True)
class Rollout:
    """How far a flag is rolled out; exactly one field is set (Atlassian: `rollout` shows only one)."""

    percentage: int | None = None
    rules: int | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class FlagState:
    """What Jira shows: `default_value` is the default treatment, None where there is no definition."""

    enabled: bool
    default_value: str | None
    rollout: Rollout


def flag_state(definition: Definition | None, *, killed: bool, archived: bool = False) -> FlagState:
    """The state of a flag with this definition in the primary environment; None where it is not initiated there."""
    default = definition.default_treatment if definition else None
    if archived:
        return FlagState(False, default, Rollout(text="Archived"))
    if definition is None:
        return FlagState(False, None, Rollout(text="Not initiated"))
    if killed:
        return FlagState(False, default, Rollout(text="Killed"))
    return FlagState(True, default, _rollout(definition))


def _rollout(definition: Definition) -> Rollout:
    targeted = any(treatment.keys or treatment.segments for treatment in definition.treatments)
    rules = len(definition.rules) + targeted
    if rules:
        return Rollout(rules=rules)
    sizes = {bucket.treatment: bucket.size for bucket in definition.default_rule}
    return Rollout(percentage=sizes.get(definition.default_treatment, 0))


def describe(state: FlagState) -> str:
    """A flag's state for users of Flagpost, for example “On · 3 rules” or “Killed”."""
    rollout = state.rollout
    if rollout.text is not None:
        return rollout.text
    if rollout.rules is not None:
        return f"On · {counted(rollout.rules, 'rule')}"
    return f"On · {rollout.percentage} % {state.default_value}"


def describe_plainly(definition: Definition | None, state: FlagState) -> str:
    """A flag's state for readers who do not know Flagpost, for example “On for 10 %” or “Off (killed)”.

    The shares include limit exposure: traffic that it leaves out gets the default treatment. For a flag with the
    treatments *on* and *off*, the text has the share of *on*; for others it names each treatment.
    """
    rollout = state.rollout
    if definition is None or rollout.text is not None:
        return _PLAIN_TEXTS[rollout.text or "Not initiated"]
    if rollout.rules is not None:
        return f"On with {counted(rollout.rules, 'rule')}"
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
