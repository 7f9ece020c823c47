"""An evaluation as OFREP writes it: the value of a treatment, whatever its configuration contains."""

import json
import sys
from typing import Any

import pytest

from flagpost.flags.bucketing import Seeds
from flagpost.flags.evaluation import compile_environment
from flagpost.flags.model import Bucket, Definition, Treatment
from flagpost.flags.targeting import TargetedFlag, Targeting
from flagpost.serving import ofrep
from flagpost.serving.json_codec import encode


def encoded(configuration: str | None, other: str | None = None, names: tuple[str, str] = ("on", "off")) -> bytes:
    """The response for a flag whose first treatment has this configuration."""
    treatments = (Treatment(names[0], configurations=configuration), Treatment(names[1], configurations=other))
    definition = Definition(treatments, names[1], (Bucket(names[0], 100),))
    flag = TargetedFlag("pay", "user", definition, Seeds(1, 2))
    evaluation = compile_environment(Targeting((flag,))).evaluate("pay", "ann")
    return encode(ofrep.response("pay", evaluation, definition))


def response(configuration: str | None, other: str | None = None, names: tuple[str, str] = ("on", "off")) -> Any:
    """The response as a provider parses it."""
    return json.loads(encoded(configuration, other, names), parse_constant=pytest.fail)


@pytest.mark.parametrize(
    ("configuration", "value"),
    [
        ('{"color": "Gelb", "size": [1, 2.5, null]}', {"color": "Gelb", "size": [1, 2.5, None]}),
        ('"blue"', "blue"),
        ("12345678901234567890123", 12345678901234567890123),
        ("blue", "blue"),
        ("[1", "[1"),
        ("\ud83e", "\ud83e"),
    ],
)
def test_a_configuration_is_a_json_value_or_else_a_text(configuration: str, value: object) -> None:
    assert response(configuration)["value"] == value


@pytest.mark.parametrize("configuration", ["NaN", "[Infinity]", "1e999", "[" * 5000 + "]" * 5000])
def test_a_configuration_that_no_provider_can_read_as_json_is_a_text(configuration: str) -> None:
    assert response(configuration)["value"] == configuration


def test_every_depth_of_nesting_has_a_response() -> None:
    limit = sys.getrecursionlimit()
    for depth in range(limit - 150, limit):
        assert b"value" in encoded("[" * depth + "]" * depth)


def test_a_treatment_without_a_configuration_has_no_value_where_another_has_one() -> None:
    assert "value" not in response(None, "{}")


def test_flags_without_configurations_have_the_value_of_their_treatment() -> None:
    assert response(None)["value"] is True
    assert response(None, names=("false", "true"))["value"] is False
    assert response(None, names=("blue", "red"))["value"] == "blue"
