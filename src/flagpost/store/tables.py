"""Every table, as SQLAlchemy Core. Times are milliseconds since 1970 (UTC); ids are UUID strings unless said otherwise.

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


def _id() -> sa.Column[str]:
    return sa.Column("id", Id, primary_key=True)


def _ref(column: str, target: str, *, nullable: bool = False, cascade: bool = True) -> sa.Column[str]:
    on_delete = "CASCADE" if cascade else None
    return sa.Column(column, Id, sa.ForeignKey(f"{target}.id", ondelete=on_delete), nullable=nullable)


def _time(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=nullable)


accounts = sa.Table("accounts", metadata, _id(), sa.Column("name", Name, nullable=False), _time("created_at"))

# People -----------------------------------------------------------------------------------------------------------

users = sa.Table(
    "users",
    metadata,
    _id(),
    _ref("account_id", "accounts"),
    sa.Column("email", Name, nullable=False, unique=True),  # kept in lower case
    sa.Column("name", Name, nullable=False),
    sa.Column("role", sa.String(20), nullable=False),  # admin, editor, viewer
    sa.Column("status", sa.String(20), nullable=False),  # PENDING, ACTIVE, DEACTIVATED: Split's words
    sa.Column("password_hash", sa.String(255)),
    _time("created_at"),
    sa.Index(None, "account_id", "name"),
)
groups = sa.Table(
    "groups",
    metadata,
    _id(),
    _ref("account_id", "accounts"),
    sa.Column("name", Name, nullable=False),
    sa.Column("description", sa.Text, nullable=False, server_default=""),
    _time("created_at"),
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
    _ref("user_id", "users"),
    _time("created_at"),
    _time("last_seen_at"),
    _time("expires_at"),
    sa.Column("user_agent", sa.String(255), nullable=False, server_default=""),
    sa.Index(None, "user_id"),
)
one_time_links = sa.Table(
    "one_time_links",
    metadata,
    sa.Column("token_hash", sa.String(64), primary_key=True),
    _ref("account_id", "accounts"),
    sa.Column("purpose", sa.String(20), nullable=False),  # first_admin, invitation, password_reset
    _ref("user_id", "users", nullable=True),
    _time("created_at"),
    _time("expires_at"),
)
api_keys = sa.Table(
    "api_keys",
    metadata,
    _id(),
    _ref("account_id", "accounts"),
    sa.Column("name", Name, nullable=False),
    sa.Column("kind", sa.String(20), nullable=False),  # admin, server_side, client_side, jira
    sa.Column("roles", sa.JSON, nullable=False),  # of the admin kind: Split's API_… names
    _ref("project_id", "projects", nullable=True),  # None: global scope
    sa.Column("environment_ids", sa.JSON, nullable=False),
    sa.Column("secret_hash", sa.String(64), nullable=False, unique=True),
    sa.Column("hint", sa.String(8), nullable=False),  # the last characters, to tell keys apart
    sa.Column("created_by", Name, nullable=False),
    _time("created_at"),
    _time("expires_at", nullable=True),
    _time("revoked_at", nullable=True),
    _time("last_used_at", nullable=True),
    sa.Index(None, "account_id", "name"),
    sa.Index(None, "project_id"),
)

# Projects ---------------------------------------------------------------------------------------------------------

projects = sa.Table(
    "projects",
    metadata,
    _id(),
    _ref("account_id", "accounts"),
    sa.Column("name", Name, nullable=False),
    sa.Column("requires_title_and_comments", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("restricted", sa.Boolean, nullable=False, server_default=sa.false()),
    _time("created_at"),
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
    _id(),
    _ref("project_id", "projects"),
    sa.Column("name", Name, nullable=False),
    sa.Column("production", sa.Boolean, nullable=False),
    sa.Column("jira_type", sa.String(20), nullable=False),
    sa.Column("permissions", sa.JSON, nullable=False),  # Split's changePermissions and dataExportPermissions, as sent
    _time("created_at"),
    sa.UniqueConstraint("project_id", "name"),
)
traffic_types = sa.Table(
    "traffic_types",
    metadata,
    _id(),
    _ref("project_id", "projects"),
    sa.Column("name", Name, nullable=False),
    sa.Column("display_attribute_id", Name),
    _time("created_at"),
    sa.UniqueConstraint("project_id", "name"),
)
rollout_statuses = sa.Table(
    "rollout_statuses",
    metadata,
    _id(),
    _ref("project_id", "projects"),
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
    _id(),
    _ref("project_id", "projects"),
    sa.Column("name", Name, nullable=False),
    _ref("traffic_type_id", "traffic_types", cascade=False),
    sa.Column("description", sa.Text, nullable=False, server_default=""),
    _ref("rollout_status_id", "rollout_statuses", cascade=False),
    _time("rollout_status_at"),
    sa.Column("status", sa.String(10), nullable=False, server_default="active"),
    sa.Column("version", sa.Integer, nullable=False, server_default="1"),  # of the metadata, for concurrent edits
    _time("created_at"),
    _time("updated_at"),
    sa.UniqueConstraint("project_id", "name"),
    sa.Index(None, "project_id", "status", "name"),
    sa.Index(None, "project_id", "status", "updated_at"),
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
    _id(),
    _ref("flag_id", "flags"),
    _ref("environment_id", "environments"),
    sa.Column("body", sa.JSON, nullable=False),  # as `flags.definition_json.dump` writes it: the Admin API's shape
    sa.Column("killed", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("version", sa.Integer, nullable=False, server_default="1"),
    _time("created_at"),
    _time("updated_at"),  # Split: lastUpdateTime
    sa.Column("updated_by", Name, nullable=False),
    sa.UniqueConstraint("flag_id", "environment_id"),
    sa.Index(None, "environment_id", "killed"),
)
audit_entries = sa.Table(
    "audit_entries",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    _ref("account_id", "accounts"),
    # No foreign keys from here on: the log outlives what it speaks of.
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
    _time("at"),
    sa.Index(None, "account_id", "id"),
    sa.Index(None, "object_id", "id"),
    sa.Index(None, "environment_id", "id"),
)

# Jira -------------------------------------------------------------------------------------------------------------

jira_integrations = sa.Table(
    "jira_integrations",
    metadata,
    _id(),
    sa.Column("account_id", Id, sa.ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False, unique=True),
    _ref("key_id", "api_keys", cascade=False),  # the token: an API key of kind `jira`
    sa.Column("expected_site", sa.String(500)),  # the address an admin entered: only that site may connect
    _time("created_at"),
    sa.Column("created_by", Name, nullable=False),
)
jira_integration_projects = sa.Table(
    "jira_integration_projects",
    metadata,
    sa.Column("integration_id", Id, sa.ForeignKey("jira_integrations.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("project_id", Id, sa.ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True, unique=True),
    _ref("environment_id", "environments"),
    sa.Index(None, "environment_id"),
)
jira_installations = sa.Table(
    "jira_installations",
    metadata,
    sa.Column("id", sa.String(255), primary_key=True),  # Atlassian's app.installationId
    sa.Column("cloud_id", sa.String(100), nullable=False, index=True),
    sa.Column("site_url", sa.String(500)),
    sa.Column("api_base_url", sa.String(500), nullable=False),
    sa.Column("system_token", sa.LargeBinary),  # encrypted; see `flagpost.jira.auth`
    _time("system_token_expires_at", nullable=True),
    _time("installed_at"),
    _time("last_seen_at"),
    _time("removed_at", nullable=True),
)
jira_sites = sa.Table(
    "jira_sites",
    metadata,
    _id(),
    sa.Column("account_id", Id, sa.ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False, unique=True),
    sa.Column("cloud_id", sa.String(100), nullable=False, unique=True),
    sa.Column("site_url", sa.String(500), nullable=False),
    sa.Column("installation_id", sa.String(255), nullable=False),
    _time("connected_at"),
    _time("disconnected_at", nullable=True),  # told to stop: the app was uninstalled, or an admin disconnected
    _time("paused_until", nullable=True),
    sa.Column("stopped_reason", sa.Text),  # set by an answer that only a person can mend; cleared by reconnecting
    _time("last_success_at", nullable=True),
    _time("last_error_at", nullable=True),
    sa.Column("last_error", sa.Text),
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),  # in a row, for the back-off
    sa.Column("backfill_total", sa.Integer, nullable=False, server_default="0"),
    _time("backfill_started_at", nullable=True),
    _time("backfill_finished_at", nullable=True),
)
issues = sa.Table(
    "issues",
    metadata,
    _id(),
    _ref("account_id", "accounts"),
    sa.Column("jira_id", sa.String(30)),  # Atlassian's numeric issue id, where known: it survives moves
    sa.Column("key", sa.String(255), nullable=False),  # the current key, upper case
    sa.Column("summary", sa.Text, nullable=False, server_default=""),
    sa.Column("issue_type", Name, nullable=False, server_default=""),
    sa.Column("status", Name, nullable=False, server_default=""),
    sa.Column("status_category", sa.String(30), nullable=False, server_default=""),  # new, indeterminate, done
    sa.Column("assignee", Name, nullable=False, server_default=""),
    sa.Column("state", sa.String(20), nullable=False),  # known, unchecked, missing
    _time("checked_at", nullable=True),
    sa.UniqueConstraint("account_id", "key"),
    sa.UniqueConstraint("account_id", "jira_id"),
)
connections = sa.Table(
    "connections",
    metadata,
    sa.Column("flag_id", Id, sa.ForeignKey("flags.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("issue_id", Id, sa.ForeignKey("issues.id", ondelete="CASCADE"), primary_key=True, index=True),
    _time("created_at"),
    sa.Column("created_by", Name, nullable=False),
)
# One row for each flag that Jira knows, knew or should know: the outbox. `wanted` and `delivered` are sequence ids
# (Atlassian: updateSequenceId). The row outlives its flag, so that a delete is delivered too and no id is used twice.
pushes = sa.Table(
    "pushes",
    metadata,
    sa.Column("flag_id", Id, primary_key=True),
    _ref("account_id", "accounts"),
    sa.Column("project_id", Id, nullable=False),
    sa.Column("flag_name", Name, nullable=False),  # for showing after the flag is gone
    sa.Column("wanted", sa.BigInteger, nullable=False),
    sa.Column("delivered", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("held", sa.Boolean, nullable=False, server_default=sa.false()),  # Jira may hold something for this id
    sa.Column("refused", sa.Text),  # Jira's own words about the version in `delivered`
    sa.Column("trace_id", sa.String(100)),
    _time("wanted_at"),
    _time("delivered_at", nullable=True),
    sa.Index(None, "project_id"),
    sa.Index(
        "ix_pushes_behind",
        "account_id",
        "wanted",
        sqlite_where=sa.text("wanted > delivered"),
        postgresql_where=sa.text("wanted > delivered"),
    ),
    sa.Index(
        "ix_pushes_refused",
        "account_id",
        sqlite_where=sa.text("refused IS NOT NULL"),
        postgresql_where=sa.text("refused IS NOT NULL"),
    ),
)
seen_tokens = sa.Table(
    "seen_tokens",
    metadata,
    sa.Column("id", sa.String(255), primary_key=True),  # the `jti` of an invocation token, so that none is used twice
    sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
)
