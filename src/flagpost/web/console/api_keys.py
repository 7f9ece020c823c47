"""Admin settings → API keys: the list, creating one, and revoking one."""

from collections.abc import Mapping

from fastapi import APIRouter
from fastapi.responses import Response

from flagpost.actions.accounts import api_keys, pages
from flagpost.errors import FlagpostError
from flagpost.store.records import ApiKey
from flagpost.web.console.admin import render_settings
from flagpost.web.console.page import Console, Form, form_text, redirect

router = APIRouter(prefix="/admin/api-keys")
_KINDS = [("admin", "Admin API"), ("server_side", "SDK, server side"), ("client_side", "SDK, client side")]
_FIELDS = ("name", "kind", "role", "scope", "days")
_LIFETIMES = [("", "Never"), ("30", "In 30 days"), ("90", "In 90 days"), ("365", "In a year")]
_DAY_MS = 86_400_000


@router.get("")
def keys_page(console: Console) -> Response:
    """Every key, and a form for a new one."""
    return _keys(console)


def _keys(
    console: Console, error: FlagpostError | None = None, *, secret: str = "", typed: Mapping[str, str] | None = None
) -> Response:
    page = pages.load_api_keys(console.ctx, console.actor)
    projects, places = page.shell.projects, page.environments
    scopes = [("", "Everything"), *((one.id, f"{one.name}, all of it") for one in projects)]
    scopes += [(f"{one.id}:{at.id}", f"{one.name} · {at.name}") for one in projects for at in places[one.id]]
    return render_settings(
        console,
        "api-keys",
        page,
        error,
        secret=secret,
        now=console.ctx.clock(),
        kinds=_KINDS,
        roles=[(role, role) for role in api_keys.ROLES],
        scopes=scopes,
        scope_of={one.id: _scope(one, page) for one in page.keys},
        lifetimes=_LIFETIMES,
        typed=typed or dict.fromkeys(_FIELDS, ""),
    )


def _scope(key: ApiKey, page: pages.ApiKeysPage) -> str:
    """The scope of a key in words; a project that the admin cannot see, or that was deleted, has no name."""
    if key.project_id is None:
        return "Everything"
    project = next((one.name for one in page.shell.projects if one.id == key.project_id), "Another project")
    places = [at.name for at in page.environments.get(key.project_id, ()) if at.id in key.environment_ids]
    return f"{project} · {', '.join(places)}" if places else project


@router.post("")
def create_key(console: Console, form: Form) -> Response:
    """A new key, shown once."""
    project, _, environment = form_text(form, "scope").partition(":")
    kind, days = form_text(form, "kind", "admin"), form_text(form, "days")
    try:
        _, secret = api_keys.create_api_key(
            console.ctx,
            console.actor,
            name=form_text(form, "name"),
            kind=kind,
            roles=[form_text(form, "role")] if kind == "admin" else [],
            scope=api_keys.KeyScope(project or None, [environment] if environment else []),
            expires_at=console.ctx.clock() + int(days) * _DAY_MS if days and days in dict(_LIFETIMES) else None,
        )
    except FlagpostError as error:
        return _keys(console, error, typed={field: form_text(form, field) for field in _FIELDS})
    return _keys(console, secret=secret)


@router.post("/{key}/revoke")
def revoke_key(console: Console, key: str) -> Response:
    """Revoke a key; it ends at once."""
    api_keys.revoke_api_key(console.ctx, console.actor, key)
    return redirect("/admin/api-keys")
