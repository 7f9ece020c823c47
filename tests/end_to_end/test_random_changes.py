"""Random changes, connections, faults and restarts: Jira ends up showing what Flagpost says, in order, every time."""

import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from flagpost.app import running
from flagpost.settings import load
from jira_sandbox.embedded import Sandbox
from tests.end_to_end.world import FEATURE_FLAGS, World, environment
from tests.stores import SqliteTemplate

ISSUES = st.sampled_from(["PAY-1", "PAY-2", "WEB-1", "WEB-2", "MOB-1"])
PLACES = st.sampled_from(["Staging", "Production"])
RULE = {
    "condition": {"combiner": "AND", "matchers": [{"type": "IN_LIST_STRING", "attribute": "plan", "strings": ["pro"]}]},
    "buckets": [{"treatment": "on", "size": 100}],
}


def machine(sandbox: Sandbox, template: SqliteTemplate) -> type[RuleBasedStateMachine]:
    """A machine of its own for these: hypothesis makes a new one for every run."""

    class Changes(RuleBasedStateMachine):
        flags = Bundle("flags")

        def __init__(self) -> None:
            super().__init__()
            self._stack = ExitStack()
            self._server = ExitStack()
            self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
            self._url = template.new_url(self._folder)
            self._port = 0
            self._count = 0
            self._covered = True

        @initialize()
        def begin(self) -> None:
            sandbox.reset()
            self._start()
            self.world.connect_jira()

        def _start(self) -> None:
            values = {n.removeprefix("FLAGPOST_").lower(): v for n, v in environment(sandbox, self._url).items()}
            ctx = self._server.enter_context(
                running(load(port=self._port, sweep_seconds=0.2, log_level="error", **values))
            )
            self._port = ctx.settings.port
            self.world = World(ctx.settings.public_url, sandbox)
            self._server.callback(self.world.close)

        @rule(target=flags, issue=st.none() | ISSUES, set_up=st.booleans())
        def create(self, issue: str | None, set_up: bool) -> str:
            self._count += 1
            name = f"flag{self._count}"
            self.world.new_flag(name, *([issue] if issue else []), set_up=set_up)
            return name

        @rule(flag=flags, issue=ISSUES)
        def connect(self, flag: str, issue: str) -> None:
            self.world.connect(flag, issue)

        @rule(flag=flags, issue=ISSUES)
        def disconnect(self, flag: str, issue: str) -> None:
            self.world.http.delete(f"/api/v1/projects/Default/flags/{flag}/issues/{issue}")

        @rule(flag=flags, place=PLACES, share=st.integers(0, 100), rules=st.integers(0, 3))
        def define(self, flag: str, place: str, share: int, rules: int) -> None:
            self.world.define(flag, place=place, share=share, rules=[RULE] * rules)

        @rule(flag=flags, place=PLACES, verb=st.sampled_from(["kill", "restore"]))
        def switch(self, flag: str, place: str, verb: str) -> None:
            home = self.world.workspace()
            self.world.http.put(f"/internal/api/v2/splits/ws/{home}/{flag}/environments/{place}/{verb}")

        @rule(flag=flags, place=PLACES)
        def remove_definition(self, flag: str, place: str) -> None:
            home = self.world.workspace()
            self.world.http.request("DELETE", f"/internal/api/v2/splits/ws/{home}/{flag}/environments/{place}", json={})

        @rule(flag=consumes(flags))
        def delete(self, flag: str) -> None:
            for place in ("Staging", "Production"):
                self.remove_definition(flag=flag, place=place)
            self.world.call("DELETE", f"/internal/api/v2/splits/ws/{self.world.workspace()}/{flag}")

        @rule(place=PLACES)
        def change_primary_environment(self, place: str) -> None:
            chosen = [{"project": "Default", "environment": place}]
            self.world.call("PUT", "/api/v1/jira/integration", json={"projects": chosen})

        @rule()
        def resend(self) -> None:
            self.world.call("POST", "/api/v1/jira/integration/resend", expect=202)

        @rule(
            fault=st.sampled_from(
                [
                    {"unavailable": {"count": 1, "retry_after": 0}},
                    {"rate_limited": {"count": 1, "retry_after": 0}},
                    {"drop_connections": 1},
                    {"lose_answers": 1},
                    {"latency_ms": 30},
                ]
            )
        )
        def spoil(self, fault: dict[str, object]) -> None:
            sandbox.faults(**fault, prefix=FEATURE_FLAGS)

        @rule()
        @precondition(lambda self: self._count > 0)
        def restart(self) -> None:
            self._server.close()
            self._start()

        @rule()
        def look(self) -> None:
            self.world.expect_equal()

        def teardown(self) -> None:
            try:
                if hasattr(self, "world"):
                    sandbox.no_faults()
                    self.world.expect_equal()
            finally:
                self._server.close()
                self._stack.close()

    return Changes


@pytest.mark.slow
def test_jira_ends_up_showing_what_flagpost_says(sandbox: Sandbox, sqlite_template: SqliteTemplate) -> None:
    checks = list(HealthCheck)
    how = settings(
        max_examples=12, stateful_step_count=25, deadline=None, suppress_health_check=checks, print_blob=True
    )
    run_state_machine_as_test(machine(sandbox, sqlite_template), settings=how)
