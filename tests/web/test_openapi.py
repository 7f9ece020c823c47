"""The served OpenAPI document is true: whatever is sent, every answer is one that it announces, and none is a crash."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from flagpost.app import running
from flagpost.settings import load
from flagpost.web import admin_api, rest_api
from tests.end_to_end.world import KEY
from tests.stores import SqliteTemplate

HEADERS = {"Authorization": f"Bearer {KEY}"}
REAL = {
    "workspace": ["Default"],
    "project": ["Default"],
    "split": ["pay", "search"],
    "flag": ["pay", "search"],
    "environment": ["Production", "Staging"],
    "traffic_type": ["user"],
}


@pytest.fixture(scope="module")
def address(sqlite_template: SqliteTemplate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Flagpost with a little in it; what the test breaks stays broken, as in real life."""
    url = sqlite_template.new_url(Path(tmp_path_factory.mktemp("openapi")))
    with running(load(database_url=url, port=0, bootstrap_admin_key=KEY, log_level="critical")) as ctx:
        yield ctx.settings.public_url


def document() -> dict[str, Any]:
    """What `/openapi.json` serves, without a server: the tests are collected from it."""
    app = FastAPI(title="Flagpost", version="0")
    for part in (admin_api, rest_api):
        app.include_router(part.router)
    return app.openapi()


OPERATIONS = {
    cast(Any, found).ok().label: cast(Any, found).ok()
    for found in schemathesis.openapi.from_dict(document()).get_all_operations()
}


def furnish(address: str) -> None:
    """See to it that there is something to find."""
    with httpx2.Client(base_url=f"{address}/internal/api/v2", headers=HEADERS, trust_env=False) as client:
        client.post("/workspaces", json={"name": "Default"})
        home = client.get("/workspaces", params={"name": "Default"}).json()["objects"][0]["id"]
        for name in ("Production", "Staging"):
            client.post(f"/environments/ws/{home}", json={"name": name})
        client.post(f"/trafficTypes/ws/{home}", json={"name": "user"})
        for name in REAL["flag"]:
            client.post(f"/splits/ws/{home}/trafficTypes/user", json={"name": name})


@pytest.mark.slow
@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
def test_every_answer_is_announced_and_none_is_a_crash(address: str, operation: Any) -> None:
    furnish(address)
    checks = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
    @given(case=operation.as_strategy(), real=st.booleans(), which=st.integers(0, 1))
    def send(case: Any, real: bool, which: int) -> None:
        for name in case.path_parameters or {}:
            if name in REAL and real:
                case.path_parameters[name] = REAL[name][which % len(REAL[name])]
        case.call_and_validate(base_url=address, headers=HEADERS, checks=checks)

    send()


def test_the_document_names_every_route_of_both_apis(address: str) -> None:
    paths = httpx2.get(f"{address}/openapi.json", trust_env=False).json()["paths"]
    assert len(paths) > 25
    assert {"/api/v1/jira/integration", "/internal/api/v2/splits/ws/{workspace}/{split}"} <= set(paths)
    assert all(path.startswith(("/api/v1/", "/api/v3/", "/internal/api/v2/")) for path in paths)
