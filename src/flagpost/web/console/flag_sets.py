"""A project's flag sets: which there are, what is in them, making one, and removing one that nothing is in."""

from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import Response

from flagpost.actions.accounts.sessions import SignedIn
from flagpost.actions.context import Context
from flagpost.actions.flags import flag_sets
from flagpost.actions.projects import environments, projects
from flagpost.errors import FlagpostError
from flagpost.store.flags.flag_sets import FlagSet, Member
from flagpost.web.console.page import Form, form_text, problems_of, redirect, render_page
from flagpost.web.guard import Person
from flagpost.web.state import Ctx

router = APIRouter(prefix="/projects/{project}/flag-sets")
LISTED = 50


@dataclass(frozen=True, slots=True)
class Filled:
    """A flag set with what is in it."""

    flag_set: FlagSet
    members: list[Member]

    @property
    def flag_count(self) -> int:
        """How many flags are in it, each counted once."""
        return len({one.flag_id for one in self.members})

    def count_in(self, environment_id: str) -> int:
        """How many flags are in it in one environment."""
        return sum(one.environment_id == environment_id for one in self.members)


@router.get("")
def list_page(request: Request, ctx: Ctx, who: Person, project: str) -> Response:
    """The project's flag sets, by name."""
    return _list(request, ctx, who, project)


@router.post("")
def create(request: Request, ctx: Ctx, who: Person, project: str, form: Form) -> Response:
    """A new flag set."""
    typed = {name: form_text(form, name) for name in ("name", "description")}
    try:
        flag_sets.create_flag_set(ctx, who.actor, project, **typed)
    except FlagpostError as error:
        return _list(request, ctx, who, project, error, typed)
    return redirect(f"/projects/{project}/flag-sets")


@router.post("/{flag_set}/delete")
def delete(request: Request, ctx: Ctx, who: Person, project: str, flag_set: str) -> Response:
    """Remove a flag set that no flag is in."""
    try:
        flag_sets.delete_flag_set(ctx, who.actor, flag_set)
    except FlagpostError as error:
        return _list(request, ctx, who, project, error, kept=flag_set)
    return redirect(f"/projects/{project}/flag-sets")


def _list(
    request: Request,
    ctx: Context,
    who: SignedIn,
    project: str,
    error: FlagpostError | None = None,
    typed: dict[str, str] | None = None,
    kept: str = "",
) -> Response:
    found = projects.get_project(ctx, who.actor, project)
    members = flag_sets.list_members(ctx, who.actor, found.id)
    sets = flag_sets.list_flag_sets(ctx, who.actor, found.id, limit=None)
    return render_page(
        request,
        ctx,
        who,
        "flag_sets.html",
        project=found,
        nav="flag-sets",
        status=error.status if error else 200,
        problems=problems_of(error) if error else [],
        found=found,
        sets=[Filled(one, members.get(one.id, [])) for one in sets],
        environments=environments.list_environments(ctx, who.actor, found.id),
        typed=typed or {"name": "", "description": ""},
        kept=kept,
        listed=LISTED,
    )
