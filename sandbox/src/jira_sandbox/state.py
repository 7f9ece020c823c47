"""Everything the sandbox knows, in memory, behind one lock."""

import base64
import itertools
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

CLOUD_ID = "11111111-2222-4333-8444-555555555555"
LOG_LENGTH = 5000
OAUTH_OPERATIONS = frozenset({"get", "delete", "delete_by_properties"})


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
class Project:
    """A project. Its numeric id stays when its key changes."""

    id: str
    key: str
    name: str


@dataclass
class Webhook:
    """An admin's webhook: where to call, and what signs the calls."""

    id: str
    url: str
    secret: str = ""
    events: list[str] = field(default_factory=list)


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
    break_over: list[str] = field(default_factory=list)
    prefix: str = ""


@dataclass
class Settings:
    """How strict and how quick the sandbox is."""

    apply_delay_ms: int = 0
    delete_delay_ms: int = 0
    max_body_bytes: int = 1024 * 1024
    enforce_limits: bool = True
    keep_bodies: bool = False
    post_per_second: float = 100
    put_per_second: float = 50
    delete_per_second: float = 50
    get_per_second: float = 100
    issue_get_per_second: float = 150
    points_per_hour: int = 65_000
    quota_window_seconds: float = 3600
    oauth_counts_points: bool = True
    issue_writes_2s: int = 20
    issue_writes_30s: int = 100
    count_flag_writes: bool = True
    clock_skew_seconds: float = 0
    moved_to: str = ""
    events_off: bool = False
    system_token_seconds: int = 4 * 3600
    event_retry_seconds: float = 1.0
    event_retries: int = 4
    jira_person: str = "557058:site-admin"
    oauth_client_id: str = "sandbox-client"
    oauth_client_secret: str = "sandbox-secret"  # noqa: S105 - there is nothing behind it
    oauth_token_seconds: float = 900
    oauth_flags_permitted: bool = True
    oauth_refuses: list[str] = field(default_factory=list)
    oauth_refusal_status: int = 404
    api_tokens: dict[str, str] = field(default_factory=dict)
    api_tokens_scoped: bool = False
    browse_permitted: bool = True
    expired_tokens_are_strangers: bool = False

    def __post_init__(self) -> None:
        """Refuse operations that are none."""
        if unknown := set(self.oauth_refuses) - OAUTH_OPERATIONS:
            raise ValueError(f"oauth_refuses: {', '.join(sorted(unknown))}")


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
        self.resets = 0
        self.reset()

    def reset(self) -> None:
        """As at the beginning: nothing was sent, nothing is installed, and the issues are those of `fill`."""
        with self.lock:
            self.resets += 1
            self.projects: dict[str, Project] = {}
            self.issues: dict[str, Issue] = {}
            self.deleted: dict[str, Issue] = {}
            self.by_key: dict[str, str] = {}
            self.flags: dict[tuple[str, str], StoredFlag] = {}
            self.history: dict[str, list[int]] = {}
            self.late_deletes: list[tuple[str, str]] = []
            self.apps: dict[str, App] = {}
            self.marketplace: dict[str, dict[str, Any]] = {}
            self.pages: dict[str, dict[str, str]] = {}
            self.tokens: dict[str, tuple[str, float]] = {}
            self.faults = Faults()
            self.settings = Settings()
            self.requests: deque[dict[str, Any]] = deque(maxlen=LOG_LENGTH)
            self.breaches: list[dict[str, Any]] = []
            self.webhooks: dict[str, Webhook] = {}
            self.deliveries: deque[dict[str, Any]] = deque(maxlen=LOG_LENGTH)
            self._next_issue = 10000
            self._project_ids = itertools.count(10000)
            if self._fill:
                self._fill(self)

    # Issues ------------------------------------------------------------------------------------------------------

    def add_project(self, key: str, name: str) -> "Project":
        """The project with this key; a new one where there is none."""
        with self.lock:
            if key not in self.projects:
                self.projects[key] = Project(str(next(self._project_ids)), key, name)
            return self.projects[key]

    def project_of(self, issue: Issue) -> "Project":
        """The project that an issue is in."""
        with self.lock:
            return self.projects[issue.project]

    def visible_projects(self) -> list["Project"]:
        """The projects that the app may see, by key."""
        with self.lock:
            return sorted(self.projects.values(), key=lambda one: one.key) if self.settings.browse_permitted else []

    def rename_project(self, project: "Project", key: str) -> None:
        """Give a project another key, and its issues with it; the old keys still lead to them.

        ValueError where a project has this key already.
        """
        with self.lock:
            if key in self.projects:
                raise ValueError(f"There is a project {key} already")
            for issue in [one for one in self.issues.values() if one.project == project.key]:
                issue.old_keys.append(issue.key)
                issue.key = f"{key}-{issue.key.rpartition('-')[2]}"
                self.by_key[issue.key] = issue.id
            del self.projects[project.key]
            project.key = key
            self.projects[key] = project

    def delete_project(self, project: "Project") -> None:
        """For good, with its issues."""
        with self.lock:
            for issue in [one for one in self.issues.values() if one.project == project.key]:
                self.delete_issue(issue)
            del self.projects[project.key]

    def add_issue(self, project: str, *, key: str | None = None, **fields: Any) -> Issue:
        """A new issue, with the next number of its project unless a key is given."""
        with self.lock:
            self._next_issue += 1
            issue = Issue(str(self._next_issue), key or self._next_key(project), **fields)
            if issue.key in self.by_key:
                raise ValueError(f"{issue.key} exists already")
            self.add_project(issue.project, issue.project.title())
            self.issues[issue.id] = issue
            self.by_key[issue.key] = issue.id
            return issue

    def _next_key(self, project: str) -> str:
        used = (*self.by_key, *(issue.key for issue in self.deleted.values()))
        numbers = [int(key.rpartition("-")[2]) for key in used if key.startswith(f"{project}-")]
        return f"{project}-{max(numbers, default=0) + 1}"

    def find_issue(self, ref: str, *, as_app: bool = False) -> Issue | None:
        """By numeric id or key, present or former, in any case."""
        with self.lock:
            issue = self.issues.get(ref) or self.issues.get(self.by_key.get(ref.upper(), ""))
            hidden = as_app and issue is not None and (issue.hidden or not self.settings.browse_permitted)
            return None if hidden else issue

    def move_issue(self, issue: Issue, project: str) -> Issue:
        """To another project, under a new key; the old one still leads to it."""
        with self.lock:
            self.add_project(project, project.title())
            issue.old_keys.append(issue.key)
            issue.key = self._next_key(project)
            self.by_key[issue.key] = issue.id
            return issue

    def delete_issue(self, issue: Issue) -> None:
        """What was sent for it no longer shows anywhere."""
        with self.lock:
            self.deleted[issue.id] = self.issues.pop(issue.id)
            self.by_key = {key: id for key, id in self.by_key.items() if id != issue.id}

    def restore_issue(self, key: str) -> Issue | None:
        """Bring a deleted issue back, as it was; None where there is no such one.

        ValueError where another issue was given its key in the meantime.
        """
        with self.lock:
            issue = next((one for one in self.deleted.values() if one.key == key), None)
            if issue:
                if key in self.by_key:
                    raise ValueError(f"{key} exists already")
                self.add_project(issue.project, issue.project.title())
                self.issues[issue.id] = self.deleted.pop(issue.id)
                self.by_key |= dict.fromkeys((*issue.old_keys, issue.key), issue.id)
            return issue

    def people(self) -> dict[str, str]:
        """Who may be looking at Jira, by account id: its admin, and everybody who has an issue."""
        with self.lock:
            names = sorted({issue.assignee for issue in self.issues.values() if issue.assignee})
        return {account_id(name): name for name in ("Site Admin", *names)}

    # Flags -------------------------------------------------------------------------------------------------------

    def finish_deletes(self) -> None:
        """Do every delete that `delete_delay_ms` still holds back."""
        with self.lock:
            while self.late_deletes:
                self.flags.pop(self.late_deletes.pop(), None)

    def finish_delete(self, key: tuple[str, str]) -> None:
        """Do the delete of this flag, unless it was done already."""
        with self.lock:
            if key in self.late_deletes:
                self.late_deletes.remove(key)
                self.flags.pop(key, None)

    def flags_of(self, issue: Issue) -> list[dict[str, Any]]:
        """What was sent for an issue, by name."""
        with self.lock:
            found = [flag.data for flag in self.flags.values() if issue.id in flag.issue_ids]
        return sorted(found, key=lambda data: str(data.get("displayName") or data["id"]).lower())

    def all_flags(self) -> dict[str, dict[str, Any]]:
        """Everything that is kept, by flag id, each with the present keys of its issues.

        A flag that two providers sent is on its issues twice: the second is shown under its id and provider.
        """
        found: dict[str, dict[str, Any]] = {}
        with self.lock:
            for (provider, id), flag in self.flags.items():
                shown_on = sorted(self.issues[one].key for one in flag.issue_ids if one in self.issues)
                name = f"{id} of {provider}" if id in found else id
                found[name] = {**flag.data, "provider": provider, "issues": shown_on}
        return found

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

    def accepts_api_token(self, authorization: str, *, at_gateway: bool) -> bool:
        """Whether this is an email address and its API token, where such tokens work.

        Tokens with scopes work at the gateway only, those without at the site only (Atlassian).
        """
        scheme, _, given = authorization.partition(" ")
        try:
            email, _, token = base64.b64decode(given).decode().partition(":")
        except ValueError:
            return False
        known = self.settings.api_tokens.get(email)
        return scheme.lower() == "basic" and known == token and self.settings.api_tokens_scoped == at_gateway

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


def account_id(name: str) -> str:
    """The Atlassian account id of a user of the sandbox, by name."""
    return f"557058:{name.lower().replace(' ', '-')}"


def new_id() -> str:
    """An id as Atlassian makes them."""
    return str(uuid.uuid4())
