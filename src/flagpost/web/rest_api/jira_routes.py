"""The REST API's routes for the connection to Jira: OAuth credentials, the check, a moved site, the dry run."""

from fastapi import APIRouter

from flagpost.actions.jira import credentials, diagnostics, integration, payload_preview
from flagpost.actions.jira.status import get_integration
from flagpost.web.guard import KeyHolder
from flagpost.web.rest_api import jira_schemas, schemas
from flagpost.web.state import Ctx

router = APIRouter()
_CREDENTIALS = "/jira/integration/credentials"


@router.put(_CREDENTIALS)
def connect(ctx: Ctx, actor: KeyHolder, body: jira_schemas.NewCredentials) -> jira_schemas.ShownCredentials:
    """Connect the site with OAuth credentials, without an app; or replace them. Flagpost tries them at once."""
    saved = credentials.connect_with_credentials(ctx, actor, **body.model_dump())
    return jira_schemas.shown_credentials(ctx, saved)


@router.put(_CREDENTIALS + "/api-token")
def set_api_token(ctx: Ctx, actor: KeyHolder, body: jira_schemas.NewApiToken) -> jira_schemas.ShownCredentials:
    """Look issues up with an API token. Flagpost tries it at once."""
    saved = credentials.set_api_token(ctx, actor, email=body.email, token=body.token)
    return jira_schemas.shown_credentials(ctx, saved)


@router.delete(_CREDENTIALS + "/api-token")
def remove_api_token(ctx: Ctx, actor: KeyHolder) -> jira_schemas.ShownCredentials:
    """Remove the API token: issues are no longer looked up."""
    return jira_schemas.shown_credentials(ctx, credentials.remove_api_token(ctx, actor))


@router.post(_CREDENTIALS + "/webhook", status_code=201)
def new_webhook(ctx: Ctx, actor: KeyHolder) -> jira_schemas.NewWebhook:
    """An address and a new secret for a webhook in Jira. The secret is shown once."""
    made = credentials.new_webhook(ctx, actor)
    return jira_schemas.NewWebhook(url=made.url, secret=made.secret)


@router.delete(_CREDENTIALS + "/webhook")
def remove_webhook(ctx: Ctx, actor: KeyHolder) -> jira_schemas.ShownCredentials:
    """Remove the webhook: its calls are refused from now on."""
    return jira_schemas.shown_credentials(ctx, credentials.remove_webhook(ctx, actor))


@router.post("/jira/integration/check")
def check_integration(ctx: Ctx, actor: KeyHolder) -> jira_schemas.Findings:
    """Check everything between Flagpost and Jira: what is wrong, and what to do."""
    return jira_schemas.shown_findings(diagnostics.check_integration(ctx, actor))


@router.post("/jira/integration/address")
def confirm_address(ctx: Ctx, actor: KeyHolder) -> schemas.Integration:
    """Use the address that the site has moved to (`moved_to`), once it proves to be the same site."""
    return schemas.shown_integration(ctx, integration.confirm_address(ctx, actor))


@router.post("/jira/integration/forget")
def forget(ctx: Ctx, actor: KeyHolder) -> schemas.Integration:
    """Forget the site of a removed integration before Jira has deleted every flag."""
    integration.forget_site(ctx, actor)
    return schemas.shown_integration(ctx, get_integration(ctx, actor))


@router.get("/projects/{project}/flags/{flag}/jira-preview")
def preview(ctx: Ctx, actor: KeyHolder, project: str, flag: str) -> jira_schemas.ShownPreview:
    """Exactly what Jira would be sent of the flag now. Nothing is sent."""
    found = payload_preview.preview(ctx, actor, project, flag)
    return jira_schemas.ShownPreview(why=found.why, method=found.method, url=found.url, body=found.body)
