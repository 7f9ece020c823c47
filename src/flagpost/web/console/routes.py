"""All of the console's routes."""

from fastapi import APIRouter

from flagpost.web.console import admin, definition, flag, flag_traffic, flags, jira, jira_credentials, jira_link, people

router = APIRouter(include_in_schema=False)
for part in (people, flags, definition, flag, flag_traffic, jira, jira_credentials, jira_link, admin):
    router.include_router(part.router)
