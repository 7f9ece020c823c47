"""All of the Admin API's routes."""

from fastapi import APIRouter

from flagpost.web.api import definitions, keys, segments, splits, workspaces
from flagpost.web.api.documented import ERRORS, PREFIX

router = APIRouter(prefix=PREFIX, responses=ERRORS)
for part in (workspaces, splits, definitions, segments, keys):
    router.include_router(part.router)
