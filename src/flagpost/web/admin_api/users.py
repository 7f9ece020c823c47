"""Users and groups."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from flagpost.actions.access import Actor
from flagpost.actions.accounts import users
from flagpost.actions.context import Context
from flagpost.errors import InvalidInput
from flagpost.store.accounts.users import Group, User
from flagpost.web.admin_api.documented import Offset, WideKey, marked
from flagpost.web.admin_api.json_patch import Patch, applied_as
from flagpost.web.admin_api.schemas import Body, Reference
from flagpost.web.state import Ctx

router = APIRouter()
Json = dict[str, Any]
Limit = Annotated[int, Query(ge=1)]


class NewUser(Body):
    """A user to invite. Flagpost adds `name` and `role` (admin, editor or viewer; viewer by default)."""

    email: str
    groups: list[Reference] | None = None
    name: str | None = None
    role: str | None = None


class UserBody(Body):
    """The new values of a user; a field that is not sent stays as it is."""

    name: str | None = None
    email: str | None = None
    status: str | None = None
    role: str | None = None
    groups: list[Reference] | None = None


class GroupBody(Body):
    """The values of a group."""

    name: str
    description: str | None = None


@router.get("/users", tags=["Users"])
def list_users(
    ctx: Ctx,
    key: WideKey,
    status: str | None = None,
    group_id: str | None = None,
    after: str | None = None,
    limit: Limit = 200,
) -> Json:
    """Users of a `status` (ACTIVE, PENDING, DEACTIVATED; ACTIVE unless asked) or of a group; at most 200 a page."""
    limit = min(limit, 200)
    wanted = status or (None if group_id else "ACTIVE")
    found = users.page_users(ctx, key, status=wanted, group=group_id, after=after or "", limit=limit + 1)
    groups = users.groups_of_users(ctx, key, [one.id for one in found])
    return marked(found, limit, after, lambda one: _user(one, groups[one.id]), lambda one: one.id)


@router.post("/users", tags=["Users"])
def invite_user(ctx: Ctx, key: WideKey, body: NewUser) -> Json:
    """Invite a user. Flagpost sends no mail: pass `invitationUrl` on, which is shown once."""
    name, groups = body.name or body.email.partition("@")[0], [one.id for one in body.groups or ()]
    invited = users.invite_user(ctx, key, email=body.email, name=name, role=body.role or "viewer", groups=groups)
    return {**_user(invited.user, groups), "invitationUrl": invited.url}


@router.get("/users/{user}", tags=["Users"])
def get_user(ctx: Ctx, key: WideKey, user: str) -> Json:
    """One user."""
    return _shown(ctx, key, users.get_user(ctx, key, user))


@router.put("/users/{user}", tags=["Users"])
def update_user(ctx: Ctx, key: WideKey, user: str, body: UserBody) -> Json:
    """Change `name`, `status` (ACTIVE or DEACTIVATED), `groups` and `role`; an email cannot be changed."""
    return _shown(ctx, key, users.edit_user(ctx, key, user, lambda old, _: _changes(body, old)))


@router.patch("/users/{user}", tags=["Users"])
def patch_user(ctx: Ctx, key: WideKey, user: str, patch: Patch) -> Json:
    """Change a user by JSON Patch, for example `add` at `/groups/0`."""

    def edit(old: User, groups: list[str]) -> users.UserChanges:
        return _changes(applied_as(UserBody, patch, _user(old, groups)), old)

    return _shown(ctx, key, users.edit_user(ctx, key, user, edit))


@router.delete("/users/{user}", tags=["Users"])
def delete_invitation(ctx: Ctx, key: WideKey, user: str) -> bool:
    """Withdraw an invitation; 409 where the user has accepted it: deactivate the user instead."""
    users.delete_invitation(ctx, key, user)
    return True


@router.get("/groups", tags=["Groups"])
def list_groups(ctx: Ctx, key: WideKey, offset: Offset = 0, limit: Limit = 50) -> Json:
    """The groups, by name; at most 200 a page. `GET /users?group_id=` lists the members of one."""
    found, limit = users.list_groups(ctx, key), min(limit, 200)
    objects = [_group(one) for one in found[offset : offset + limit]]
    return {"objects": objects, "offset": offset, "limit": limit, "totalCount": len(found)}


@router.post("/groups", tags=["Groups"])
def create_group(ctx: Ctx, key: WideKey, body: GroupBody) -> Json:
    """A new group, without members."""
    return _group(users.create_group(ctx, key, body.name, body.description or ""))


@router.get("/groups/{group}", tags=["Groups"])
def get_group(ctx: Ctx, key: WideKey, group: str) -> Json:
    """One group."""
    return _group(users.get_group(ctx, key, group)[0])


@router.put("/groups/{group}", tags=["Groups"])
def update_group(ctx: Ctx, key: WideKey, group: str, body: GroupBody) -> Json:
    """Change the name and the description of a group."""
    return _group(users.update_group(ctx, key, group, name=body.name, description=body.description))


@router.delete("/groups/{group}", tags=["Groups"])
def delete_group(ctx: Ctx, key: WideKey, group: str) -> bool:
    """Remove a group; flags that it owned lose that owner."""
    users.delete_group(ctx, key, group)
    return True


def _shown(ctx: Context, key: Actor, user: User) -> Json:
    return _user(user, users.groups_of_users(ctx, key, [user.id])[user.id])


def _changes(body: UserBody, old: User) -> users.UserChanges:
    if body.email is not None and body.email.lower() != old.email:
        raise InvalidInput("An email cannot be changed: people sign in with it. Invite the new one.", "email")
    groups = None if body.groups is None else [one.id for one in body.groups]
    return {"role": body.role, "active": _is_active(body.status, old), "name": body.name, "groups": groups}


def _is_active(status: str | None, old: User) -> bool | None:
    if status is None or status == old.status:
        return None
    if status not in ("ACTIVE", "DEACTIVATED"):
        raise InvalidInput("Choose ACTIVE or DEACTIVATED.", "status")
    return status == "ACTIVE"


def _user(one: User, groups: list[str]) -> Json:
    return {
        "id": one.id,
        "type": "user",
        "name": one.name,
        "email": one.email,
        "status": one.status,
        "2fa": False,
        "role": one.role,
        "groups": [{"id": id, "type": "group"} for id in groups],
    }


def _group(one: Group) -> Json:
    return {"id": one.id, "type": "group", "name": one.name, "description": one.description}
