"""What the project *Default* and its account hold, read from the database as one flat dictionary.

A key is a tuple of words: first what kind of thing it is, then the names that it hangs on, such as
`("definition", "pay", "Production", "killed")`. Names are unique over all kinds, so that what goes with a thing is what
has its name in the key.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from flagpost.store.db import Transaction
from flagpost.store.schema import change_requests, core, jira, targeting

Key = tuple[str, ...]
State = dict[Key, Any]
HOME = "Default"


class Impossible(Exception):
    """What was acknowledged cannot have been done to this state."""


# What a write does to a state -------------------------------------------------------------------------------------


def create(state: State, key: Key, value: Any = True, **fields: Any) -> None:
    """Add a thing that is not there, and its fields."""
    if key in state:
        raise Impossible(f"{key} was created and there already")
    state[key] = value
    state.update({(*key, name): what for name, what in fields.items()})


def put(state: State, key: Key, **fields: Any) -> None:
    """Set fields of a thing that is there."""
    if key not in state:
        raise Impossible(f"{key} was changed and not there")
    state.update({(*key, name): what for name, what in fields.items()})


def remove(state: State, key: Key, unless: Sequence[str] = ()) -> None:
    """Take a thing away, with all that hangs on it. `unless`: kinds of things that must not hang on it."""
    if key not in state:
        raise Impossible(f"{key} was removed and not there")
    below = [one for one in state if set(key[1:]) <= set(one[1:])]
    if kept := [one for one in below if one[0] in unless]:
        raise Impossible(f"{key} was removed under {kept[0]}")
    for one in below:
        del state[one]


# Reading ------------------------------------------------------------------------------------------------------------


def read(tx: Transaction) -> State:
    """The state of this moment."""
    home = tx.scalar(sa.select(core.projects.c.id).where(core.projects.c.name == HOME))
    assert isinstance(home, str)
    return {key: value for part in _PARTS for key, value in part(tx, home)}


def _account(tx: Transaction, home: str) -> Iterator[tuple[Key, Any]]:
    for row in tx.execute(sa.select(core.projects)):
        yield ("project", row.name), row.id
        yield ("project", row.name, "asks"), row.requires_title_and_comments
        yield ("project", row.name, "restricted"), row.restricted
    for row in tx.execute(sa.select(core.users)):
        yield ("user", row.email), row.id
        yield ("user", row.email, "role"), row.role
        yield ("user", row.email, "status"), row.status
        yield ("user", row.email, "name"), row.name
    for row in tx.execute(sa.select(core.groups)):
        yield ("group", row.name), row.id
        yield ("group", row.name, "description"), row.description
    for row in tx.execute(sa.select(core.api_keys).where(core.api_keys.c.name == "spare key")):
        if row.revoked_at is None:
            yield ("api key", row.id), row.id
    shown = jira.jira_integration_projects.c
    found = sa.select(core.environments.c.name).join(jira.jira_integration_projects, shown.environment_id == ENV.id)
    for row in tx.execute(found.where(shown.project_id == home)):
        yield ("integration", "shows"), row.name


def _project(tx: Transaction, home: str) -> Iterator[tuple[Key, Any]]:
    for row in tx.execute(sa.select(core.environments).where(ENV.project_id == home)):
        yield ("environment", row.name), row.id
        yield ("environment", row.name, "production"), row.production
        yield ("environment", row.name, "type"), row.jira_type
        rights = row.permissions.get("changePermissions", {})
        yield ("environment", row.name, "approvals"), rights.get("areApprovalsRequired", False)
        exporters = row.permissions.get("dataExportPermissions", {})
        yield ("environment", row.name, "exporters"), exporters.get("areExportersRestricted", False)
    for row in tx.execute(sa.select(core.traffic_types).where(core.traffic_types.c.project_id == home)):
        yield ("traffic type", row.name), row.id
    for row in tx.execute(sa.select(targeting.flag_sets).where(targeting.flag_sets.c.project_id == home)):
        yield ("flag set", row.name), row.id
    for row in tx.execute(sa.select(targeting.attributes)):
        yield ("attribute", row.id), row.id
        yield ("attribute", row.id, "display"), row.display_name
        yield ("attribute", row.id, "description"), row.description
    identities = targeting.identities
    found = sa.select(identities, ENV.name).join(core.environments, ENV.id == identities.c.environment_id)
    for row in tx.execute(found):
        yield ("identity", row.key, row.name), True
        yield from ((("identity", row.key, row.name, name), value) for name, value in row.attribute_values.items())


def _flags(tx: Transaction, home: str) -> Iterator[tuple[Key, Any]]:
    tags: dict[str, list[str]] = {}
    for row in tx.execute(sa.select(core.flag_tags).order_by("name")):
        tags.setdefault(row.flag_id, []).append(row.name)
    for row in tx.execute(sa.select(core.flags).where(core.flags.c.project_id == home)):
        yield ("flag", row.name), row.id
        yield ("flag", row.name, "description"), row.description
        yield ("flag", row.name, "archived"), row.status == "archived"
        yield ("flag", row.name, "tags"), tuple(tags.get(row.id, ()))
    there = sa.select(core.definitions, core.flags.c.name.label("flag"), ENV.name.label("place"))
    for row in tx.execute(there.join(core.flags).join(core.environments)):
        key = ("definition", row.flag, row.place)
        yield key, True
        yield (*key, "share"), sum(one["size"] for one in row.body["defaultRule"] if one["treatment"] == "off")
        yield (*key, "killed"), row.killed
        yield (*key, "sets"), tuple(row.flag_set_ids)
    linked = sa.select(core.flags.c.name, jira.issues.c.key).select_from(jira.connections).join(core.flags)
    for row in tx.execute(linked.join(jira.issues)):
        yield ("issue", row.name, row.key), True
    for row in tx.execute(sa.select(change_requests.change_requests).order_by("created_at", "id")):
        yield ("request", row.id), row.object_type
        yield ("request", row.id, "status"), row.status


def _segments(tx: Transaction, home: str) -> Iterator[tuple[Key, Any]]:
    segments, places, keys = targeting.segments, targeting.segment_definitions, targeting.segment_keys
    for row in tx.execute(sa.select(segments).where(segments.c.project_id == home, segments.c.removed_at.is_(None))):
        yield ("segment", row.name), row.id
    there = sa.select(places, segments.c.name.label("segment"), ENV.name.label("place"))
    there = there.join(segments, segments.c.id == places.c.segment_id).join(core.environments)
    for row in tx.execute(there.where(places.c.removed_at.is_(None))):
        key = ("content", row.segment, row.place)
        yield key, True
        yield (*key, "rules"), len((row.body or {}).get("rules", ()))
        found = tx.scalars(sa.select(keys.c.key).where(keys.c.definition_id == row.id, ~keys.c.removed)).all()
        yield (*key, "keys"), frozenset(found)
        assert row.key_count == len(found), (key, row.key_count, found)


ENV = core.environments.c
_PARTS: tuple[Callable[[Transaction, str], Iterator[tuple[Key, Any]]], ...] = (_account, _project, _flags, _segments)


# What must always hold ----------------------------------------------------------------------------------------------

_ORPHANS = {
    "definitions without a flag": "SELECT d.id FROM definitions d LEFT JOIN flags f ON f.id = d.flag_id WHERE f.id IS NULL",
    "definitions that depend on a flag set that is gone": """
        SELECT d.id FROM definitions d, json_array_elements_text(d.flag_set_ids) s
        WHERE NOT EXISTS (SELECT 1 FROM flag_sets WHERE flag_sets.id = s)""",
    "definitions that use a segment that is not in the environment": """
        SELECT d.id FROM definitions d JOIN definition_dependencies n ON n.definition_id = d.id AND n.kind = 'segment'
        WHERE NOT EXISTS (SELECT 1 FROM segment_definitions p JOIN segments s ON s.id = p.segment_id
        WHERE s.name = n.target AND p.environment_id = d.environment_id AND p.removed_at IS NULL)""",
    "definitions that depend on a flag that is gone": """
        SELECT d.id FROM definitions d JOIN definition_dependencies n ON n.definition_id = d.id AND n.kind = 'flag'
        WHERE NOT EXISTS (SELECT 1 FROM flags f JOIN flags own ON own.id = d.flag_id AND own.project_id = f.project_id
        WHERE f.name = n.target)""",
    "open change requests of what is gone": """
        SELECT id FROM change_requests c WHERE status IN ('REQUESTED', 'SCHEDULE_REQUESTED', 'SCHEDULED')
        AND NOT EXISTS (SELECT 1 FROM flags WHERE flags.id = c.object_id)
        AND NOT EXISTS (SELECT 1 FROM segments WHERE segments.id = c.object_id AND segments.removed_at IS NULL)""",
    "projects without a rollout status": """
        SELECT id FROM projects WHERE NOT EXISTS (SELECT 1 FROM rollout_statuses s WHERE s.project_id = projects.id)""",
}


def broken(tx: Transaction) -> list[str]:
    """The invariants of the account that do not hold, in words."""
    admins = "SELECT count(*) FROM users WHERE role = 'admin' AND status = 'ACTIVE'"
    found = [] if tx.exec_driver_sql(admins).scalar() else ["the account has no active admin"]
    return found + [what for what, asked in _ORPHANS.items() if tx.exec_driver_sql(asked).first()]
