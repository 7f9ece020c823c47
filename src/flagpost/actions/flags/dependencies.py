"""What a definition depends on has to exist: other flags of the project, segments of the environment, flag sets."""

from collections.abc import Collection
from functools import partial

from flagpost.actions.access import Right
from flagpost.actions.flags.flag_sets import require_flag_sets
from flagpost.actions.lookup import get_visible_environment, get_visible_flag, get_visible_project
from flagpost.actions.segments.usage import missing_segments
from flagpost.actions.unit_of_work import Change, transactional
from flagpost.errors import Conflict, InvalidInput, Problem
from flagpost.flags.definition_json import dump
from flagpost.flags.dependency_graph import flag_dependencies, reaches
from flagpost.flags.model import Definition, FlagStatus
from flagpost.store.db import Transaction
from flagpost.store.flags import definitions, dependencies, flags
from flagpost.store.records import Environment, Flag, Project


@transactional
def check_dependencies(
    change: Change, project: str, flag: str, environment: str, definition: Definition, flag_sets: Collection[str]
) -> None:
    """InvalidInput where saving this definition would be refused for what it depends on. Nothing is written.

    It is a change all the same, because it looks under the locks that a save takes.
    """
    change.actor.require(Right.EDIT_FLAGS)
    found = get_visible_project(change.tx, change.actor, project)
    place = get_visible_environment(change.tx, change.actor, found, environment)
    name = get_visible_flag(change.tx, found, flag).name
    require_dependencies(change.tx, found, place, name, definition)
    require_flag_sets(change.tx, found, flag_sets)


def require_dependencies(
    tx: Transaction, project: Project, environment: Environment, flag: str, definition: Definition
) -> None:
    """InvalidInput where this definition of `flag` (by name) depends on what does not exist, or on what depends on it.

    A flag that it depends on has to be active, and must not depend on this one, directly or through others. A segment
    has to be in the environment. All of these, and the flag itself, stay locked until the commit: two saves at once
    cannot close a cycle, and nothing that the definition depends on is archived or removed meanwhile.
    """
    named = list(flag_dependencies(definition))
    found = flags.lock_with_dependencies(tx, project.id, flag, {name for _, name in named}) if named else {}
    dependencies_of = partial(dependencies.dependencies_of, tx, project.id, environment.id)
    problems = missing_segments(tx, environment, dump(definition))
    for path, other in named:
        if other == flag:
            problems.append(Problem(path, "A flag cannot ask for a treatment of its own. Choose another flag."))
        elif found.get(other) is not FlagStatus.ACTIVE:
            problems.append(Problem(path, f"There is no feature flag “{other}” in {project.name}."))
        elif reaches(other, flag, dependencies_of):
            problems.append(
                Problem(path, f"“{other}” asks for a treatment of “{flag}” in turn: neither could be decided.")
            )
    if problems:
        raise InvalidInput(problems)


def require_no_cycle(tx: Transaction, flag: Flag) -> None:
    """Conflict where an archived flag that is brought back would depend on itself, in any environment.

    A flag that depends on an archived one can be set up meanwhile, because the archived one serves nothing. The flags
    are locked as by a save.
    """
    there = definitions.of_flag(tx, flag.id).values()
    named = [(one.environment, name) for one in there for _, name in flag_dependencies(one.definition)]
    if named:
        flags.lock_with_dependencies(tx, flag.project_id, flag.name, {name for _, name in named})
    for environment, other in named:
        if reaches(other, flag.name, partial(dependencies.dependencies_of, tx, flag.project_id, environment.id)):
            raise Conflict(f"“{other}” depends on “{flag.name}” now. Change its rules in {environment.name} first.")
