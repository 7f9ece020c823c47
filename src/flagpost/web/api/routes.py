"""All of the Admin API's routes."""

from fastapi import APIRouter

from flagpost.web.api import (
    attributes,
    change_requests,
    definitions,
    flag_sets,
    keys,
    people,
    segments,
    splits,
    workspaces,
)
from flagpost.web.api.documented import ERRORS, PREFIX

router = APIRouter(responses=ERRORS)
for part in (workspaces, splits, definitions, change_requests, segments, people, attributes, keys):
    router.include_router(part.router, prefix=PREFIX)
for prefix in flag_sets.PREFIXES:
    router.include_router(flag_sets.router, prefix=prefix, include_in_schema=prefix == flag_sets.PREFIXES[0])
