"""The alerts and the dashboard that come with Flagpost: they are valid, and use only metrics that exist."""

import json
import re
from collections.abc import Iterator
from typing import Any

import promql_parser
import pytest
import yaml

from flagpost.telemetry import metrics
from tests.conftest import ROOT
from tests.docs.test_reference import metric_labels

RULES = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yaml").read_text())["groups"][0]["rules"]
DASHBOARD = json.loads((ROOT / "deploy/grafana/dashboard.json").read_text())
HISTOGRAMS = {family.name for one in metrics.PROCESS_METRICS for family in one.describe() if family.type == "histogram"}
OF_EVERY_PROCESS = {"process_resident_memory_bytes", "process_cpu_seconds_total"}
OF_PROMETHEUS = {"job", "instance", "le"}
FROM_PROMETHEUS = {"up"}


def known_series() -> dict[str, set[str]]:
    """Every series that Flagpost has, with its labels."""
    found: dict[str, set[str]] = {name: set() for name in OF_EVERY_PROCESS | FROM_PROMETHEUS}
    for name, labels in metric_labels().items():
        shown = [f"{name}_{part}" for part in ("bucket", "sum", "count")] if name in HISTOGRAMS else [name]
        found |= {one: set(labels) for one in shown}
    return found


def selectors(expression: Any) -> Iterator[Any]:
    """Every series that an expression asks for, however deep inside it."""
    if isinstance(expression, promql_parser.VectorSelector):
        yield expression
    for part in ("expr", "lhs", "rhs", "vector_selector", "param"):
        if (inner := getattr(expression, part, None)) is not None:
            yield from selectors(inner)
    for inner in getattr(expression, "args", None) or ():
        yield from selectors(inner)


def grouped_by(text: str) -> set[str]:
    lists = re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", text)
    return {name.strip() for one in lists for name in one.split(",")}


def expect_known(text: str) -> set[str]:
    """The names of the series an expression asks for; it is valid, and every series and label of it is there."""
    text = text.replace("$__rate_interval", "5m")
    asked = list(selectors(promql_parser.parse(text)))
    assert asked, text
    labels: set[str] = set()
    for one in asked:
        assert one.name in known_series(), one.name
        labels |= known_series()[one.name]
        for matcher in one.matchers.matchers:
            assert matcher.name in known_series()[one.name] | OF_PROMETHEUS, (one.name, matcher.name)
    assert grouped_by(text) <= labels | OF_PROMETHEUS, text
    return {one.name for one in asked}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_uses_known_metrics_and_says_what_to_do(rule: dict[str, Any]) -> None:
    expect_known(rule["expr"])
    assert promql_parser.parse_duration(rule["for"])
    assert rule["labels"]["severity"] in ("warning", "critical")
    assert set(rule["annotations"]) == {"summary", "description"}
    used = set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))
    assert used <= grouped_by(rule["expr"]) | {"instance"}
    assert f"`{rule['alert']}`" in (ROOT / "docs/how-to/monitor.md").read_text()


def test_alerts_about_states_name_known_states() -> None:
    named = {state for rule in RULES for state in re.findall(r'state="(\w+)"', rule["expr"])}
    assert named
    assert named <= set(metrics.SITE_STATES)


@pytest.mark.parametrize("name", sorted(known_series()))
def test_an_unknown_metric_would_be_noticed(name: str) -> None:
    with pytest.raises(AssertionError):
        expect_known(f"{name}_x")
    with pytest.raises(AssertionError):
        expect_known(f'{name}{{nonsense="1"}}')


def test_the_dashboard_uses_known_metrics() -> None:
    panels = [one for one in DASHBOARD["panels"] if one["type"] != "row"]
    assert len(panels) > 15
    assert len({one["id"] for one in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    for panel in panels:
        for target in panel["targets"]:
            expect_known(target["expr"].replace("$site", ".*"))
            shown = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            assert shown <= grouped_by(target["expr"]) | {"instance"}, panel["title"]


def test_the_dashboards_panels_lie_beside_and_not_on_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not taken & cells, panel["title"]
        taken |= cells


def test_everything_about_delivery_is_on_the_dashboard_or_in_an_alert() -> None:
    targets = [target["expr"] for one in DASHBOARD["panels"] for target in one.get("targets", ())]
    everything = " ".join([*targets, *(rule["expr"] for rule in RULES)])
    unused = {name for name in metrics.documented() if name not in everything}
    of_applications = {
        "flagpost_impressions_total",
        "flagpost_impressions_dropped_total",
        "flagpost_expressions_timed_out_total",
    }
    assert unused == {"flagpost_engine_up", *of_applications}
