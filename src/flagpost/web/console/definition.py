"""The Definition tab: editing, the change summary, and saving without overwriting what somebody else saved."""

import json
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from flagpost.actions import approvals
from flagpost.actions.access import Right
from flagpost.actions.accounts.sessions import SignedIn
from flagpost.actions.change_requests.requests import Proposal
from flagpost.actions.context import Context
from flagpost.actions.flags import definitions, dependencies, flag_sets, flags
from flagpost.actions.projects import projects
from flagpost.actions.segments import segments
from flagpost.actions.unit_of_work import Summary
from flagpost.errors import FlagpostError, InvalidInput, StaleVersion
from flagpost.flags.definition_json import dump
from flagpost.flags.diff import describe
from flagpost.flags.matchers import DATE_MATCHERS, MATCHERS
from flagpost.store.flags.flag_sets import FlagSet
from flagpost.store.records import FlagDefinition
from flagpost.web.console import editor
from flagpost.web.console.editor import Draft
from flagpost.web.console.flag import OneFlag, ask, load, show_tab
from flagpost.web.console.page import SUGGESTED, Form, form_text, listed, problems_of, redirect
from flagpost.web.guard import Person
from flagpost.web.state import Ctx

router = APIRouter()
_ONE = "/projects/{project}/flags/{flag}"
MATCHER_GROUPS = [
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
        return _edit(request, ctx, who, one, Draft.of(present).body(), present.version)
    if initiate:
        source = one.definitions.get(initiate)
        body = Draft.of(source).body() if source else editor.new_definition()
        return _edit(request, ctx, who, one, body, 0, copied=source)
    return show_tab(request, ctx, who, one, "definition", body=None, base=0)


@router.post(_ONE + "/definition")
def change(request: Request, ctx: Ctx, who: Person, project: str, flag: str, form: Form) -> Response:
    """A button of the editor: one that changes the form, or *Review changes*."""
    one = load(ctx, who, project, flag, form_text(form, "environment"))
    who.actor.require(Right.EDIT_FLAGS)
    base = _base(form)
    body = editor.from_form((name, value) for name, value in form.multi_items() if isinstance(value, str))
    body = editor.with_unseen(body, Draft.of(one.definition).body() if one.definition else None)
    button = form_text(form, "button")
    if button != "review":
        return _edit(request, ctx, who, one, editor.press(body, button) if button else body, base)
    try:
        draft = Draft.read(body)
        place = (one.project.id, one.flag.id, form_text(form, "environment"))
        dependencies.check_dependencies(ctx, who.actor, *place, draft.definition, draft.flag_sets)
    except FlagpostError as error:
        return _edit(request, ctx, who, one, body, base, error)
    return _summary(request, ctx, who, one, draft, base)


@router.post(_ONE + "/definition/save")
def save(request: Request, ctx: Ctx, who: Person, project: str, flag: str, form: Form) -> Response:
    """Save what the change summary showed."""
    one = load(ctx, who, project, flag, form_text(form, "environment"))
    draft = Draft.read(_json(form_text(form, "body")))
    base = _base(form)
    if form_text(form, "button") == "back":
        return _edit(request, ctx, who, one, draft.body(), base)
    said: dict[str, Any] = {name: form_text(form, name) for name in ("title", "comment", "rollout_status")}
    asked = {name: form_text(form, name) for name in ("approvers", "scheduled_for")}
    try:
        if form_text(form, "button") == "ask":
            return _ask(ctx, who, one, draft, form)
        _save(ctx, who, one, draft, base, form_text(form, "environment"), said)
    except StaleVersion as error:
        return _summary(request, ctx, who, one, draft, error.current_version, error, said)
    except FlagpostError as error:
        if any(problem.path.startswith(editor.FIELDS) for problem in problems_of(error)):
            return _edit(request, ctx, who, one, draft.body(), base, error)
        return _summary(request, ctx, who, one, draft, base, error, said | asked)
    return redirect(one.url + one.here)


def _save(
    ctx: Context, who: SignedIn, one: OneFlag, draft: Draft, base: int, environment: str, said: dict[str, Any]
) -> None:
    place = (ctx, who.actor, one.project.id, one.flag.id, environment)
    wanted = definitions.Draft(draft.definition, draft.flag_sets, said.get("rollout_status"))
    summary = Summary(said.get("title", ""), said.get("comment", ""))
    if base:
        definitions.save_definition(*place, wanted, summary, base)
    else:
        definitions.create_definition(*place, wanted, summary)


def _ask(ctx: Context, who: SignedIn, one: OneFlag, draft: Draft, form: Form) -> Response:
    """Ask for what the change summary showed, to be approved by somebody else."""
    at = editor.read_date(form_text(form, "scheduled_for"))
    if isinstance(at, str):
        raise InvalidInput("This is not a time.", "scheduled_for")
    proposal = Proposal(
        "flag",
        one.flag.name,
        "UPDATE" if one.definition else "CREATE",
        dump(draft.definition),
        form_text(form, "title"),
        form_text(form, "comment"),
        listed(form_text(form, "approvers")),
        form_text(form, "rollout_status") or None,
        at,
        "UTC" if at else None,
        draft.flag_sets,
    )
    return ask(ctx, who, one, proposal)


def _base(form: Form) -> int:
    text = form_text(form, "base", "0")
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
    copied: FlagDefinition | None = None,
) -> Response:
    place = one.environment.id if one.environment else ""
    asked = editor.flags_asked(body)
    return show_tab(
        request,
        ctx,
        who,
        one,
        "definition",
        error,
        body=body,
        base=base,
        copied=copied,
        editor_url=f"{one.url}/definition",
        matchers=MATCHERS,
        groups=MATCHER_GROUPS,
        dates=DATE_MATCHERS,
        date_field=editor.date_field,
        segment_names=segments.list_segments(ctx, who.actor, one.project.id, limit=SUGGESTED).items,
        flag_names=flags.find_flags(ctx, who.actor, "", project_ids=[one.project.id], limit=SUGGESTED),
        known_treatments=dependencies.treatments_of(ctx, who.actor, one.project.id, place, asked),
        flag_sets=flag_sets.list_flag_sets(ctx, who.actor, one.project.id, limit=None),
    )


def _summary(
    request: Request,
    ctx: Context,
    who: SignedIn,
    one: OneFlag,
    draft: Draft,
    base: int,
    error: FlagpostError | None = None,
    said: dict[str, Any] | None = None,
) -> Response:
    sets = flag_sets.list_flag_sets(ctx, who.actor, one.project.id, limit=None)
    before = _with_names(Draft.of(one.definition), sets) if one.definition else None
    return show_tab(
        request,
        ctx,
        who,
        one,
        "review",
        error,
        base=base,
        wanted=json.dumps(draft.body()),
        changes=describe(before, _with_names(draft, sets)),
        stale=error if isinstance(error, StaleVersion) else None,
        said=said or {"title": "", "comment": "", "rollout_status": one.flag.rollout_status.id},
        approval=one.environment is not None and approvals.must_ask(who.actor, one.environment),
        asked={name: (said or {}).get(name, "") for name in ("approvers", "scheduled_for")},
        statuses=projects.list_rollout_statuses(ctx, who.actor, one.project.id),
    )


def _with_names(draft: Draft, sets: list[FlagSet]) -> dict[str, Any]:
    """A draft for the list of what changed: flag sets by their names, in their order."""
    return dump(draft.definition) | {"flagSets": [one.name for one in sets if one.id in draft.flag_sets]}
