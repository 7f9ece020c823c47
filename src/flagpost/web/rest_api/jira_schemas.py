"""The bodies of the REST API for credentials, removals, the check of the integration and the dry run."""

from typing import Any

from pydantic import BaseModel, Field

from flagpost.actions.context import Context
from flagpost.actions.jira.credentials import webhook_url
from flagpost.actions.jira.diagnostics import Finding
from flagpost.store.jira.credentials import Credentials
from flagpost.store.jira.removals import Removal
from flagpost.web.rest_api.bodies import Body


class NewCredentials(Body):
    """OAuth credentials that an admin of the site made in Jira, with the permission *Feature flags*."""

    site: str = Field(max_length=500)
    client_id: str = Field(max_length=500)
    client_secret: str = Field(max_length=500)


class NewApiToken(Body):
    """The email address and an API token of the Atlassian account that issues are looked up with."""

    email: str = Field(max_length=500)
    token: str = Field(max_length=500)


class ShownCredentials(BaseModel):
    """OAuth credentials without their secrets. `delete_refused`, `api_refused`: Jira's refusal, where there is one."""

    site: str
    client_id: str
    delete_refused: str | None
    api_email: str | None
    api_refused: str | None
    webhook: str | None
    webhook_seen_at: int | None
    webhook_refused_at: int | None


class NewWebhook(BaseModel):
    """What to enter in Jira; the secret is shown once."""

    url: str
    secret: str


class ShownRemoval(BaseModel):
    """A removal of flags from Jira. `outcome`: gone, unproven or left; null while it runs."""

    name: str
    project: str | None
    flags: int
    requested_at: int
    requested_by: str
    outcome: str | None
    words: str
    finished_at: int | None


class ShownFinding(BaseModel):
    """One result of the check. `verdict`: good, bad or advice; `to_do` is empty where nothing needs doing."""

    verdict: str
    text: str
    to_do: str


class Findings(BaseModel):
    """The results of the check. `ok`: none of them is bad."""

    ok: bool
    findings: list[ShownFinding]


class ShownPreview(BaseModel):
    """The request that Flagpost would send to Jira; null where there is none. `why` says why."""

    why: str
    method: str | None
    url: str | None
    body: dict[str, Any] | None


def shown_credentials(ctx: Context, given: Credentials) -> ShownCredentials:
    """Credentials as the API shows them."""
    return ShownCredentials(
        site=given.site_url,
        client_id=given.client_id,
        delete_refused=given.delete_refusal,
        api_email=given.api_email,
        api_refused=given.api_refusal,
        webhook=webhook_url(ctx, given) if given.webhook_secret else None,
        webhook_seen_at=given.webhook_seen_at,
        webhook_refused_at=given.webhook_refused_at,
    )


def shown_removal(one: Removal) -> ShownRemoval:
    """A removal as the API shows it."""
    return ShownRemoval(
        name=one.name,
        project=one.project_id,
        flags=one.flags,
        requested_at=one.requested_at,
        requested_by=one.requested_by,
        outcome=one.outcome,
        words=one.message,
        finished_at=one.finished_at,
    )


def shown_findings(found: list[Finding]) -> Findings:
    """Findings as the API shows them."""
    shown = [ShownFinding(verdict=one.verdict.value, text=one.text, to_do=one.to_do) for one in found]
    return Findings(ok=all(one.verdict != "bad" for one in shown), findings=shown)
