"""The Definition tab: editing, the change summary, and saving without overwriting what somebody else saved."""

import json
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from flagpost.actions import definitions, projects
from flagpost.actions.access import Right
from flagpost.actions.context import Context
from flagpost.actions.sessions import SignedIn
from flagpost.errors import FlagpostError, StaleVersion
from flagpost.flags.definition_json import dump, parse
from flagpost.flags.difference import describe
from flagpost.flags.matchers import DATE_MATCHERS, MATCHERS
from flagpost.flags.model import Definition
from flagpost.web.console import editor
from flagpost.web.console.flag import OneFlag, load, show_tab
from flagpost.web.console.shell import Form, go, words
from flagpost.web.guard import Person
from flagpost.web.state import Ctx

router = APIRouter()
_ONE = "/projects/{project}/flags/{flag}"
_MATCHER_GROUPS = [
    (group, [kind for kind in MATCHERS.values() if kind.group == group])
    for group in dict.fromkeys(kind.group for kind in MATCHERS.values())
]


@router.get(_ONE)
@router.get(_ONE + "/definition")
def tab(
    request: Request,
    ctx: Ctx,
    who: Person,
    project: str,
    flag: str,
    environment: str | None = None,
    initiate: str | None = None,
) -> Response:
    """A flag's definition in one environment; `initiate` begins one, empty or as a copy of another environment's."""
    one = load(ctx, who, project, flag, environment)
    present = one.definition
    if present:
        return _edit(request, ctx, who, one, dump(present.definition), present.version)
    if initiate:
        source = one.definitions.get(initiate)
        return _edit(request, ctx, who, one, dump(source.definition) if source else editor.new_definition(), 0)
    return show_tab(request, ctx, who, one, "definition", body=None, base=0)


@router.post(_ONE + "/definition")
def change(request: Request, ctx: Ctx, who: Person, project: str, flag: str, form: Form) -> Response:
    """A button of the editor: one that changes the form, or *Review changes*."""
    one = load(ctx, who, project, flag, words(form, "environment"))
    who.actor.require(Right.EDIT_FLAGS)
    base = _base(form)
    body = editor.from_form((name, value) for name, value in form.multi_items() if isinstance(value, str))
    if one.definition:
        body = editor.with_unseen(body, dump(one.definition.definition))
    button = words(form, "button")
    if button != "review":
        return _edit(request, ctx, who, one, editor.press(body, button) if button else body, base)
    try:
        wanted = parse(body)
    except FlagpostError as error:
        return _edit(request, ctx, who, one, body, base, error)
    return _summary(request, ctx, who, one, wanted, base)


@router.post(_ONE + "/definition/save")
def save(request: Request, ctx: Ctx, who: Person, project: str, flag: str, form: Form) -> Response:
    """Save what the change summary showed."""
    one = load(ctx, who, project, flag, words(form, "environment"))
    wanted = parse(_json(words(form, "body")))
    base = _base(form)
    if words(form, "button") == "back":
        return _edit(request, ctx, who, one, dump(wanted), base)
    said: dict[str, Any] = {name: words(form, name) for name in ("title", "comment", "rollout_status")}
    environment = words(form, "environment")
    try:
        if base:
            definitions.save_definition(
                ctx, who.actor, one.project.id, one.flag.id, environment, wanted, base_version=base, **said
            )
        else:
            definitions.create_definition(ctx, who.actor, one.project.id, one.flag.id, environment, wanted, **said)
    except StaleVersion as error:
        return _summary(request, ctx, who, one, wanted, error.current_version, error, said)
    except FlagpostError as error:
        return _summary(request, ctx, who, one, wanted, base, error, said)
    return go(one.url + one.here)


def _base(form: Form) -> int:
    text = words(form, "base", "0")
    return int(text) if text.isdigit() and len(text) < 10 else 0


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _edit(
    request: Request,
    ctx: Context,
    who: SignedIn,
    one: OneFlag,
    body: dict[str, Any],
    base: int,
    error: FlagpostError | None = None,
) -> Response:
    return show_tab(
        request,
        ctx,
        who,
        one,
        "definition",
        error,
        body=body,
        base=base,
        matchers=MATCHERS,
        groups=_MATCHER_GROUPS,
        dates=DATE_MATCHERS,
        date_field=editor.date_field,
    )


def _summary(
    request: Request,
    ctx: Context,
    who: SignedIn,
    one: OneFlag,
    wanted: Definition,
    base: int,
    error: FlagpostError | None = None,
    said: dict[str, Any] | None = None,
) -> Response:
    present = one.definition
    before = dump(present.definition) if present else None
    return show_tab(
        request,
        ctx,
        who,
        one,
        "review",
        error,
        base=base,
        wanted=json.dumps(dump(wanted)),
        changes=describe(before, dump(wanted)),
        stale=error if isinstance(error, StaleVersion) else None,
        said=said or {"title": "", "comment": "", "rollout_status": one.flag.rollout_status.id},
        statuses=projects.list_rollout_statuses(ctx, who.actor, one.project.id),
    )
