"""A project's feature flags and their definitions."""

from flagpost.actions import projects
from flagpost.actions.carry_over import BroughtDefinition, Outcome, carry_definition, carry_flag
from flagpost.actions.flags import NewFlag
from flagpost.flags.bucket import Seeds
from flagpost.flags.definition_json import parse
from flagpost.flags.model import Bucket, Definition
from flagpost.from_split.account import SplitDefinition, SplitEnvironment, SplitFlag
from flagpost.from_split.move import MovedProject
from flagpost.store.records import Environment


def bring_flags(project: MovedProject) -> None:
    """Every flag, with what is said about it."""
    move = project.move
    statuses = {one.name for one in projects.list_rollout_statuses(move.ctx, move.actor, project.here.id)}
    for one in project.steps(move.account.flags(project.there), "feature flags"):
        flag = _described(project, one, statuses)
        project.attempt("feature flag", one.name, carry_flag, move.ctx, move.actor, project.here.id, flag)


def _described(project: MovedProject, there: SplitFlag, statuses: set[str]) -> NewFlag:
    status = there.rolloutStatus.name if there.rolloutStatus else None
    if status and status not in statuses:
        project.look_at(f"rollout status {status}: there is none of that name here, so its flags go without it.")
    return NewFlag(
        name=there.name,
        traffic_type=there.trafficType.name,
        description=there.description or "",
        tags=[one.name for one in there.tags or ()],
        owners=project.who.find(there.owners or ()),
        rollout_status=status if status in statuses else None,
    )


def bring_definitions(project: MovedProject) -> None:
    """Every flag's definition in every environment; with its seeds, where they are wanted."""
    for there, here in project.places:
        found = project.move.account.definitions(project.there, there)
        seeds = _seeds(project, there) if found else {}
        for one in project.steps(found, f"definitions in {there.name}"):
            project.attempt(
                "definition", f"{one.name} in {there.name}", _bring_definition, project, here, one, seeds.get(one.name)
            )


def _seeds(project: MovedProject, there: SplitEnvironment) -> dict[str, Seeds]:
    url = project.move.sdk_url
    if url is None:
        return {}
    found = project.unless_refused(
        f"seeds in {there.name}", lambda: project.move.account.seeds(project.there, there, url).items()
    )
    return dict(found)


def _bring_definition(project: MovedProject, here: Environment, there: SplitDefinition, seeds: Seeds | None) -> Outcome:
    definition = parse(there.body)
    sets = tuple(project.flag_sets[one.id] for one in there.flagSets or () if one.id in project.flag_sets)
    brought = BroughtDefinition(definition, bool(there.killed), sets, seeds)
    move = project.move
    outcome = carry_definition(move.ctx, move.actor, project.here.id, there.name, here.id, brought)
    if seeds is None and _deals_out(definition):
        move.report.dealt_anew += 1
    return outcome


def _deals_out(definition: Definition) -> bool:
    """Whether keys come to different treatments by their buckets."""
    dealt = (definition.default_rule, *(rule.buckets for rule in definition.rules))
    return definition.traffic_allocation < 100 or any(_shares(buckets) > 1 for buckets in dealt)


def _shares(buckets: tuple[Bucket, ...]) -> int:
    return sum(one.size > 0 for one in buckets)
