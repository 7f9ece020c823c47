"""Every setting, command, option, endpoint and fault is in docs/reference."""

import re
from dataclasses import fields

import pytest
import typer
from fastapi import FastAPI
from fastapi.routing import APIRoute

from flagpost import cli
from flagpost.flags.import_file import FIELDS
from flagpost.settings import Settings, documented
from flagpost.telemetry import metrics
from flagpost.web import forge, health
from jira_sandbox import cli as sandbox_cli
from jira_sandbox import control
from jira_sandbox.atlassian import Platform
from jira_sandbox.state import Faults, World
from jira_sandbox.state import Settings as SandboxSettings
from tests.conftest import ROOT
from tests.web.test_guard import routes_of
from tests.web.test_openapi import document

REFERENCE = ROOT / "docs" / "reference"


def text(name: str) -> str:
    return (REFERENCE / name).read_text()


@pytest.mark.parametrize("variable", sorted(documented()))
def test_every_setting_is_documented_in_the_words_of_the_code(variable: str) -> None:
    row = next((line for line in text("settings.md").splitlines() if line.startswith(f"| `{variable}` |")), None)
    assert row, f"{variable} is not in docs/reference/settings.md"
    assert documented()[variable] in row
    default = Settings.model_fields[variable.removeprefix("FLAGPOST_").lower()].default
    if isinstance(default, int | float | str) and default not in ("", False):
        assert f"`{default}`" in row


def test_no_setting_is_documented_that_is_not_there() -> None:
    assert set(re.findall(r"^\| `(FLAGPOST_\w+)`", text("settings.md"), re.MULTILINE)) == set(documented())


def commands(group: typer.Typer, prefix: str) -> dict[str, list[str]]:
    """Every command with its options."""
    import typer.main

    command = typer.main.get_command(group)
    found = {}
    for name, one in getattr(command, "commands", {"": command}).items():
        below = getattr(one, "commands", None)
        for inner, leaf in (below or {"": one}).items():
            options = [option for part in leaf.params for option in part.opts if option.startswith("--")]
            found[" ".join(filter(None, (prefix, name, inner)))] = [o for o in options if o != "--help"]
    return found


COMMANDS = commands(cli.app, "flagpost") | commands(sandbox_cli.app, "jira-sandbox")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_option_is_documented(command: str) -> None:
    section = re.search(rf"^## `{command}[ `](.*?)(?=^## |\Z)", text("commands.md"), re.MULTILINE | re.DOTALL)
    assert section, f"{command} is not in docs/reference/commands.md"
    for option in COMMANDS[command]:
        assert f"`{option}`" in section[0] or f"`{option.replace('--', '--no-', 1)}`" in section[0], option


@pytest.mark.parametrize(
    ("prefix", "page"), [("/internal/api/v2", "admin-api.md"), ("/api/v3", "admin-api.md"), ("/api/v1", "api-v1.md")]
)
def test_every_endpoint_is_documented(prefix: str, page: str) -> None:
    said = text(page)
    for path, operations in document()["paths"].items():
        if path.startswith(prefix):
            shown = path.removeprefix("/internal/api/v2")
            for method in operations:
                assert f"| `{method.upper()}` | `{shown}` |" in said, f"{method} {path}"


def test_what_is_not_in_the_openapi_document_is_documented_too() -> None:
    said = text("api-v1.md")
    app = FastAPI(openapi_url=None)
    app.include_router(forge.router)
    app.include_router(health.router)
    app.include_router(health.described)
    paths = [route.path for route in routes_of(app)]
    assert len(paths) > 12
    for path in paths:
        assert f"`{path}`" in said or f"`GET {path}`" in said or path == "/openapi.json"


def test_every_call_fault_and_setting_of_the_sandbox_is_documented() -> None:
    said = text("sandbox.md")
    world = World("http://127.0.0.1:1")
    for route in control.router(world, Platform(world)).routes:
        assert isinstance(route, APIRoute)
        path = route.path.replace("{flag_id}", "{id}")
        assert f"`{path}`" in said, path
    for switch in (*fields(Faults), *fields(SandboxSettings)):
        assert f"`{switch.name}`" in said, switch.name


def test_every_field_of_an_import_is_documented() -> None:
    for name in (*FIELDS, "versions"):
        assert f"`{name}`" in text("import-format.md")


@pytest.mark.parametrize("metric", sorted(metrics.documented()))
def test_every_metric_is_documented_in_the_words_of_the_code(metric: str) -> None:
    row = next((line for line in text("metrics.md").splitlines() if line.startswith(f"| `{metric}` |")), None)
    assert row, f"{metric} is not in docs/reference/metrics.md"
    _, _, labels, said, _ = (part.strip() for part in row.split("|"))
    assert said == metrics.documented()[metric]
    assert re.findall(r"`(\w+)`", labels) == list(metric_labels()[metric])


def test_no_metric_is_documented_that_is_not_there() -> None:
    own = set(re.findall(r"^\| `(flagpost_\w+)`", text("metrics.md"), re.MULTILINE))
    assert own == set(metrics.documented())
    others = {family.name for family in metrics.REGISTRY.collect() if not family.name.startswith("flagpost_")}
    for name in others:
        assert f"`{name}`" in text("metrics.md") or f"`{name}_total`" in text("metrics.md"), name


def test_every_kind_of_failure_is_documented() -> None:
    for kind in metrics.FAILURE_KINDS:
        assert f"`{kind}`" in text("metrics.md"), kind


def metric_labels() -> dict[str, tuple[str, ...]]:
    """The labels of every metric of Flagpost's own, by the name Prometheus knows it by."""
    counted = {
        name: tuple(one._labelnames) for one, name in zip(metrics.PROCESS_METRICS, metrics.documented(), strict=False)
    }
    return counted | {one.name: one.labels for one in metrics.DATABASE_GAUGES}
