"""What every action is given: the store, the time, the settings, and a way to say that Jira should hear of it."""

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


def nobody(_account_id: str) -> None:
    """Wake nobody: where no delivery runs in this process, the sweep of the one that does finds the work."""


@dataclass(frozen=True, slots=True)
class Context:
    """The world of an action, built once by `flagpost.app`.

    `wake` is called after a commit that Jira should hear of, with the account's id. It only says *now*: whatever it
    is about is in the database already, so a lost call costs seconds and nothing else.
    """

    db: Database
    settings: Settings
    jira: JiraClient
    keyring: Keyring
    issues: IssueReader
    box: SecretBox
    verifier: InvocationVerifier
    clock: Callable[[], int] = now_ms
    wake: Callable[[str], None] = nobody
