"""The surroundings of every action: the store, the time, the settings, Jira's clients, and a way to wake delivery."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from flagpost.jira.client import JiraClient
from flagpost.jira.invocation_token import InvocationVerifier
from flagpost.jira.issues import IssueReader
from flagpost.jira.secret_box import SecretBox
from flagpost.jira.site_access import Keyring
from flagpost.settings import Settings
from flagpost.store.db import Database


def now_ms() -> int:
    """The time, in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def no_wake(_account_id: str) -> None:
    """Wake no delivery: none runs in this process. The sweep of a process that delivers finds the work."""


@dataclass(frozen=True, slots=True)
class Context:
    """The surroundings of an action, built once by `flagpost.app`.

    `wake` is called with the account's id after a commit that left outbox entries. It only says *now*: the entries are
    in the database already, so a lost call costs seconds and nothing else.
    """

    db: Database
    settings: Settings
    jira: JiraClient
    keyring: Keyring
    issues: IssueReader
    box: SecretBox
    verifier: InvocationVerifier
    clock: Callable[[], int] = now_ms
    wake: Callable[[str], None] = no_wake
