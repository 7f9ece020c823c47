"""What a webhook of a Jira site calls, where there is no app to send events (`flagpost.actions.jira.webhooks`)."""

from fastapi import APIRouter

from flagpost.actions.jira import webhooks
from flagpost.web.guard import FromWebhook
from flagpost.web.state import Ctx

router = APIRouter(prefix="/webhooks", include_in_schema=False)


@router.post("/jira/{credentials}")
def jira(ctx: Ctx, call: FromWebhook) -> dict[str, str]:
    """Something happened to an issue or a project. Jira repeats a call that is not answered with 2xx."""
    webhooks.handle_webhook(ctx, call)
    return {"status": "ok"}
