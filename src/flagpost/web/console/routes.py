"""All of the console's routes."""

from fastapi import APIRouter

from flagpost.web.console import (
    admin,
    change_requests,
    definition,
    flag,
    flag_sets,
    flag_traffic,
    flags,
    jira,
    jira_credentials,
    jira_health,
    jira_link,
    segments,
    users,
)
from flagpost.web.console import explain as trying
from flagpost.web.matched_route import CONSOLE_TAG

router = APIRouter(include_in_schema=False, tags=[CONSOLE_TAG])
_FLAGS = (flags, definition, trying, flag, flag_traffic, flag_sets, segments, change_requests)
_JIRA = (jira, jira_credentials, jira_health, jira_link)
for part in (users, *_FLAGS, *_JIRA, admin):
    router.include_router(part.router)
