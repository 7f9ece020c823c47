"""All of the Admin API's routes."""

from fastapi import APIRouter

from flagpost.web.admin_api import (
    attributes,
    change_requests,
    definitions,
    flag_sets,
    keys,
    segments,
    splits,
    users,
    workspaces,
)
from flagpost.web.admin_api.documented import ERRORS, PREFIX

router = APIRouter(responses=ERRORS)
for part in (workspaces, splits, definitions, change_requests, segments, users, attributes, keys):
    router.include_router(part.router, prefix=PREFIX)
for prefix in flag_sets.PREFIXES:
    router.include_router(flag_sets.router, prefix=prefix, include_in_schema=prefix == flag_sets.PREFIXES[0])
