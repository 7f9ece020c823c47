"""What a definition asks for has to be there: other flags of the project, segments of the environment, flag sets."""

from collections.abc import Collection

from flagpost.actions.access import Actor, Right
from flagpost.actions.context import Context
from flagpost.actions.flags.flag_sets import require_flag_sets
from flagpost.actions.lookup import get_visible_environment, get_visible_flag, get_visible_project
from flagpost.actions.segments.usage import missing_segments
from flagpost.actions.unit_of_work import Change, transactional
from flagpost.errors import InvalidInput, Problem
from flagpost.flags.definition_json import dump
from flagpost.flags.dependency_graph import flags_asked, reaches
from flagpost.flags.model import Definition, FlagStatus
from flagpost.store.db import Transaction
from flagpost.store.flags import definitions, dependencies, flags
from flagpost.store.records import Environment, Project


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


def treatments_of(
    ctx: Context, actor: Actor, project: str, environment: str, names: Collection[str]
) -> dict[str, list[str]]:
    """The treatments that these flags (by name) have in an environment; one that is not set up there is left out."""
    actor.require(Right.VIEW_FLAGS)
    with ctx.db.read() as tx:
        found = get_visible_project(tx, actor, project)
        place = get_visible_environment(tx, actor, found, environment)
        there = definitions.by_flag(tx, found.id, place.id, names)
    return {name: [treatment.name for treatment in one.treatments] for name, one in there.items()}


def require_dependencies(
    tx: Transaction, project: Project, environment: Environment, flag: str, definition: Definition
) -> None:
    """InvalidInput where this definition of `flag` (by name) asks for what is not there, or for what asks for it.

    A flag whose treatment it asks for has to be active, and must not ask for this one's in turn, itself or by way of
    others. A segment has to be in the environment. What it asks for, and the flag itself, stay locked until the commit:
    two saves at once cannot close a circle, and nothing of it is archived or removed meanwhile.
    """
    asked = list(flags_asked(definition))
    found = flags.lock_asked(tx, project.id, flag, {name for _, name in asked}) if asked else {}

    def asked_by(names: set[str]) -> set[str]:
        return dependencies.asked_by(tx, project.id, environment.id, names)

    problems = missing_segments(tx, environment, dump(definition))
    for path, other in asked:
        if other == flag:
            problems.append(Problem(path, "A flag cannot ask for a treatment of its own. Choose another flag."))
        elif found.get(other) is not FlagStatus.ACTIVE:
            problems.append(Problem(path, f"There is no feature flag “{other}” in {project.name}."))
        elif reaches(other, flag, asked_by):
            problems.append(
                Problem(path, f"“{other}” asks for a treatment of “{flag}” in turn: neither could be decided.")
            )
    if problems:
        raise InvalidInput(problems)
