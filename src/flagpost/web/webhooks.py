"""The endpoint of a Jira site's webhook, for sites without an app that sends events."""

from fastapi import APIRouter

from flagpost.actions.jira import webhooks
from flagpost.web.guard import FromWebhook
from flagpost.web.state import Ctx

router = APIRouter(prefix="/webhooks", include_in_schema=False)


@router.post("/jira/{credentials}")
def jira(ctx: Ctx, call: FromWebhook) -> dict[str, str]:
    """An issue or a project changed. Jira repeats a call that is not answered with 2xx."""
    webhooks.handle_webhook(ctx, call)
    return {"status": "ok"}
