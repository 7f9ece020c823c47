"""Writes of the connection with Jira, and what is asked of it."""

from typing import Any

from tests.end_to_end.stored_account import HOME, State, remove
from tests.end_to_end.writes.call import REST, SHOWN, Made, Scene, write

_JIRA = f"{REST}/jira/integration"


@write(f"PUT {_JIRA}")
def _projects(at: Scene) -> Made:
    place = at.some(*SHOWN)
    body = {"projects": [{"project": HOME, "environment": place}]}
    return Made({"json": body}, lambda state, _: state.update({("integration", "shows"): place}))


@write(
    f"POST {_JIRA}/resend", f"POST {_JIRA}/check", f"POST {_JIRA}/address", f"POST {_JIRA}/projects/{{project}}/grant"
)
def _plain(at: Scene) -> Made:
    return Made()


@write(f"POST {REST}/jira/backfills", f"POST {REST}/jira/drift-checks")
def _again(at: Scene) -> Made:
    return Made({"json": at.some({}, {"project": HOME})})


@write(f"POST {REST}/jira/backfills/{{backfill}}/cancel")
def _cancel(at: Scene) -> Made:
    return Made()


# What ends, replaces or changes the connection -----------------------------------------------------------------------


@write(f"POST {_JIRA}", breaking=True)
def _set_up(at: Scene) -> Made:
    place = at.some(*SHOWN)
    body = {"projects": [{"project": HOME, "environment": place}]}
    return Made({"json": body}, lambda state, _: state.update({("integration", "shows"): place}))


@write(f"DELETE {_JIRA}", breaking=True)
def _remove(at: Scene) -> Made:
    def effect(state: State, _: Any) -> None:
        remove(state, ("integration", "shows"))

    return Made(effect=effect)


_CREDENTIALS = f"{_JIRA}/credentials"


@write(
    f"POST {_JIRA}/token",
    f"DELETE {_JIRA}/token",
    f"DELETE {_CREDENTIALS}/api-token",
    f"POST {_CREDENTIALS}/webhook",
    f"DELETE {_CREDENTIALS}/webhook",
    f"POST {_JIRA}/forget",
    breaking=True,
)
def _connection(at: Scene) -> Made:
    return Made()


@write(f"PUT {_CREDENTIALS}", breaking=True)
def _connect(at: Scene) -> Made:
    body = {"site": at.memory.site, "client_id": "sandbox-client", "client_secret": "sandbox-secret"}
    return Made({"json": body})


@write(f"PUT {_CREDENTIALS}/api-token", breaking=True)
def _api_token(at: Scene) -> Made:
    return Made({"json": {"email": "ada@example.com", "token": "api-token"}})
