"""Every table but those about Jira (`flagpost.store.schema.jira`), as SQLAlchemy Core.

Times are milliseconds since 1970 (UTC); ids are UUID strings unless said otherwise.

Rows that a person would call a thing of theirs (projects, users, keys) carry `account_id`; everything below them is
reached through them. Nothing here is deleted by cascade in code: the foreign keys say what goes with what.
"""

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Id = sa.String(64)
Name = sa.String(255)


def id_column() -> sa.Column[str]:
    """The primary key."""
    return sa.Column("id", Id, primary_key=True)


def reference(column: str, target: str, *, nullable: bool = False, cascade: bool = True) -> sa.Column[str]:
    """A foreign key; with `cascade`, a row goes when what it refers to goes."""
    on_delete = "CASCADE" if cascade else None
    return sa.Column(column, Id, sa.ForeignKey(f"{target}.id", ondelete=on_delete), nullable=nullable)


def time_column(name: str, *, nullable: bool = False) -> sa.Column[int]:
    """A moment, in milliseconds since 1970."""
    return sa.Column(name, sa.BigInteger, nullable=nullable)


accounts = sa.Table(
    "accounts", metadata, id_column(), sa.Column("name", Name, nullable=False), time_column("created_at")
)

# People -----------------------------------------------------------------------------------------------------------

users = sa.Table(
    "users",
    metadata,
    id_column(),
    reference("account_id", "accounts"),
    sa.Column("email", Name, nullable=False, unique=True),  # kept in lower case
    sa.Column("name", Name, nullable=False),
    sa.Column("role", sa.String(20), nullable=False),  # admin, editor, viewer
    sa.Column("status", sa.String(20), nullable=False),  # PENDING, ACTIVE, DEACTIVATED: Split's words
    sa.Column("password_hash", sa.String(255)),
    time_column("created_at"),
    sa.Index(None, "account_id", "name"),
)
groups = sa.Table(
    "groups",
    metadata,
    id_column(),
    reference("account_id", "accounts"),
    sa.Column("name", Name, nullable=False),
    sa.Column("description", sa.Text, nullable=False, server_default=""),
    time_column("created_at"),
    sa.UniqueConstraint("account_id", "name"),
)
group_members = sa.Table(
    "group_members",
    metadata,
    sa.Column("group_id", Id, sa.ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("user_id", Id, sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True),
)
sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("token_hash", sa.String(64), primary_key=True),
    sa.Column("id", Id, nullable=False, unique=True),  # for showing and revoking; the token itself is never stored
    reference("user_id", "users"),
    time_column("created_at"),
    time_column("last_seen_at"),
    time_column("expires_at"),
    sa.Column("user_agent", sa.String(255), nullable=False, server_default=""),
    sa.Index(None, "user_id"),
)
one_time_links = sa.Table(
    "one_time_links",
    metadata,
    sa.Column("token_hash", sa.String(64), primary_key=True),
    reference("account_id", "accounts"),
    sa.Column("purpose", sa.String(20), nullable=False),  # first_admin, invitation, jira_person
    reference("user_id", "users", nullable=True),
    time_column("created_at"),
    time_column("expires_at"),
)
api_keys = sa.Table(
    "api_keys",
    metadata,
    id_column(),
    reference("account_id", "accounts"),
    sa.Column("name", Name, nullable=False),
    sa.Column("kind", sa.String(20), nullable=False),  # admin, server_side, client_side, jira
    sa.Column("roles", sa.JSON, nullable=False),  # of the admin kind: Split's API_… names
    reference("project_id", "projects", nullable=True),  # None: global scope
    sa.Column("environment_ids", sa.JSON, nullable=False),
    sa.Column("secret_hash", sa.String(64), nullable=False, unique=True),
    sa.Column("hint", sa.String(8), nullable=False),  # the last characters, to tell keys apart
    sa.Column("created_by", Name, nullable=False),
    time_column("created_at"),
    time_column("expires_at", nullable=True),
    time_column("revoked_at", nullable=True),
    time_column("last_used_at", nullable=True),
    sa.Index(None, "account_id", "name"),
    sa.Index(None, "project_id"),
)

# Projects ---------------------------------------------------------------------------------------------------------

