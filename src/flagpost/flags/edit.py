"""A change to a definition as a function: what was, and what is wanted, give what will be."""

from dataclasses import replace

from flagpost.flags.model import Bucket, Definition, Treatment


def starting_definition() -> Definition:
    """What a newly initiated environment starts with: two treatments, everybody gets `off`."""
    return Definition(
        treatments=(Treatment("on"), Treatment("off")),
        default_treatment="off",
        default_rule=(Bucket("on", 0), Bucket("off", 100)),
    )


def without_empty_shares(definition: Definition) -> Definition:
    """The same definition without shares of 0 %, which decide nothing."""
    rules = tuple(replace(rule, buckets=_kept(rule.buckets)) for rule in definition.rules)
    return replace(definition, rules=rules, default_rule=_kept(definition.default_rule))


def _kept(buckets: tuple[Bucket, ...]) -> tuple[Bucket, ...]:
    return tuple(bucket for bucket in buckets if bucket.size) or buckets
