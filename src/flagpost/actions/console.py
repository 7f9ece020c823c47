"""What every page of the console reads: the navigation, and the environments to choose from.

The pages of a noun are in its `pages` module. A function there whose name begins with `load` opens one transaction and
reads everything that its page shows, so that a page costs one transaction and shows one moment. A function whose name
begins with `read` runs inside a transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from flagpost.actions.access import Actor, Right
from flagpost.actions.context import Context
from flagpost.actions.lookup import visible_projects
from flagpost.errors import NotFound
from flagpost.store.db import Transaction
from flagpost.store.projects import projects
from flagpost.store.records import Environment, Project

MAX_PROJECTS = 200
"""How many projects the navigation and the pages of all projects list."""


@dataclass(frozen=True, slots=True)
class Shell:
    """What the navigation shows: the projects that the person may view, and the one that the page belongs to.

    `admin`: whether the person may open the admin settings.
    """

    projects: list[Project]
    project: Project | None
    admin: bool


@dataclass(frozen=True, slots=True)
class ConsolePage:
    """What a page of the console shows, read in one transaction; every page has the navigation."""

    shell: Shell


def read_shell(tx: Transaction, actor: Actor, project: Project | None = None) -> Shell:
    """The navigation of a page; without a project of its own it shows the first one by name."""
    visible = projects.page(tx, visible_projects(actor), None, "", 0, MAX_PROJECTS).items
    return Shell(visible, project or next(iter(visible), None), actor.may(Right.MANAGE_PROJECTS))


def read_environments(tx: Transaction, actor: Actor, project: Project) -> list[Environment]:
    """The environments of a project within the actor's scope, production ones last."""
    found = projects.list_environments(tx, project.id)
    return [one for one in found if not actor.environment_ids or one.id in actor.environment_ids]


def choose_environment(places: Sequence[Environment], wanted: str | None) -> Environment | None:
    """The environment with this id or name; without one, the first production environment, else the first.

    NotFound where `wanted` names none of them.
    """
    if wanted:
        found = next((at for at in places if wanted in (at.id, at.name)), None)
        if found is None:
            raise NotFound(f"Could not find the environment “{wanted}”.")
        return found
    return next((at for at in places if at.production), next(iter(places), None))


def load_shell(ctx: Context, actor: Actor) -> ConsolePage:
    """The navigation alone."""
    with ctx.db.read() as tx:
        return ConsolePage(read_shell(tx, actor))
