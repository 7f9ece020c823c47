"""One unit of work: what a change to an account consists of, and in which order it reaches the database.

*Problem.* A change is more than its rows. It belongs in the audit log; Jira must be sent the flags that it shows
otherwise (the outbox); applications must be served the new state (the change sequence); the delivery to Jira should
start at once. An action that forgets one of these loses a change, and no error tells.

*Solution.* An action that writes is a function of a `Change`. It says what it did (`definition_saved`, `flag_saved`,
…), and the `Change` knows what follows from that. All of it is written in the one transaction of the action, so it is
there after the commit, or nothing is. Outbox entries and change sequences are written last, in the lock order of
`flagpost.store.locks`, because deliveries and other changes wait for the transaction that holds them. Delivery is
woken after the commit; a lost wake-up costs seconds, because a sweep looks for pending entries.

*Deadlocks.* The lock order leaves none between actions. If PostgreSQL reports one all the same, or a serialization
failure, `Database.transact` runs the action again in a new transaction. So an action touches nothing but the database:
it calls no network, and keeps no state of its own.

`tests/actions/test_unit_of_work.py` fails when an action opens a transaction, audits, enqueues or wakes by hand.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import update_wrapper
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from flagpost.actions.access import Actor
from flagpost.actions.context import Context
from flagpost.store import audit
from flagpost.store.db import Transaction
from flagpost.store.flags import change_log, dependencies, flags
from flagpost.store.jira import outbox
from flagpost.store.records import Flag, FlagDefinition, FlagHead

P = ParamSpec("P")
R = TypeVar("R")
Shown = Mapping[str, Any]
"""An object as the audit log shows it: field names and values that JSON can carry."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a user says about a save: a title and a comment, each of which may be empty."""

    title: str = ""
    comment: str = ""


NO_SUMMARY = Summary()


@dataclass(frozen=True, slots=True)
class Subject:
    """The object of an audit entry. A definition's entries name its flag, because readers look for them there."""

    type: str
    id: str
    name: str
    project_id: str | None = None
    environment_id: str | None = None


def flag_subject(flag: Flag | FlagHead) -> Subject:
    """The subject of what happens to a flag as a whole."""
    return Subject("flag", flag.id, flag.name, flag.project_id)


def definition_subject(definition: FlagDefinition) -> Subject:
    """The subject of what happens to a flag in one environment."""
    place = definition.environment
    return Subject("definition", definition.flag_id, definition.flag_name, place.project_id, place.id)


