"""All of the console's routes."""

from fastapi import APIRouter

from flagpost.web.console import (
    admin,
    api_keys,
    change_requests,
    definition,
    explain,
    flag,
    flag_sets,
    flag_traffic,
    flags,
    jira,
    jira_credentials,
    jira_health,
    jira_link,
    profile,
    project,
    segments,
    sign_in,
)
from flagpost.web.matched_route import CONSOLE_TAG

router = APIRouter(include_in_schema=False, tags=[CONSOLE_TAG])
_FLAGS = (flags, definition, explain, flag, flag_traffic, flag_sets, segments, change_requests, project)
_JIRA = (jira, jira_credentials, jira_health, jira_link)
for part in (sign_in, profile, *_FLAGS, *_JIRA, admin, api_keys):
    router.include_router(part.router)
