"""Importing many flags with their owners and issues: what would be done, and doing it.

A flag that exists keeps what is said about it; it only gets what it lacks: connections, and definitions where it is
not initiated. So an import can be run again, after a failure or with a longer file, and makes nothing twice. Each line
is one transaction: it is done whole, or refused and nothing of it is done.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from flagpost.actions.access import Actor, Right
from flagpost.actions.accounts import users
from flagpost.actions.approvals import require_direct_change
from flagpost.actions.context import Context
from flagpost.actions.flags import definitions, flags
from flagpost.actions.flags.definitions import DefinitionPlace, Draft
from flagpost.actions.jira import issue_links
from flagpost.actions.lookup import get_visible_project
from flagpost.actions.unit_of_work import Change, Summary, transactional
from flagpost.errors import FlagpostError, InvalidInput, Problem
from flagpost.flags.import_file import FlagLine
from flagpost.flags.issue_keys import parse_issue_refs
from flagpost.flags.model import Bucket, Definition, FlagStatus, Treatment
from flagpost.jira.issues import IN_THE_BACKGROUND
from flagpost.store.flags import definitions as stored_definitions
from flagpost.store.flags import flags as stored_flags
from flagpost.store.jira.issues import Issue
from flagpost.store.locks import Lock
from flagpost.store.projects import projects
from flagpost.store.records import Flag, Project


class Outcome(StrEnum):
    """What became of a line, or would."""

    CREATED = "create"
    COMPLETED = "complete"
    UNCHANGED = "unchanged"
    REFUSED = "refuse"


@dataclass(frozen=True, slots=True)
class Report:
    """One line's outcome. `connected`: keys that are new; `set_up`: environments; `remarks`: what was left out."""

    line: FlagLine
    outcome: Outcome
    connected: tuple[str, ...] = ()
    set_up: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How to import. `traffic_type` is for lines that name none.

    With `create_owners`, an owner that is no user and no group becomes a group. With `dry_run`, nothing is changed.
    """

    traffic_type: str = "user"
    create_owners: bool = False
    dry_run: bool = False


_DEFAULTS = ImportOptions()


@dataclass
class _Import:
    """An import in progress, with what was looked up once for all lines."""

    ctx: Context
    actor: Actor
    project: str
    options: ImportOptions
    owners: dict[str, tuple[str, str]] = field(default_factory=dict)
    issues: dict[str, Issue | None] = field(default_factory=dict)


def import_flags(
    ctx: Context,
    actor: Actor,
    project: str,
    lines: Sequence[FlagLine],
    options: ImportOptions = _DEFAULTS,
    done: Callable[[Report], None] = lambda _report: None,
) -> list[Report]:
    """Import these lines into a project, in their order. Gives the report of each line.

    Owners match by email, name or group. `done` is called after every line. Raises only errors that concern all lines:
    a project or right that is missing.
    """
    actor.require(Right.EDIT_FLAGS)
    with ctx.db.read() as tx:
        get_visible_project(tx, actor, project)
    run = _Import(ctx, actor, project, options)
    run.owners = _known_owners(ctx, actor)
    run.issues = issue_links.look_up_issues(ctx, actor, _all_issues(lines), IN_THE_BACKGROUND)
    reports = []
    for line in lines:
        reports.append(_one(run, line))
        done(reports[-1])
    return reports


def _known_owners(ctx: Context, actor: Actor) -> dict[str, tuple[str, str]]:
    known = {owner.name.lower(): (owner.type, owner.id) for owner in users.possible_owners(ctx, actor)}
    if actor.may(Right.MANAGE_PEOPLE):
        known |= {user.email.lower(): ("user", user.id) for user in users.list_users(ctx, actor)}
    return known


def _all_issues(lines: Iterable[FlagLine]) -> list[str]:
    found: dict[str, None] = {}
    for line in lines:
        if line.issues:
            found |= dict.fromkeys(parse_issue_refs(" ".join(line.issues))[0])
    return [*found]


def _one(run: _Import, line: FlagLine) -> Report:
    try:
        wanted = _wanted_issues(run, line)
        return _plan(run, line, wanted) if run.options.dry_run else _import_line(run.ctx, run.actor, run, line, wanted)
    except FlagpostError as error:
        problems = error.problems if isinstance(error, InvalidInput) else [Problem("", error.message)]
        return Report(line, Outcome.REFUSED, problems=tuple(problems))


def _wanted_issues(run: _Import, line: FlagLine) -> list[Issue]:
    refs, problems = parse_issue_refs(" ".join(line.issues)) if line.issues else ([], [])
    missing = [ref for ref in refs if run.issues.get(ref) is None]
    unknown = [Problem("issues", f"{ref} does not exist in Jira, or the app may not see it.") for ref in missing]
    if found := [*line.problems, *problems, *unknown]:
        raise InvalidInput(found)
    return [issue for ref in refs if (issue := run.issues[ref])]


class _Undone(Exception):
    """A dry run's transaction ends here."""

    def __init__(self, report: Report) -> None:
        super().__init__()
        self.report = report


