"""Definitions that Harness writes in another way than Flagpost reads them."""

from typing import Any

import pytest

from flagpost.commands.split_migration.definition import normalize
from flagpost.flags.definition_json import parse
from flagpost.flags.model import BetweenVersions, Depends


def matcher(**written: Any) -> Any:
    condition = {"combiner": "AND", "matchers": [{"negate": False, **written}]}
    all_keys = [{"treatment": "on", "size": 100}]
    body = {
        "treatments": [{"name": "on"}, {"name": "off"}],
        "defaultTreatment": "off",
        "defaultRule": all_keys,
        "rules": [{"condition": condition, "buckets": all_keys}],
    }
    return parse(normalize(body)).rules[0].matchers[0]


def test_a_range_of_versions() -> None:
    read = matcher(type="BETWEEN_SEMVER", attribute="app", betweenString={"from": "1.0.0", "to": "2.0.0"})
    assert read.between_versions == BetweenVersions("1.0.0", "2.0.0")


@pytest.mark.parametrize("name", ["treatment", "treatments"])
def test_the_treatments_of_another_flag(name: str) -> None:
    assert matcher(type="IN_SPLIT", depends={"splitName": "other", name: ["on"]}).depends == Depends("other", ("on",))


@pytest.mark.parametrize("kind", ["IN_SEGMENT", "IN_LARGE_SEGMENT", "IN_RULE_BASED_SEGMENT"])
def test_a_segment_of_any_kind(kind: str) -> None:
    read = matcher(type=kind, attribute="", string="staff")
    assert (read.type, read.string, read.attribute) == ("IN_SEGMENT", "staff", None)
