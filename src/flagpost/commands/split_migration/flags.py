"""Imports a project's feature flags and their definitions."""

from collections.abc import Iterable

from flagpost.actions.flags import flags as local_flags
from flagpost.actions.flags.definitions import list_definitions
from flagpost.actions.flags.flags import MAX_TAGS, NewFlag
from flagpost.actions.imports.split_account import (
    Outcome,
    SourceDefinition,
    import_definition,
    import_flag,
    was_changed_here,
)
from flagpost.actions.projects import projects
from flagpost.commands.split_migration.account import SplitDefinition, SplitEnvironment, SplitFlag
from flagpost.commands.split_migration.definition import normalize
from flagpost.commands.split_migration.project import ProjectMigration, all_pages
from flagpost.flags.bucketing import Seeds
from flagpost.flags.definition_json import parse
from flagpost.flags.model import Bucket, Definition
from flagpost.flags.naming_rules import title_problem
from flagpost.store.records import Environment


def import_flags(project: ProjectMigration) -> None:
    """Import every flag with its description, tags, owners and status, and its definition in every environment."""
    found = project.read("feature flags", lambda: project.account.flags(project.source))
    if found is None:
        return
    statuses = {one.name for one in projects.list_rollout_statuses(project.ctx, project.actor, project.target.id)}
    imported = {one.name for one in project.progress(found, "feature flags") if _import_flag(project, one, statuses)}
    _warn_of_missing_flags(project, {one.name for one in found})
    for source, target in project.environments:
        _import_definitions(project, source, target, imported)


def _import_flag(project: ProjectMigration, source: SplitFlag, statuses: set[str]) -> bool:
    flag = _new_flag(project, source, statuses)
    place = (project.ctx, project.actor, project.target.id)
    return project.attempt("feature flag", source.name, import_flag, *place, flag)


def _new_flag(project: ProjectMigration, source: SplitFlag, statuses: set[str]) -> NewFlag:
    status = source.rolloutStatus.name if source.rolloutStatus else None
    if status and status not in statuses:
        project.warn(f"rollout status {status}: does not exist here, so its flags were imported without it.")
    return NewFlag(
        name=source.name,
        traffic_type=source.trafficType.name,
        description=source.description or "",
        tags=_tags(project, source),
        owners=project.principals.resolve(source.owners or ()) if project.principals.complete else None,
        rollout_status=status if status in statuses else None,
    )


def _tags(project: ProjectMigration, source: SplitFlag) -> list[str]:
    tags = [one.name for one in source.tags or ()]
    valid = [tag for tag in tags if not title_problem(tag, "tag")][:MAX_TAGS]
    if left_out := [tag for tag in tags if tag not in valid]:
        project.warn(f"feature flag {source.name}: left out the tags {', '.join(map(repr, left_out))}.")
    return valid


def _warn_of_missing_flags(project: ProjectMigration, source_names: set[str]) -> None:
    """Report the flags that an earlier run imported and that Split no longer lists."""
    ctx, actor, id = project.ctx, project.actor, project.target.id
    for one in all_pages(lambda offset, limit: local_flags.list_flags(ctx, actor, id, offset=offset, limit=limit)):
        if one.name not in source_names and not was_changed_here(ctx, actor, one.id):
            project.warn(f"feature flag {one.name}: no longer exists in Split, or is archived there. It was left here.")


# Definitions ----------------------------------------------------------------------------------------------------


def _import_definitions(
    project: ProjectMigration, source: SplitEnvironment, target: Environment, flags: set[str]
) -> None:
    """Import the definitions of these flags in an environment, with their seeds if the migration keeps them."""
    what = f"definitions in {source.name}"
    found = project.read(what, lambda: project.account.definitions(project.source, source))
    if found is None:
        return
    seeds = _seeds(project, source) if found else {}
    for one in project.progress((one for one in found if one.name in flags), what):
        where = f"{one.name} in {source.name}"
        project.attempt("definition", where, _import_definition, project, target, one, seeds.get(one.name))
    _warn_of_missing_definitions(project, target, {one.name for one in found})


def _seeds(project: ProjectMigration, environment: SplitEnvironment) -> dict[str, Seeds]:
    url = project.migration.sdk_url
    if url is None:
        return {}
    found: Iterable[tuple[str, Seeds]] | None = project.read(
        f"seeds in {environment.name}", lambda: project.account.seeds(project.source, environment, url).items()
    )
    return dict(found or ())


def _import_definition(
    project: ProjectMigration, target: Environment, source: SplitDefinition, seeds: Seeds | None
) -> Outcome:
    sets = None
    if project.flag_sets is not None:
        sets = tuple(project.flag_sets[one.id] for one in source.flagSets or () if one.id in project.flag_sets)
    definition = parse(normalize(source.body))
    wanted = SourceDefinition(definition, bool(source.killed), sets, seeds)
    outcome = import_definition(project.ctx, project.actor, project.target.id, source.name, target.id, wanted)
    if seeds is None and outcome is Outcome.CREATED and _depends_on_buckets(definition):
        project.migration.report.without_seeds += 1
    return outcome


def _depends_on_buckets(definition: Definition) -> bool:
    """Whether the bucket of a key decides which treatment it gets."""
    distributions = (definition.default_rule, *(rule.buckets for rule in definition.rules))
    return definition.traffic_allocation < 100 or any(_treatments_in(buckets) > 1 for buckets in distributions)


def _treatments_in(buckets: tuple[Bucket, ...]) -> int:
    return sum(one.size > 0 for one in buckets)


def _warn_of_missing_definitions(project: ProjectMigration, target: Environment, source_names: set[str]) -> None:
    """Report the definitions that an earlier run imported and that Split no longer lists."""
    ctx, actor, place = project.ctx, project.actor, (project.target.id, target.id)
    for one in all_pages(lambda offset, limit: list_definitions(ctx, actor, *place, offset=offset, limit=limit)):
        if one.flag_name not in source_names and not was_changed_here(ctx, actor, one.flag_id, target.id):
            project.warn(f"definition {one.flag_name} in {target.name}: no longer exists in Split. It was left here.")
