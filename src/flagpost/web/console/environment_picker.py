"""What pages of a flag and of a segment share: the environment that is looked at, among those of the project."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from flagpost.actions.accounts.sessions import SignedIn
from flagpost.actions.context import Context
from flagpost.actions.projects import environments
from flagpost.store.records import Environment

D = TypeVar("D")


@dataclass(frozen=True, slots=True)
class InEnvironment(Generic[D]):
    """The chosen environment, and what something is in each, by the environment's id."""

    environments: list[Environment]
    environment: Environment | None
    definitions: dict[str, D]

    @property
    def definition(self) -> D | None:
        """What it is in the chosen environment."""
        return self.definitions.get(self.environment.id) if self.environment else None

    @property
    def here(self) -> str:
        """The part of the address that keeps the environment."""
        return f"?environment={self.environment.id}" if self.environment else ""


def choose(
    ctx: Context, who: SignedIn, project_id: str, wanted: str | None
) -> tuple[list[Environment], Environment | None]:
    """A project's environments, and the one that is wanted, by id or name: else production, where there is one."""
    places = environments.list_environments(ctx, who.actor, project_id)
    if wanted:
        return places, environments.get_environment(ctx, who.actor, project_id, wanted)
    return places, next((at for at in places if at.production), next(iter(places), None))
