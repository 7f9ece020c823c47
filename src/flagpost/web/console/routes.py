"""All of the console's routes."""

from fastapi import APIRouter

from flagpost.web.console import admin, definition, flag, flags, jira, jira_credentials, jira_health, jira_link, people

router = APIRouter(include_in_schema=False)
for part in (people, flags, definition, flag, jira, jira_credentials, jira_health, jira_link, admin):
    router.include_router(part.router)
