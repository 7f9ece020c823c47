"""Everything the sandbox knows, in memory, behind one lock."""

import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

CLOUD_ID = "11111111-2222-4333-8444-555555555555"
LOG_LENGTH = 5000


@dataclass
class Issue:
    """An issue of a project. `old_keys` still lead to it, as in Jira. Hidden ones the app may not see."""

    id: str
    key: str
    summary: str
    type: str = "Story"
    status: str = "To Do"
    assignee: str | None = None
    description: str = ""
    hidden: bool = False
    old_keys: list[str] = field(default_factory=list)
    commits: list[dict[str, str]] = field(default_factory=list)
    deployments: list[dict[str, str]] = field(default_factory=list)

    @property
    def project(self) -> str:
        """The project's key."""
        return self.key.rpartition("-")[0]


@dataclass
class StoredFlag:
    """What a provider sent of a flag. `ready_at`: when it can be read, since Jira stores a little later."""

    provider: str
    data: dict[str, Any]
    properties: dict[str, str]
    issue_ids: list[str]
    ready_at: float


@dataclass
class App:
    """An installed app: its manifest, and what identifies this installation of it."""

    installation_id: str
    app_id: str
    manifest: dict[str, Any]
    system_token: str = ""
    system_token_expires: float = 0.0


@dataclass
class Faults:
    """What goes wrong on purpose. Counts are of requests still to be spoilt."""

    latency_ms: int = 0
    rate_limited: dict[str, Any] | None = None
    unavailable: dict[str, Any] | None = None
    drop_connections: int = 0
    lose_answers: int = 0
    reject_flags: list[dict[str, str]] = field(default_factory=list)
    unauthorized: bool = False
    forbidden: bool = False
    prefix: str = ""


@dataclass
class Settings:
    """How strict and how quick the sandbox is."""

    apply_delay_ms: int = 0
    max_body_bytes: int = 1024 * 1024
    enforce_limits: bool = True
    keep_bodies: bool = False
    post_per_second: float = 100
    delete_per_second: float = 50
    get_per_second: float = 150
    system_token_seconds: int = 4 * 3600
    event_retry_seconds: float = 1.0
    event_retries: int = 4
    oauth_client_id: str = "sandbox-client"
    oauth_client_secret: str = "sandbox-secret"  # noqa: S105 - there is nothing behind it


class World:
    """The site: projects, issues, what was sent, who is installed, and a log of every request."""

    def __init__(
        self, base_url: str, fill: Callable[["World"], None] | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self.base_url = base_url
        self._fill = fill
        self.clock = clock
        self.lock = threading.RLock()
        self.cloud_id = CLOUD_ID
        self.reset()

    def reset(self) -> None:
        """As at the beginning: nothing was sent, nothing is installed, and the issues are those of `fill`."""
        with self.lock:
            self.projects: dict[str, str] = {}
            self.issues: dict[str, Issue] = {}
            self.by_key: dict[str, str] = {}
            self.flags: dict[tuple[str, str], StoredFlag] = {}
            self.history: dict[str, list[int]] = {}
            self.apps: dict[str, App] = {}
            self.marketplace: dict[str, dict[str, Any]] = {}
            self.tokens: dict[str, tuple[str, float]] = {}
            self.faults = Faults()
            self.settings = Settings()
            self.requests: deque[dict[str, Any]] = deque(maxlen=LOG_LENGTH)
            self.breaches: list[dict[str, Any]] = []
            self._next_issue = 10000
            if self._fill:
                self._fill(self)

    # Issues ------------------------------------------------------------------------------------------------------

    def add_issue(self, project: str, *, key: str | None = None, **fields: Any) -> Issue:
        """A new issue, with the next number of its project unless a key is given."""
        with self.lock:
            self.projects.setdefault(project, project.title())
            self._next_issue += 1
            issue = Issue(str(self._next_issue), key or self._next_key(project), **fields)
            if issue.key in self.by_key:
                raise ValueError(f"{issue.key} exists already")
            self.issues[issue.id] = issue
            self.by_key[issue.key] = issue.id
            return issue

    def _next_key(self, project: str) -> str:
        numbers = [int(key.rpartition("-")[2]) for key in self.by_key if key.startswith(f"{project}-")]
        return f"{project}-{max(numbers, default=0) + 1}"

    def find_issue(self, ref: str, *, as_app: bool = False) -> Issue | None:
        """By numeric id or key, present or former, in any case."""
        with self.lock:
            issue = self.issues.get(ref) or self.issues.get(self.by_key.get(ref.upper(), ""))
            return None if issue is None or (as_app and issue.hidden) else issue

    def move_issue(self, issue: Issue, project: str) -> Issue:
        """To another project, under a new key; the old one still leads to it."""
        with self.lock:
            self.projects.setdefault(project, project.title())
            issue.old_keys.append(issue.key)
            issue.key = self._next_key(project)
            self.by_key[issue.key] = issue.id
            return issue

    def delete_issue(self, issue: Issue) -> None:
        """For good; what was sent for it no longer shows anywhere."""
        with self.lock:
            self.issues.pop(issue.id, None)
            self.by_key = {key: id for key, id in self.by_key.items() if id != issue.id}

    # Flags -------------------------------------------------------------------------------------------------------

    def flags_of(self, issue: Issue) -> list[dict[str, Any]]:
        """What was sent for an issue, by name."""
        with self.lock:
            found = [flag.data for flag in self.flags.values() if issue.id in flag.issue_ids]
        return sorted(found, key=lambda data: str(data.get("displayName") or data["id"]).lower())

    def all_flags(self) -> dict[str, dict[str, Any]]:
        """Everything that was sent, by flag id, each with the present keys of its issues."""
        with self.lock:
            return {
                id: {
                    **flag.data,
                    "provider": flag.provider,
                    "issues": sorted(self.issues[one].key for one in flag.issue_ids if one in self.issues),
                }
                for (_, id), flag in self.flags.items()
            }

    def forget_provider(self, provider: str) -> None:
        """Uninstalling deletes everything an app sent, at once."""
        with self.lock:
            self.flags = {key: flag for key, flag in self.flags.items() if flag.provider != provider}

    # Credentials and records -------------------------------------------------------------------------------------

    def issue_token(self, provider: str, token: str, seconds: float) -> None:
        """From now on this bearer token speaks for the provider."""
        with self.lock:
            self.tokens[token] = (provider, self.clock() + seconds)

    def provider_of(self, authorization: str) -> str | None:
        """Whom a bearer token speaks for; None where it is unknown or has expired."""
        scheme, _, token = authorization.partition(" ")
        provider, expires = self.tokens.get(token, ("", 0.0))
        return provider if scheme.lower() == "bearer" and provider and expires > self.clock() else None

    def breach(self, kind: str, **details: Any) -> None:
        """Note that a caller did what Jira does not allow."""
        with self.lock:
            self.breaches.append({"kind": kind, "at": self.clock(), **details})

    def set_faults(self, values: dict[str, Any]) -> dict[str, Any]:
        """Switch faults; those not named stay. Returns all."""
        with self.lock:
            self.faults = Faults(**{**asdict(self.faults), **values})
            return asdict(self.faults)

    def set_settings(self, values: dict[str, Any]) -> dict[str, Any]:
        """Change settings; those not named stay. Returns all."""
        with self.lock:
            self.settings = Settings(**{**asdict(self.settings), **values})
            return asdict(self.settings)


def new_id() -> str:
    """An id as Atlassian makes them."""
    return str(uuid.uuid4())
