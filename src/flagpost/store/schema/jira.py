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
    sa.Column("system_token", sa.LargeBinary),  # encrypted, see `flagpost.jira.secret_box`
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
    sa.Column("installation_id", sa.String(255), nullable=False),  # of the app; empty where auth_method is oauth
    time_column("connected_at"),
    sa.Column("auth_method", sa.String(10), nullable=False, server_default="app"),  # app, oauth
    time_column("disconnected_at", nullable=True),  # the app was uninstalled, or an admin disconnected the site
    time_column("paused_until", nullable=True),
    sa.Column("suspended_reason", sa.Text),  # set by an answer that only a person can fix; reconnecting clears it
    time_column("last_success_at", nullable=True),
    time_column("last_error_at", nullable=True),
    sa.Column("last_error", sa.Text),
    sa.Column("consecutive_failures", sa.Integer, nullable=False, server_default="0"),  # for the back-off
    sa.Column("resync_total", sa.Integer, nullable=False, server_default="0"),
    time_column("resync_started_at", nullable=True),
    time_column("resync_finished_at", nullable=True),
    time_column("resync_requested_at", nullable=True),  # the next delivery begins with a resync of the whole site
    time_column("quota_resets_at", nullable=True),  # Jira's hourly quota is used up: no request at all before then
    sa.Column("moved_to", sa.String(500)),  # where the site's address redirects now; a person has to confirm it
)
jira_credentials = sa.Table(
    "jira_credentials",
    metadata,
    id_column(),
    sa.Column("account_id", Id, sa.ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False, unique=True),
    sa.Column("site_url", sa.String(500), nullable=False),
    sa.Column("cloud_id", sa.String(100), nullable=False),
    sa.Column("client_id", Name, nullable=False),
    sa.Column("client_secret", sa.LargeBinary, nullable=False),  # encrypted, see `flagpost.jira.secret_box`
    sa.Column("delete_refusal", sa.Text),  # Jira's message when it refused to delete with these credentials
    sa.Column("api_email", Name),  # of the API token that looks issues up; optional
    sa.Column("api_token", sa.LargeBinary),  # encrypted
    sa.Column("api_base_url", sa.String(500)),  # where that token works: the site's address, or Atlassian's API
    sa.Column("api_refusal", sa.Text),  # Jira's message when it refused the API token
    sa.Column("webhook_secret", sa.LargeBinary),  # encrypted; signs the calls of the site's webhook
    time_column("webhook_seen_at", nullable=True),
    time_column("webhook_refused_at", nullable=True),  # a call arrived that was not signed with the secret
    time_column("created_at"),
    sa.Column("created_by", Name, nullable=False),
)
# Which Atlassian account acts as which user. Both confirmed it once, by being signed in on both sides.
jira_account_links = sa.Table(
    "jira_account_links",
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
    sa.Column("event_count", sa.Integer, nullable=False, server_default="0"),  # raised by every event about it
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
# The outbox: one row for each flag that Jira shows, showed or should show. Both versions are sequence ids (Atlassian:
# updateSequenceId). The row outlives its flag, so that a delete is delivered too and no version is used twice.
outbox_entries = sa.Table(
    "outbox_entries",
    metadata,
    sa.Column("flag_id", Id, primary_key=True),
    reference("account_id", "accounts"),
    sa.Column("project_id", Id, nullable=False),
    sa.Column("flag_name", Name, nullable=False),  # shown after the flag was deleted
    sa.Column("latest_version", sa.BigInteger, nullable=False),  # raised with every change of the flag
    sa.Column("delivered_version", sa.BigInteger, nullable=False, server_default="0"),  # the last one Jira answered for
    sa.Column("may_exist_remotely", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("refusal", sa.Text),  # Jira's message where it refused the delivered version, or fails at the latest
    sa.Column("trace_id", sa.String(100)),
    time_column("pending_since"),
    time_column("delivered_at", nullable=True),
    sa.Index(None, "project_id"),
    sa.Column("sent_issues", sa.JSON),  # the issues that the last version was sent with: numeric ids or keys
    time_column("deferred_until", nullable=True),  # Jira failed at this version: the other flags go first
    sa.Column("failed_attempts", sa.Integer, nullable=False, server_default="0"),  # deferrals of this version so far
    # The resync that this row belongs to until the version it asked for is delivered. `resync_only`: Jira shows
    # the flag as it is, and the row is pending for the resync alone. See `flagpost.store.jira.resyncs`.
    sa.Column("resync_id", Id),
    sa.Column("resync_version", sa.BigInteger),
    sa.Column("resync_only", sa.Boolean, nullable=False, server_default=sa.false()),
    time_column("deleted_at", nullable=True),  # when Jira was last asked to delete it
    time_column("compare_at", nullable=True),  # when to compare it with Jira. See `flagpost.jira.reconciliation`
    sa.Index(None, "flag_name", "account_id"),  # not the other way round: it would be taken in place of those below
    sa.Index(
        "ix_outbox_entries_resync",
        "resync_id",
        sqlite_where=sa.text("resync_id IS NOT NULL"),
        postgresql_where=sa.text("resync_id IS NOT NULL"),
    ),
    sa.Index(
        "ix_outbox_entries_compare",
        "compare_at",
        sqlite_where=sa.text("compare_at IS NOT NULL"),
        postgresql_where=sa.text("compare_at IS NOT NULL"),
    ),
    sa.Index(
        "ix_outbox_entries_pending",
        "account_id",
        "latest_version",
        "project_id",
        sqlite_where=sa.text("latest_version > delivered_version"),
        postgresql_where=sa.text("latest_version > delivered_version"),
    ),
    sa.Index(
        "ix_outbox_entries_refused",
        "account_id",
        sqlite_where=sa.text("refusal IS NOT NULL"),
        postgresql_where=sa.text("refusal IS NOT NULL"),
    ),
)
# Which request raised which version of an outbox entry. Delivering a version removes the rows up to it.
outbox_requests = sa.Table(
    "outbox_requests",
    metadata,
    sa.Column("flag_id", Id, sa.ForeignKey("outbox_entries.flag_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("version", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("request_id", sa.String(64), nullable=False),  # the value of `request` in the log
)
used_invocation_tokens = sa.Table(
    "used_invocation_tokens",
    metadata,
    sa.Column("id", sa.String(255), primary_key=True),  # the `jti` of an invocation token: none is accepted twice
    sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
)
# Requests to remove all flags of a project, or of the account, from Jira, and what the comparison afterwards showed.
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
    sa.Column("sample", sa.JSON, nullable=False),  # ids of flags that Jira showed before; these are compared
    time_column("swept_at", nullable=True),  # when deletion by properties was tried
    sa.Column("outcome", sa.String(20)),  # None while it runs; gone, unproven, left
    sa.Column("message", sa.Text, nullable=False, server_default=""),
    time_column("finished_at", nullable=True),
    sa.Index(None, "account_id", "requested_at"),
)
# Each request to send a site, a project or a flag again. What is left of it are the outbox entries that name it.
resyncs = sa.Table(
    "resyncs",
    metadata,
    id_column(),
    reference("account_id", "accounts"),
    sa.Column("scope", sa.String(10), nullable=False),  # site, project, flag
    sa.Column("project_id", Id),  # no foreign keys: it outlives what it covered
    sa.Column("flag_id", Id),
    sa.Column("name", Name, nullable=False),
    time_column("requested_at"),
    sa.Column("requested_by", Name, nullable=False),
    sa.Column("request_id", sa.String(64), nullable=False),  # what its outbox entries name as their cause
    sa.Column("total", sa.Integer, nullable=False, server_default="0"),
    time_column("started_at", nullable=True),  # when its entries were raised
    sa.Column("outcome", sa.String(20)),  # None while it runs; finished, cancelled, replaced
    time_column("ended_at", nullable=True),
    sa.Column("ended_by", Name),
    sa.Index(None, "account_id", "requested_at"),
    sa.Index(
        "ix_resyncs_open",
        "account_id",
        sqlite_where=sa.text("outcome IS NULL"),
        postgresql_where=sa.text("outcome IS NULL"),
    ),
)
# Every delivery of a flag to Jira, and Jira's answer. Kept for a set time.
delivery_log = sa.Table(
    "delivery_log",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    reference("account_id", "accounts"),
    sa.Column("flag_id", Id, nullable=False),  # no foreign keys from here on: the log outlives what it names
    sa.Column("project_id", Id, nullable=False),
    sa.Column("flag_name", Name, nullable=False),
    time_column("at"),
    sa.Column("version", sa.BigInteger, nullable=False),  # Atlassian: updateSequenceId
    sa.Column("action", sa.String(10), nullable=False),  # sent, deleted, tombstone
    sa.Column("outcome", sa.String(10), nullable=False),  # accepted, refused
    sa.Column("enabled", sa.Boolean),  # None for a delete, as the next two
    sa.Column("default_value", Name),
    sa.Column("rollout", Name),  # as a sentence
    sa.Column("issues", sa.Integer, nullable=False, server_default="0"),
    sa.Column("message", sa.Text, nullable=False, server_default=""),  # Jira's, where it refused
    sa.Column("trace_id", sa.String(100)),
    sa.Column("delay_ms", sa.BigInteger, nullable=False),
    sa.Index(None, "account_id", "at", "id"),
    sa.Index(None, "flag_id", "at", "id"),
    sa.Index(
        "ix_delivery_log_refused",
        "account_id",
        "at",
        "id",
        sqlite_where=sa.text("outcome = 'refused'"),
        postgresql_where=sa.text("outcome = 'refused'"),
    ),
)
# The delivery log as sums of an hour, kept for longer.
delivery_hours = sa.Table(
    "delivery_hours",
    metadata,
    sa.Column("account_id", Id, sa.ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("hour", sa.BigInteger, primary_key=True, autoincrement=False),  # when it began
    sa.Column("accepted", sa.Integer, nullable=False),
    sa.Column("refused", sa.Integer, nullable=False),
    sa.Column("total_delay_ms", sa.BigInteger, nullable=False),
    sa.Column("longest_delay_ms", sa.BigInteger, nullable=False),
)
# Runs that read flags back from Jira and compare them with what was sent.
reconciliations = sa.Table(
    "reconciliations",
    metadata,
    id_column(),
    reference("account_id", "accounts"),
    sa.Column("kind", sa.String(10), nullable=False),  # nightly, asked, flag, later
    sa.Column("flag_id", Id),
    sa.Column("name", Name, nullable=False),
    time_column("requested_at"),
    sa.Column("requested_by", Name, nullable=False),
    time_column("started_at", nullable=True),
    sa.Column("start_after", Id, nullable=False, server_default=""),  # the flag id that it began after
    sa.Column("position", Id, nullable=False, server_default=""),  # the last flag id that it has read
    sa.Column("wrapped_around", sa.Boolean, nullable=False, server_default=sa.false()),  # past the last, to the first
    sa.Column("total", sa.Integer, nullable=False, server_default="0"),
    sa.Column("read", sa.Integer, nullable=False, server_default="0"),
    sa.Column("found", sa.Integer, nullable=False, server_default="0"),  # of those read, the ones that Jira held
    sa.Column("skipped", sa.Integer, nullable=False, server_default="0"),  # a change was pending, or Jira refused it
    sa.Column("postponed", sa.Integer, nullable=False, server_default="0"),  # differed, but were sent just before
    sa.Column("differed", sa.Integer, nullable=False, server_default="0"),
    sa.Column("repaired", sa.Integer, nullable=False, server_default="0"),
    time_column("resume_at", nullable=True),
    sa.Column("outcome", sa.String(20)),  # None while it runs; done, budget, unreadable, gone
    sa.Column("message", sa.Text, nullable=False, server_default=""),
    time_column("finished_at", nullable=True),
    sa.Index(None, "account_id", "requested_at"),
    sa.Index(None, "kind", "requested_at"),
    sa.Index(
        "ix_reconciliations_open",
        "account_id",
        sqlite_where=sa.text("outcome IS NULL"),
        postgresql_where=sa.text("outcome IS NULL"),
    ),
)
reconciliation_findings = sa.Table(
    "reconciliation_findings",
    metadata,
    id_column(),
    reference("reconciliation_id", "reconciliations"),
    sa.Column("flag_id", Id, nullable=False),
    sa.Column("project_id", Id, nullable=False),
    sa.Column("flag_name", Name, nullable=False),
    time_column("at"),
    sa.Column("kind", sa.String(20), nullable=False),  # missing, other, older, newer, still_there
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("repaired", sa.Boolean, nullable=False),
    sa.Index(None, "reconciliation_id", "at"),
    sa.Index(None, "flag_id", "at"),
)
