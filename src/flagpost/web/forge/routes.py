"""All endpoints that the app's manifest declares (`flagpost.jira.manifest`)."""

from fastapi import APIRouter

from flagpost.web.forge import installation, panel

router = APIRouter(prefix="/forge", include_in_schema=False)
for part in (installation, panel):
    router.include_router(part.router)