def _plan(run: _Import, line: FlagLine, wanted: list[Issue]) -> Report:
    """Import the line and take it back: a dry run of the real code promises nothing that an import would refuse."""
    try:
        return _undo(run.ctx, run.actor, run, line, wanted)
    except _Undone as undone:
        return undone.report


@transactional
def _undo(change: Change, run: _Import, line: FlagLine, wanted: list[Issue]) -> Report:
    raise _Undone(_import_line.within(change, run, line, wanted))


@transactional
def _import_line(change: Change, run: _Import, line: FlagLine, wanted: list[Issue]) -> Report:
    issue_links.lock_connections(change)  # first in the lock order; groups need it too
    project = get_visible_project(change.tx, change.actor, run.project, lock=Lock.SHARE)
    flag = stored_flags.lock(change.tx, project.id, line.name)
    created, remarks = flag is None, tuple[str, ...]()
    if flag is None:
        flag, remarks = _create(run, change, project, line)
    elif flag.status is FlagStatus.ARCHIVED:
        raise InvalidInput(f"There is an archived flag “{line.name}”. Bring it back, or delete it, first.", "name")
    set_up = _set_up(change, project, flag, line.default) if line.default is not None else ()
    connected = issue_links.add_connections(change, flag, wanted) if wanted else []
    outcome = Outcome.CREATED if created else Outcome.COMPLETED if connected or set_up else Outcome.UNCHANGED
    return Report(line, outcome, tuple(connected), set_up, remarks)


def _create(run: _Import, change: Change, project: Project, line: FlagLine) -> tuple[Flag, tuple[str, ...]]:
    owners, remarks = _owners(run, change, line)
    flag = flags.add_flag(
        change,
        project,
        name=line.name,
        traffic_type=line.traffic_type or run.options.traffic_type,
        description=line.description,
        tags=line.tags,
        owners=owners,
        rollout_status=line.rollout_status,
    )
    return flag, remarks


def _owners(run: _Import, change: Change, line: FlagLine) -> tuple[list[tuple[str, str]], tuple[str, ...]]:
    found, remarks = [], []
    for name in line.owners:
        known = run.owners.get(name.lower())
        if known is None and run.options.create_owners:
            known = ("group", users.create_group.within(change, name).id)
            if not run.options.dry_run:
                run.owners[name.lower()] = known
        if known is None:
            remarks.append(f"owner “{name}” is neither a user nor a group here and was left out")
        else:
            found.append(known)
    return found, tuple(remarks)


def _set_up(change: Change, project: Project, flag: Flag, on: bool) -> tuple[str, ...]:
    """Initiate the flag in every environment where it is not, with one treatment for every key."""
    present = stored_definitions.of_flag(change.tx, flag.id)
    all_keys, no_keys = Bucket("on" if on else "off", 100), Bucket("off" if on else "on", 0)
    draft = Draft(Definition((Treatment("on"), Treatment("off")), "off", (all_keys, no_keys)))
    missing = [at for at in projects.list_environments(change.tx, project.id) if at.id not in present]
    for at in missing:
        require_direct_change(change.tx, change.actor, at, flag.id)
        definitions.insert(change, DefinitionPlace(project, flag, at, None), draft, Summary("Import", "As in the file"))
    return tuple(at.name for at in missing)


def summary(reports: Sequence[Report]) -> dict[str, int]:
    """How many lines had each outcome, and how many connections are new."""
    counts = {outcome.value: sum(report.outcome is outcome for report in reports) for outcome in Outcome}
    return {**counts, "connections": sum(len(report.connected) for report in reports)}
