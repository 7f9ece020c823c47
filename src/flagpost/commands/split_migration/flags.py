"""A project's feature flags and their definitions."""

from collections.abc import Iterable

from flagpost.actions.flags import flags as flags_here
from flagpost.actions.flags.definitions import list_definitions
from flagpost.actions.flags.flags import MAX_TAGS, NewFlag
from flagpost.actions.imports.split_account import (
    BroughtDefinition,
    Outcome,
    carry_definition,
    carry_flag,
    was_changed_here,
)
from flagpost.actions.projects import projects
from flagpost.commands.split_migration.account import SplitDefinition, SplitEnvironment, SplitFlag
from flagpost.commands.split_migration.definition import as_read_here
from flagpost.commands.split_migration.project import MovedProject, every
from flagpost.flags.bucketing import Seeds
from flagpost.flags.definition_json import parse
from flagpost.flags.model import Bucket, Definition
from flagpost.flags.naming_rules import title_problem
from flagpost.store.records import Environment


def bring_flags(project: MovedProject) -> None:
    """Every flag with what is said about it, and its definition in every environment."""
    move = project.move
    found = project.unless_refused("feature flags", lambda: move.account.flags(project.there))
    if found is None:
        return
    statuses = {one.name for one in projects.list_rollout_statuses(move.ctx, move.actor, project.here.id)}
    brought = {one.name for one in project.steps(found, "feature flags") if _bring_flag(project, one, statuses)}
    _note_gone_flags(project, {one.name for one in found})
    for there, here in project.places:
        _bring_definitions(project, there, here, brought)


def _bring_flag(project: MovedProject, there: SplitFlag, statuses: set[str]) -> bool:
    move, flag = project.move, _described(project, there, statuses)
    return project.attempt("feature flag", there.name, carry_flag, move.ctx, move.actor, project.here.id, flag)


def _described(project: MovedProject, there: SplitFlag, statuses: set[str]) -> NewFlag:
    status = there.rolloutStatus.name if there.rolloutStatus else None
    if status and status not in statuses:
        project.look_at(f"rollout status {status}: there is none of that name here, so its flags go without it.")
    return NewFlag(
        name=there.name,
        traffic_type=there.trafficType.name,
        description=there.description or "",
        tags=_tags(project, there),
        owners=project.who.find(there.owners or ()) if project.who.is_known else None,
        rollout_status=status if status in statuses else None,
    )


def _tags(project: MovedProject, there: SplitFlag) -> list[str]:
    tags = [one.name for one in there.tags or ()]
    fit = [tag for tag in tags if not title_problem(tag, "tag")][:MAX_TAGS]
    if left_out := [tag for tag in tags if tag not in fit]:
        project.look_at(f"feature flag {there.name}: left out the tags {', '.join(map(repr, left_out))}.")
    return fit


def _note_gone_flags(project: MovedProject, there: set[str]) -> None:
    ctx, actor, home = project.move.ctx, project.move.actor, project.here.id
    for one in every(lambda offset, limit: flags_here.list_flags(ctx, actor, home, offset=offset, limit=limit)):
        if one.name not in there and not was_changed_here(ctx, actor, one.id):
            project.look_at(f"feature flag {one.name}: is in Split no more, or archived there; it was left here.")


# Definitions ----------------------------------------------------------------------------------------------------


def _bring_definitions(project: MovedProject, there: SplitEnvironment, here: Environment, brought: set[str]) -> None:
    """Of the flags that are here; with their seeds, where they are wanted."""
    found = project.unless_refused(
        f"definitions in {there.name}", lambda: project.move.account.definitions(project.there, there)
    )
    if found is None:
        return
    seeds = _seeds(project, there) if found else {}
    for one in project.steps((one for one in found if one.name in brought), f"definitions in {there.name}"):
        where = f"{one.name} in {there.name}"
        project.attempt("definition", where, _bring_definition, project, here, one, seeds.get(one.name))
    _note_gone_definitions(project, here, {one.name for one in found})


def _seeds(project: MovedProject, there: SplitEnvironment) -> dict[str, Seeds]:
    url = project.move.sdk_url
    if url is None:
        return {}
    found: Iterable[tuple[str, Seeds]] | None = project.unless_refused(
        f"seeds in {there.name}", lambda: project.move.account.seeds(project.there, there, url).items()
    )
    return dict(found or ())


def _bring_definition(project: MovedProject, here: Environment, there: SplitDefinition, seeds: Seeds | None) -> Outcome:
    move, sets = project.move, None
    if project.flag_sets is not None:
        sets = tuple(project.flag_sets[one.id] for one in there.flagSets or () if one.id in project.flag_sets)
    definition = parse(as_read_here(there.body))
    brought = BroughtDefinition(definition, bool(there.killed), sets, seeds)
    outcome = carry_definition(move.ctx, move.actor, project.here.id, there.name, here.id, brought)
    if seeds is None and outcome is Outcome.CREATED and _deals_out(definition):
        move.report.without_seeds += 1
    return outcome


def _deals_out(definition: Definition) -> bool:
    """Whether keys come to different treatments by their buckets."""
    dealt = (definition.default_rule, *(rule.buckets for rule in definition.rules))
    return definition.traffic_allocation < 100 or any(_shares(buckets) > 1 for buckets in dealt)


def _shares(buckets: tuple[Bucket, ...]) -> int:
    return sum(one.size > 0 for one in buckets)


def _note_gone_definitions(project: MovedProject, here: Environment, there: set[str]) -> None:
    ctx, actor, home = project.move.ctx, project.move.actor, project.here.id
    for one in every(lambda offset, limit: list_definitions(ctx, actor, home, here.id, offset=offset, limit=limit)):
        if one.flag_name not in there and not was_changed_here(ctx, actor, one.flag_id, here.id):
            project.look_at(f"definition {one.flag_name} in {here.name}: is in Split no more; it was left here.")