@dataclass
class _Effects:
    """What has to be written before the commit, and who is woken after it."""

    outbox_flags: set[str] = field(default_factory=set)
    outbox_dependents: set[tuple[str, str, str]] = field(default_factory=set)
    outbox_environments: set[str] = field(default_factory=set)
    outbox_projects: set[str] = field(default_factory=set)
    outbox_account: bool = False
    first_connections: dict[str, Flag] = field(default_factory=dict)
    served: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    served_everywhere: set[str] = field(default_factory=set)
    wakes: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """A change under way: its transaction, its moment in milliseconds since 1970, and who makes it."""

    ctx: Context
    tx: Transaction
    actor: Actor
    now: int
    _effects: _Effects = field(default_factory=_Effects)

    def acting_as(self, actor: Actor) -> "Change":
        """The change with another actor in the audit log, in the same transaction."""
        return Change(self.ctx, self.tx, actor, self.now, self._effects)

    # What was done --------------------------------------------------------------------------------------------------

    def saved(
        self,
        verb: str,
        subject: Subject,
        *,
        before: Shown | None = None,
        after: Shown | None = None,
        summary: Summary = NO_SUMMARY,
    ) -> None:
        """Write the audit entry of an object that neither Jira nor applications are shown."""
        audit.write(
            self.tx,
            {
                "account_id": self.actor.account_id,
                "project_id": subject.project_id,
                "environment_id": subject.environment_id,
                "object_type": subject.type,
                "object_id": subject.id,
                "object_name": subject.name,
                "change": verb,
                "actor_type": self.actor.type.value,
                "actor_id": self.actor.id,
                "actor_name": self.actor.name,
                "title": summary.title,
                "comment": summary.comment,
                "before": None if before is None else dict(before),
                "after": None if after is None else dict(after),
                "at": self.now,
            },
        )

    def definition_saved(
        self,
        verb: str,
        definition: FlagDefinition,
        *,
        before: Shown | None,
        after: Shown | None,
        summary: Summary = NO_SUMMARY,
    ) -> None:
        """A definition was written or removed: audit it, serve it, and send its flag to Jira.

        The flags that depend on it are sent too: Jira shows where a prerequisite gives all keys the wrong treatment.
        """
        self.saved(verb, definition_subject(definition), before=before, after=after, summary=summary)
        self._serve(definition)
        place = definition.environment
        self._effects.outbox_flags.add(definition.flag_id)
        self._effects.outbox_dependents.add((place.project_id, definition.flag_name, place.id))

    def seeds_saved(self, verb: str, definition: FlagDefinition, summary: Summary) -> None:
        """The seeds that shuffle a definition's keys changed: audit it, and serve it. Jira shows nothing of them."""
        self.saved(verb, definition_subject(definition), summary=summary)
        self._serve(definition)

    def _serve(self, definition: FlagDefinition) -> None:
        place = (definition.environment.id, definition.flag_id)
        self._effects.served[place] = (definition.flag_name, definition.traffic_type.name)

    def flag_saved(
        self,
        verb: str,
        flag: Flag | FlagHead,
        *,
        before: Shown | None = None,
        after: Shown | None = None,
        summary: Summary = NO_SUMMARY,
    ) -> None:
        """What is said about a flag changed: audit it. Neither Jira nor applications are shown it."""
        self.saved(verb, flag_subject(flag), before=before, after=after, summary=summary)

    def flag_switched(
        self, verb: str, flag: Flag, *, before: Shown | None = None, summary: Summary = NO_SUMMARY
    ) -> None:
        """A flag as a whole was archived, brought back or deleted: audit it, serve that, and send it to Jira."""
        self.saved(verb, flag_subject(flag), before=before, summary=summary)
        self._effects.served_everywhere.add(flag.id)
        self._effects.outbox_flags.add(flag.id)
        self._effects.outbox_dependents.add((flag.project_id, flag.name, ""))

    def issues_changed(
        self, verb: str, flag: Flag, *, before: Shown | None = None, after: Shown | None = None, first: bool = False
    ) -> None:
        """A flag's connections with issues changed: audit it, and send the flag to Jira.

        `first`: it may be the flag's first connection, with which its outbox entry begins.
        """
        self.saved(verb, flag_subject(flag), before=before, after=after)
        flags.touch(self.tx, flag.id, self.now)
        if first:
            self._effects.first_connections[flag.id] = flag
        else:
            self._effects.outbox_flags.add(flag.id)

    # What Jira is sent ----------------------------------------------------------------------------------------------

    def resend_flags(self, flag_ids: Iterable[str]) -> None:
        """Send these flags to Jira again. Flags that were never connected cost nothing."""
        self._effects.outbox_flags.update(flag_ids)

    def resend_environment(self, environment_id: str) -> None:
        """Send every flag again that Jira is shown this environment of."""
        self._effects.outbox_environments.add(environment_id)

    def resend_project(self, project_id: str) -> None:
        """Send every connected flag of a project again."""
        self._effects.outbox_projects.add(project_id)

    def resend_account(self) -> None:
        """Send every connected flag of the account again."""
        self._effects.outbox_account = True

    def wake_delivery(self) -> None:
        """Start a delivery after the commit, also where no outbox entry is pending: it has other work to find."""
        self._effects.wakes = True

    # The end --------------------------------------------------------------------------------------------------------

    def flush(self) -> bool:
        """Write what follows from the change, in the lock order; whether a delivery is to be woken."""
        pending = self._write_outbox()
        for flag_id in sorted(self._effects.served_everywhere):
            change_log.append_everywhere(self.tx, flag_id, self.now)
        for (environment_id, flag_id), (name, traffic_type) in sorted(self._effects.served.items()):
            change_log.append(self.tx, environment_id, flag_id, name, traffic_type, self.now)
        return bool(pending) or self._effects.wakes

    def _write_outbox(self) -> int:
        effects, tx, now = self._effects, self.tx, self.now
        pending = 0
        if effects.outbox_account:
            pending += outbox.bump_account(tx, self.actor.account_id, now)
        for project_id in sorted(effects.outbox_projects):
            pending += outbox.bump_project(tx, project_id, now)
        for environment_id in sorted(effects.outbox_environments):
            pending += outbox.bump_environment(tx, environment_id, now)
        for project_id, name, environment_id in sorted(effects.outbox_dependents):
            effects.outbox_flags.update(dependencies.ids_of_dependents(tx, project_id, name, environment_id or None))
        if known := effects.outbox_flags - effects.first_connections.keys():
            pending += outbox.bump(tx, sorted(known), now)
        for flag_id, flag in sorted(effects.first_connections.items()):
            outbox.enqueue(tx, self.actor.account_id, flag.project_id, flag_id, flag.name, now)
            pending += 1
        return pending


class Action(Generic[P, R]):
    """A function of a `Change` that runs as a transaction of its own, or within the transaction of another action."""

    def __init__(self, function: Callable[Concatenate[Change, P], R]) -> None:
        self._function = function
        update_wrapper(self, function)

    def __call__(self, ctx: Context, actor: Actor, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run in a transaction of its own: committed when the function returns, undone when it raises."""
        return run(ctx, actor, lambda change: self._function(change, *args, **kwargs))

    def within(self, change: Change, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run as a part of a change that does more."""
        return self._function(change, *args, **kwargs)


def transactional(function: Callable[Concatenate[Change, P], R]) -> Action[P, R]:
    """Make an action of a function of a `Change`: callers pass a context and an actor in place of the change."""
    return Action(function)


def run(ctx: Context, actor: Actor, work: Callable[[Change], R]) -> R:
    """Do this work as one change, and wake the delivery after the commit if Jira is to be sent something."""

    def in_transaction(tx: Transaction) -> tuple[R, bool]:
        change = Change(ctx, tx, actor, ctx.clock())
        result = work(change)
        return result, change.flush()

    result, pending = ctx.db.transact(in_transaction)
    if pending:
        ctx.wake(actor.account_id)
    return result
