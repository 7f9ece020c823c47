"""The tables about Jira, as SQLAlchemy Core. See `flagpost.store.schema.core` for how they are written."""

import sqlalchemy as sa

from flagpost.store.schema.core import Id, Name, id_column, metadata, reference, time_column

__all__ = ["metadata"]

jira_integrations = sa.Table(
    "jira_integrations",
    metadata,
    id_column(),
    sa.Column("account_id", Id, sa.ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False, unique=True),
    reference("key_id", "api_keys", cascade=False),  # the token: an API key of kind `jira`
    sa.Column("expected_site", sa.String(500)),  # the address an admin entered: only that site may connect
    time_column("created_at"),
    sa.Column("created_by", Name, nullable=False),
)
jira_integration_projects = sa.Table(
    "jira_integration_projects",
    metadata,
    sa.Column("integration_id", Id, sa.ForeignKey("jira_integrations.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("project_id", Id, sa.ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True, unique=True),
    reference("environment_id", "environments"),
    sa.Index(None, "environment_id"),
)
jira_installations = sa.Table(
    "jira_installations",
    metadata,
    sa.Column("id", sa.String(255), primary_key=True),  # Atlassian's app.installationId
    sa.Column("cloud_id", sa.String(100), nullable=False, index=True),
    sa.Column("site_url", sa.String(500)),
    sa.Column("api_base_url", sa.String(500), nullable=False),
    sa.Column("system_token", sa.LargeBinary),  # encrypted; see `flagpost.jira.secret_box`
    time_column("system_token_expires_at", nullable=True),
    time_column("installed_at"),
    time_column("last_seen_at"),
    time_column("removed_at", nullable=True),
)
jira_sites = sa.Table(
    "jira_sites",
    metadata,
    id_column(),
    sa.Column("account_id", Id, sa.ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False, unique=True),
    sa.Column("cloud_id", sa.String(100), nullable=False, unique=True),
    sa.Column("site_url", sa.String(500), nullable=False),
    sa.Column("installation_id", sa.String(255), nullable=False),  # of the app; empty where the way is oauth
    time_column("connected_at"),
    sa.Column("way", sa.String(10), nullable=False, server_default="app"),  # app, oauth: how requests are authorised
    time_column("disconnected_at", nullable=True),  # told to stop: the app was uninstalled, or an admin disconnected
    time_column("paused_until", nullable=True),
    sa.Column("stopped_reason", sa.Text),  # set by an answer that only a person can mend; cleared by reconnecting
    time_column("last_success_at", nullable=True),
    time_column("last_error_at", nullable=True),
    sa.Column("last_error", sa.Text),
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),  # in a row, for the back-off
    sa.Column("backfill_total", sa.Integer, nullable=False, server_default="0"),
    time_column("backfill_started_at", nullable=True),
    time_column("backfill_finished_at", nullable=True),
    time_column("resend_wanted_at", nullable=True),  # the next delivery begins with sending everything again
    time_column("quiet_until", nullable=True),  # a quota of Jira's is used up: nothing at all is asked until then
    sa.Column("moved_to", sa.String(500)),  # where the site's address leads now; a person has to confirm it
)
jira_credentials = sa.Table(
    "jira_credentials",
    metadata,
    id_column(),
    sa.Column("account_id", Id, sa.ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False, unique=True),
    sa.Column("site_url", sa.String(500), nullable=False),
    sa.Column("cloud_id", sa.String(100), nullable=False),
    sa.Column("client_id", Name, nullable=False),
    sa.Column("client_secret", sa.LargeBinary, nullable=False),  # encrypted; see `flagpost.jira.secret_box`
    sa.Column("delete_refused", sa.Text),  # what Jira said when it would not delete through these credentials
    sa.Column("api_email", Name),  # of the API token that looks issues up; optional
    sa.Column("api_token", sa.LargeBinary),  # encrypted
    sa.Column("api_base_url", sa.String(500)),  # where that token works: the site's address, or Atlassian's API
    sa.Column("api_refused", sa.Text),  # what Jira said when it refused the API token
    sa.Column("webhook_secret", sa.LargeBinary),  # encrypted; signs what the site's webhook sends
    time_column("webhook_seen_at", nullable=True),
    time_column("webhook_refused_at", nullable=True),  # a call came that was not signed with the secret
    time_column("created_at"),
    sa.Column("created_by", Name, nullable=False),
)
# Which person of Jira is which person of Flagpost: confirmed once, by both of them being signed in.
jira_people = sa.Table(
    "jira_people",
    metadata,
    sa.Column("account_id", Id, sa.ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("atlassian_id", sa.String(255), primary_key=True),  # Atlassian's accountId
    sa.Column("user_id", Id, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    time_column("linked_at"),
)
issues = sa.Table(
    "issues",
    metadata,
    id_column(),
    reference("account_id", "accounts"),
    sa.Column("jira_id", sa.String(30)),  # Atlassian's numeric issue id, where known: it survives moves
    sa.Column("key", sa.String(255), nullable=False),  # the current key, upper case
    sa.Column("summary", sa.Text, nullable=False, server_default=""),
    sa.Column("issue_type", Name, nullable=False, server_default=""),
    sa.Column("status", Name, nullable=False, server_default=""),
    sa.Column("status_category", sa.String(30), nullable=False, server_default=""),  # new, indeterminate, done
    sa.Column("assignee", Name, nullable=False, server_default=""),
    sa.Column("state", sa.String(20), nullable=False),  # known, unchecked, hidden, missing, deleted
    time_column("checked_at", nullable=True),
    sa.Column("jira_project_id", sa.String(30)),  # Atlassian's numeric project id: it survives a new project key
    sa.Column("due_at", sa.BigInteger, nullable=False, server_default="0"),  # when to look it up again; 0: at once
    sa.Column("marks", sa.Integer, nullable=False, server_default="0"),  # raised by whatever Jira tells of it
    sa.Index(None, "account_id", "due_at"),
    sa.Index(None, "account_id", "jira_project_id"),
    sa.UniqueConstraint("account_id", "key"),
    sa.UniqueConstraint("account_id", "jira_id"),
)
connections = sa.Table(
    "connections",
    metadata,
    sa.Column("flag_id", Id, sa.ForeignKey("flags.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("issue_id", Id, sa.ForeignKey("issues.id", ondelete="CASCADE"), primary_key=True, index=True),
    time_column("created_at"),
    sa.Column("created_by", Name, nullable=False),
)
# One row for each flag that Jira knows, knew or should know: the outbox. `wanted` and `delivered` are sequence ids
# (Atlassian: updateSequenceId). The row outlives its flag, so that a delete is delivered too and no id is used twice.
outbox_entries = sa.Table(
    "pushes",
    metadata,
    sa.Column("flag_id", Id, primary_key=True),
    reference("account_id", "accounts"),
    sa.Column("project_id", Id, nullable=False),
    sa.Column("flag_name", Name, nullable=False),  # for showing after the flag is gone
    sa.Column("wanted", sa.BigInteger, nullable=False),
    sa.Column("delivered", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("held", sa.Boolean, nullable=False, server_default=sa.false()),  # Jira may hold something for this id
    sa.Column("refused", sa.Text),  # Jira's own words about the version in `delivered`
    sa.Column("trace_id", sa.String(100)),
    time_column("wanted_at"),
    time_column("delivered_at", nullable=True),
    sa.Index(None, "project_id"),
    sa.Column("told_issues", sa.JSON),  # the issues of the last version that was sent: numeric ids or keys
    time_column("put_off_until", nullable=True),  # Jira failed at this one flag: the others go first
    # The back-fill that this row belongs to until the version it asked for is delivered; `resend_only`: Jira has
    # everything but for that back-fill, so that it can be cancelled. See `flagpost.store.jira.resyncs`.
    sa.Column("resend_id", Id),
    sa.Column("resend_version", sa.BigInteger),
    sa.Column("resend_only", sa.Boolean, nullable=False, server_default=sa.false()),
    time_column("deleted_at", nullable=True),  # when Jira was last asked to delete it
    time_column("read_back_at", nullable=True),  # when to look what Jira holds. See `flagpost.jira.reconciliation`
    sa.Index(None, "flag_name", "account_id"),  # not the other way round: it would be taken in place of those below
    sa.Index(
        "ix_pushes_resent",
        "resend_id",
        sqlite_where=sa.text("resend_id IS NOT NULL"),
        postgresql_where=sa.text("resend_id IS NOT NULL"),
    ),
    sa.Index(
        "ix_pushes_read_back",
        "read_back_at",
        sqlite_where=sa.text("read_back_at IS NOT NULL"),
        postgresql_where=sa.text("read_back_at IS NOT NULL"),
    ),
    sa.Column("wanted_by", sa.Text),  # ids of the requests whose changes are waiting, as the log has them
    sa.Index(
        "ix_pushes_waiting",
        "account_id",
        "wanted",
        "project_id",
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
# What Jira was asked to forget as a whole, and what reading back afterwards showed.
jira_removals = sa.Table(
    "jira_removals",
    metadata,
    id_column(),
    reference("account_id", "accounts"),
    sa.Column("project_id", Id),  # None: everything of the account. No foreign key: it outlives the project
    sa.Column("name", Name, nullable=False),
    time_column("requested_at"),
    sa.Column("requested_by", Name, nullable=False),
    sa.Column("flags", sa.Integer, nullable=False),  # how many Jira may have held
    sa.Column("sample", sa.JSON, nullable=False),  # ids of flags that Jira showed before, and that are read back
    time_column("swept_at", nullable=True),  # deletion by properties was tried
    sa.Column("outcome", sa.String(20)),  # None until it is over; gone, unproven, left
    sa.Column("words", sa.Text, nullable=False, server_default=""),
    time_column("finished_at", nullable=True),
    sa.Index(None, "account_id", "requested_at"),
)
# Each time that a site, a project or a flag was sent again. What is left of it are the `outbox_entries` that name it.
jira_backfills = sa.Table(
    "jira_backfills",
    metadata,
    id_column(),
    reference("account_id", "accounts"),
    sa.Column("scope", sa.String(10), nullable=False),  # site, project, flag
    sa.Column("project_id", Id),  # no foreign keys: it outlives what it covered
    sa.Column("flag_id", Id),
    sa.Column("name", Name, nullable=False),
    time_column("requested_at"),
    sa.Column("requested_by", Name, nullable=False),
    sa.Column("total", sa.Integer, nullable=False, server_default="0"),
    time_column("started_at", nullable=True),  # when its rows were raised
    sa.Column("outcome", sa.String(20)),  # None until it is over; finished, cancelled, replaced
    time_column("ended_at", nullable=True),
    sa.Column("ended_by", Name),
    sa.Index(None, "account_id", "requested_at"),
    sa.Index(
        "ix_jira_backfills_open",
        "account_id",
        sqlite_where=sa.text("outcome IS NULL"),
        postgresql_where=sa.text("outcome IS NULL"),
    ),
)
# What Jira was told of a flag, each time, and what it answered. Kept for a set time.
push_log = sa.Table(
    "push_log",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    reference("account_id", "accounts"),
    sa.Column("flag_id", Id, nullable=False),  # no foreign keys from here on: the log outlives what it speaks of
    sa.Column("project_id", Id, nullable=False),
    sa.Column("flag_name", Name, nullable=False),
    time_column("at"),
    sa.Column("sequence", sa.BigInteger, nullable=False),  # Atlassian: updateSequenceId
    sa.Column("what", sa.String(10), nullable=False),  # sent, deleted, farewell
    sa.Column("outcome", sa.String(10), nullable=False),  # accepted, refused
    sa.Column("enabled", sa.Boolean),  # None for a delete, as the next two
    sa.Column("default_value", Name),
    sa.Column("rollout", Name),  # in words
    sa.Column("issues", sa.Integer, nullable=False, server_default="0"),
    sa.Column("words", sa.Text, nullable=False, server_default=""),  # Jira's, where it refused
    sa.Column("trace_id", sa.String(100)),
    sa.Column("waited_ms", sa.BigInteger, nullable=False),
    sa.Index(None, "account_id", "at", "id"),
    sa.Index(None, "flag_id", "at", "id"),
    sa.Index(
        "ix_push_log_refused",
        "account_id",
        "at",
        "id",
        sqlite_where=sa.text("outcome = 'refused'"),
        postgresql_where=sa.text("outcome = 'refused'"),
    ),
)
# The same as sums of an hour, kept for longer.
push_hours = sa.Table(
    "push_hours",
    metadata,
    sa.Column("account_id", Id, sa.ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("hour", sa.BigInteger, primary_key=True, autoincrement=False),  # its beginning
    sa.Column("accepted", sa.Integer, nullable=False),
    sa.Column("refused", sa.Integer, nullable=False),
    sa.Column("waited_ms", sa.BigInteger, nullable=False),  # of all of them together
    sa.Column("longest_ms", sa.BigInteger, nullable=False),
)
# Reading flags back from Jira, to see that it shows what it was told.
jira_drift_checks = sa.Table(
    "jira_drift_checks",
    metadata,
    id_column(),
    reference("account_id", "accounts"),
    sa.Column("kind", sa.String(10), nullable=False),  # nightly, asked, flag, later
    sa.Column("flag_id", Id),
    sa.Column("name", Name, nullable=False),
    time_column("requested_at"),
    sa.Column("requested_by", Name, nullable=False),
    time_column("started_at", nullable=True),
    sa.Column("first", Id, nullable=False, server_default=""),  # it began behind this flag
    sa.Column("position", Id, nullable=False, server_default=""),  # and has come to this one
    sa.Column("went_round", sa.Boolean, nullable=False, server_default=sa.false()),  # past the last, to the first
    sa.Column("total", sa.Integer, nullable=False, server_default="0"),
    sa.Column("read", sa.Integer, nullable=False, server_default="0"),
    sa.Column(
        "shown", sa.Integer, nullable=False, server_default="0"
    ),  # of those, the ones that Jira had something for
    sa.Column("waiting", sa.Integer, nullable=False, server_default="0"),  # left out: Jira has yet to hear of a change
    sa.Column("later", sa.Integer, nullable=False, server_default="0"),  # differed, but were told just before
    sa.Column("differed", sa.Integer, nullable=False, server_default="0"),
    sa.Column("repaired", sa.Integer, nullable=False, server_default="0"),
    time_column("rest_until", nullable=True),
    sa.Column("outcome", sa.String(20)),  # None until it is over; done, budget, unreadable, gone
    sa.Column("words", sa.Text, nullable=False, server_default=""),
    time_column("finished_at", nullable=True),
    sa.Index(None, "account_id", "requested_at"),
    sa.Index(None, "kind", "requested_at"),
    sa.Index(
        "ix_jira_drift_checks_open",
        "account_id",
        sqlite_where=sa.text("outcome IS NULL"),
        postgresql_where=sa.text("outcome IS NULL"),
    ),
)
jira_drift_findings = sa.Table(
    "jira_drift_findings",
    metadata,
    id_column(),
    reference("check_id", "jira_drift_checks"),
    sa.Column("flag_id", Id, nullable=False),
    sa.Column("project_id", Id, nullable=False),
    sa.Column("flag_name", Name, nullable=False),
    time_column("at"),
    sa.Column("kind", sa.String(20), nullable=False),  # missing, other, older, newer, still_there
    sa.Column("words", sa.Text, nullable=False),
    sa.Column("repaired", sa.Boolean, nullable=False),
    sa.Index(None, "check_id", "at"),
    sa.Index(None, "flag_id", "at"),
)
