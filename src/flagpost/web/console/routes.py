"""All of the console's routes."""

from fastapi import APIRouter

from flagpost.web.console import (
    admin,
    change_requests,
    definition,
    flag,
    flags,
    jira,
    jira_credentials,
    jira_link,
    people,
    segments,
)

router = APIRouter(include_in_schema=False)
for part in (people, flags, definition, flag, segments, change_requests, jira, jira_credentials, jira_link, admin):
    router.include_router(part.router)
