"""The REST API's routes for the way to Jira: OAuth credentials, the check, a moved site, the dry run."""

from fastapi import APIRouter

from flagpost.actions import check, credentials, integration, jira_preview
from flagpost.actions.integration_state import get_integration
from flagpost.web.api_v1 import jira_shapes, shapes
from flagpost.web.guard import KeyHolder
from flagpost.web.state import Ctx

router = APIRouter()
_CREDENTIALS = "/jira/integration/credentials"


@router.put(_CREDENTIALS)
def connect(ctx: Ctx, actor: KeyHolder, body: jira_shapes.NewCredentials) -> jira_shapes.ShownCredentials:
    """Connect the site with OAuth credentials, without an app; or enter newer ones. They are tried at once."""
    saved = credentials.connect_with_credentials(ctx, actor, **body.model_dump())
    return jira_shapes.shown_credentials(ctx, saved)


@router.put(_CREDENTIALS + "/api-token")
def set_api_token(ctx: Ctx, actor: KeyHolder, body: jira_shapes.NewApiToken) -> jira_shapes.ShownCredentials:
    """Look issues up with an API token. It is tried at once."""
    saved = credentials.set_api_token(ctx, actor, email=body.email, token=body.token)
    return jira_shapes.shown_credentials(ctx, saved)


@router.delete(_CREDENTIALS + "/api-token")
def remove_api_token(ctx: Ctx, actor: KeyHolder) -> jira_shapes.ShownCredentials:
    """Look issues up no more."""
    return jira_shapes.shown_credentials(ctx, credentials.remove_api_token(ctx, actor))


@router.post(_CREDENTIALS + "/webhook", status_code=201)
def new_webhook(ctx: Ctx, actor: KeyHolder) -> jira_shapes.NewWebhook:
    """An address and a new secret for a webhook in Jira. The secret is shown this once."""
    made = credentials.new_webhook(ctx, actor)
    return jira_shapes.NewWebhook(url=made.url, secret=made.secret)


@router.delete(_CREDENTIALS + "/webhook")
def remove_webhook(ctx: Ctx, actor: KeyHolder) -> jira_shapes.ShownCredentials:
    """Accept no call of the webhook any more."""
    return jira_shapes.shown_credentials(ctx, credentials.remove_webhook(ctx, actor))


@router.post("/jira/integration/check")
def check_integration(ctx: Ctx, actor: KeyHolder) -> jira_shapes.Findings:
    """Look at everything between Flagpost and Jira, and say what is wrong and what to do."""
    return jira_shapes.shown_findings(check.check_integration(ctx, actor))


@router.post("/jira/integration/address")
def confirm_address(ctx: Ctx, actor: KeyHolder) -> shapes.Integration:
    """Use the address that the site has moved to (`moved_to`), once it proves to be the same site."""
    return shapes.shown_integration(ctx, integration.confirm_address(ctx, actor))


@router.post("/jira/integration/forget")
def forget(ctx: Ctx, actor: KeyHolder) -> shapes.Integration:
    """Of an integration that was removed: forget the site before Jira has forgotten every flag."""
    integration.forget_site(ctx, actor)
    return shapes.shown_integration(ctx, get_integration(ctx, actor))


@router.get("/projects/{project}/flags/{flag}/jira-preview")
def preview(ctx: Ctx, actor: KeyHolder, project: str, flag: str) -> jira_shapes.ShownPreview:
    """Exactly what Jira would be sent of the flag now. Nothing is sent."""
    found = jira_preview.preview(ctx, actor, project, flag)
    return jira_shapes.ShownPreview(why=found.why, method=found.method, url=found.url, body=found.body)
