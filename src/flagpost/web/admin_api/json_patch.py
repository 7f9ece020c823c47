"""PATCH bodies: JSON Patch (RFC 6902), as Split takes it."""

from typing import Any, TypeVar

import jsonpatch
import jsonpointer
from pydantic import BaseModel, ConfigDict, Field, RootModel, ValidationError

from flagpost.errors import InvalidInput, Problem

MAX_OPERATIONS = 200
T = TypeVar("T", bound=BaseModel)


class Operation(BaseModel):
    """One step of a patch."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True)

    op: str
    path: str
    value: Any = None
    source: str | None = Field(None, alias="from")


class Patch(RootModel[list[Operation]]):
    """A list of steps, applied in order, all or none."""


def apply(patch: Patch, present: dict[str, Any]) -> dict[str, Any]:
    """`present` after the patch. InvalidInput names the step that cannot be applied."""
    if len(patch.root) > MAX_OPERATIONS:
        raise InvalidInput(f"A patch has at most {MAX_OPERATIONS} steps.")
    changed: Any = present
    for number, step in enumerate(patch.root):
        try:
            changed = jsonpatch.JsonPatch([_step(step)]).apply(changed)
        except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, TypeError, KeyError) as error:
            raise InvalidInput(f"{step.op} {step.path}: {error}", f"[{number}]") from None
    if not isinstance(changed, dict):
        raise InvalidInput("A patch cannot replace the whole object with another value.")
    return changed


def _step(step: Operation) -> dict[str, Any]:
    written = {"op": step.op, "path": step.path, "value": step.value, "from": step.source}
    wanted = {"remove": ("op", "path"), "move": ("op", "path", "from"), "copy": ("op", "path", "from")}
    return {name: written[name] for name in wanted.get(step.op, ("op", "path", "value"))}


def applied_as(model: type[T], patch: Patch, present: dict[str, Any]) -> T:
    """`present` after the patch, as a body. InvalidInput where the result is no such body."""
    try:
        return model.model_validate(apply(patch, present))
    except ValidationError as error:
        problems = [Problem(".".join(map(str, one["loc"])), one["msg"]) for one in error.errors()]
        raise InvalidInput(problems) from None