projects = sa.Table(
    "projects",
    metadata,
    id_column(),
    reference("account_id", "accounts"),
    sa.Column("name", Name, nullable=False),
    sa.Column("requires_title_and_comments", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("restricted", sa.Boolean, nullable=False, server_default=sa.false()),
    time_column("created_at"),
    sa.UniqueConstraint("account_id", "name"),
)
project_grants = sa.Table(
    "project_grants",
    metadata,
    sa.Column("project_id", Id, sa.ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("grantee_type", sa.String(10), primary_key=True),  # user, group, api_key
    sa.Column("grantee_id", Id, primary_key=True),
    sa.Index(None, "grantee_id"),
)
environments = sa.Table(
    "environments",
    metadata,
    id_column(),
    reference("project_id", "projects"),
    sa.Column("name", Name, nullable=False),
    sa.Column("production", sa.Boolean, nullable=False),
    sa.Column("jira_type", sa.String(20), nullable=False),
    sa.Column("permissions", sa.JSON, nullable=False),  # Split's changePermissions and dataExportPermissions, as sent
    time_column("created_at"),
    sa.UniqueConstraint("project_id", "name"),
)
traffic_types = sa.Table(
    "traffic_types",
    metadata,
    id_column(),
    reference("project_id", "projects"),
    sa.Column("name", Name, nullable=False),
    sa.Column("display_attribute_id", Name),
    time_column("created_at"),
    sa.UniqueConstraint("project_id", "name"),
)
rollout_statuses = sa.Table(
    "rollout_statuses",
    metadata,
    id_column(),
    reference("project_id", "projects"),
    sa.Column("name", Name, nullable=False),
    sa.Column("description", sa.Text, nullable=False, server_default=""),
    sa.Column("colour", sa.String(20), nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.UniqueConstraint("project_id", "name"),
)

# Flags ------------------------------------------------------------------------------------------------------------

flags = sa.Table(
    "flags",
    metadata,
    id_column(),
    reference("project_id", "projects"),
    sa.Column("name", Name, nullable=False),
    reference("traffic_type_id", "traffic_types", cascade=False),
    sa.Column("description", sa.Text, nullable=False, server_default=""),
    reference("rollout_status_id", "rollout_statuses", cascade=False),
    time_column("rollout_status_at"),
    sa.Column("status", sa.String(10), nullable=False, server_default="active"),
    sa.Column("version", sa.Integer, nullable=False, server_default="1"),  # of the metadata, for concurrent edits
    time_column("created_at"),
    time_column("updated_at"),  # of this row
    time_column("changed_at"),  # of anything about the flag: this row, a definition, a connection
    sa.UniqueConstraint("project_id", "name"),
    sa.Index(None, "project_id", "status", "name"),
    sa.Index(None, "project_id", "status", "changed_at"),
    sa.Index(None, "traffic_type_id"),
    sa.Index(None, "rollout_status_id"),
)
flag_tags = sa.Table(
    "flag_tags",
    metadata,
    sa.Column("flag_id", Id, sa.ForeignKey("flags.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("name", Name, primary_key=True),
    sa.Column("project_id", Id, sa.ForeignKey("projects.id", ondelete="CASCADE"), nullable=False),
    sa.Index("ix_flag_tags_project_name", "project_id", "name"),
)
flag_owners = sa.Table(
    "flag_owners",
    metadata,
    sa.Column("flag_id", Id, sa.ForeignKey("flags.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("owner_type", sa.String(10), primary_key=True),  # user, group
    sa.Column("owner_id", Id, primary_key=True, index=True),
)
definitions = sa.Table(
    "definitions",
    metadata,
    id_column(),
    reference("flag_id", "flags"),
    reference("environment_id", "environments"),
    sa.Column("body", sa.JSON, nullable=False),  # as `flags.definition_json.dump` writes it: the Admin API's shape
    sa.Column("killed", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("version", sa.Integer, nullable=False, server_default="1"),
    time_column("created_at"),
    time_column("updated_at"),  # Split: lastUpdateTime
    sa.Column("updated_by", Name, nullable=False),
    sa.Column("flag_set_ids", sa.JSON, nullable=False, server_default="[]"),
    sa.UniqueConstraint("flag_id", "environment_id"),
    sa.Index(None, "environment_id", "killed"),
)
# What each definition refers to, so that it can be found by that: an index of `body` and `flag_set_ids`, written with
# them (`store.flags.dependencies`). By name, as a definition has it: it also means a flag of that name created later.
definition_dependencies = sa.Table(
    "definition_dependencies",
    metadata,
    sa.Column("definition_id", Id, sa.ForeignKey("definitions.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("kind", sa.String(10), primary_key=True),  # flag, segment, flag_set
    sa.Column("target", Name, primary_key=True),  # the name of the flag or segment, the id of the flag set
    sa.Index(None, "target", "kind"),
)
# The last change of each flag in each environment, for applications; it outlives the flag (`store.flags.change_log`).
flag_changes = sa.Table(
    "flag_changes",
    metadata,
    sa.Column("environment_id", Id, sa.ForeignKey("environments.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("flag_id", Id, primary_key=True),
    sa.Column("flag_name", Name, nullable=False),
    sa.Column("traffic_type", Name, nullable=False),
    sa.Column("change_number", sa.BigInteger, nullable=False),
    sa.Index(None, "environment_id", "change_number"),
)
# Traffic ----------------------------------------------------------------------------------------------------------
# No foreign keys: a flag that is deleted while its traffic is written would make a whole batch fail. Rows of deleted
# flags are never read, and are deleted by age like all others. See `store.flags.impressions`.

impression_sums = sa.Table(
    "impression_sums",
    metadata,
    sa.Column("environment_id", Id, primary_key=True),
    sa.Column("flag_id", Id, primary_key=True),
    sa.Column("hour", sa.BigInteger, primary_key=True, autoincrement=False),  # the moment it begins
    sa.Column("treatment", sa.String(100), primary_key=True),  # empty: not known
    sa.Column("count", sa.BigInteger, nullable=False),
    sa.Index(None, "hour"),
)
treatments_served = sa.Table(
    "treatments_served",
    metadata,
    sa.Column("flag_id", Id, primary_key=True),
    sa.Column("environment_id", Id, primary_key=True),
    sa.Column("treatment", sa.String(100), primary_key=True),
    time_column("first_at"),
    time_column("last_at"),
    sa.Index(None, "environment_id", "first_at"),
    sa.Index(None, "last_at"),
)
# Flags whose live tail is open in a browser, and their newest impressions.
watched_flags = sa.Table(
    "watched_flags",
    metadata,
    sa.Column("environment_id", Id, primary_key=True),
    sa.Column("flag_id", Id, primary_key=True),
    time_column("until"),
)
recent_impressions = sa.Table(
    "recent_impressions",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("environment_id", Id, nullable=False),
    sa.Column("flag_id", Id, nullable=False),
    sa.Column("key", Name, nullable=False),
    sa.Column("treatment", sa.String(100), nullable=False),
    sa.Column("label", Name, nullable=False),
    time_column("at"),  # by the application's clock
    time_column("kept_at"),
    sa.Index(None, "environment_id", "flag_id", "id"),
    sa.Index(None, "kept_at"),
)
audit_entries = sa.Table(
    "audit_entries",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    reference("account_id", "accounts"),
    # No foreign keys from here on: the log outlives its objects.
    sa.Column("project_id", Id),
    sa.Column("environment_id", Id),
    sa.Column("object_type", sa.String(30), nullable=False),  # flag, definition, project, environment, user, …
    sa.Column("object_id", Id, nullable=False),  # for a definition: the flag's id
    sa.Column("object_name", Name, nullable=False),
    sa.Column("change", sa.String(40), nullable=False),  # created, updated, killed, restored, connected_issue, …
    sa.Column("actor_type", sa.String(10), nullable=False),  # user, api_key, jira, system
    sa.Column("actor_id", Id, nullable=False),
    sa.Column("actor_name", Name, nullable=False),
    sa.Column("title", sa.Text, nullable=False, server_default=""),
    sa.Column("comment", sa.Text, nullable=False, server_default=""),
    sa.Column("before", sa.JSON),
    sa.Column("after", sa.JSON),
    time_column("at"),
    sa.Index(None, "account_id", "id"),
    sa.Index(None, "project_id", "id"),
    sa.Index(None, "object_id", "id"),
    sa.Index(None, "environment_id", "id"),
)
