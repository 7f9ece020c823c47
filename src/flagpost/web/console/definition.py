"""The Definition tab: editing, the change summary, and saving without overwriting what another person saved."""

import json
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from flagpost.actions import approvals
from flagpost.actions.access import Right
from flagpost.actions.change_requests.requests import Proposal
from flagpost.actions.flags import definitions, dependencies, pages
from flagpost.actions.flags.pages import FlagAddress, FlagView
from flagpost.actions.unit_of_work import Summary
from flagpost.errors import FlagpostError, InvalidInput, StaleVersion
from flagpost.flags.definition_json import dump
from flagpost.flags.diff import describe
from flagpost.store.flags.flag_sets import FlagSet
from flagpost.web.console import editor
from flagpost.web.console.editor import EDITOR_VALUES, Draft
from flagpost.web.console.flag import FLAG, FlagAt, in_form_environment, render_tab, request_change
from flagpost.web.console.page import Console, Form, form_fields, form_text, problems_of, redirect, split_list

router = APIRouter()
_SUMMARY_FIELDS = ("title", "comment", "rollout_status", "approvers", "scheduled_for")


@router.get(FLAG)
@router.get(FLAG + "/definition")
def tab(console: Console, at: FlagAt, initiate: str | None = None) -> Response:
    """A flag's definition in one environment; `initiate` begins one, empty or as a copy of another environment's."""
    page = pages.load_definition(console.ctx, console.actor, at, copied_from=initiate or "")
    one = page.one
    if one.definition:
        return _render(console, page, Draft.of(one.definition).body(), one.definition.version)
    source = one.definitions.get(initiate or "")
    if source:
        return _render(console, page, Draft.of(source).body(), 0, copied=source)
    return _render(console, page, editor.new_definition() if initiate else None, 0)


@router.post(FLAG + "/definition")
def change(console: Console, at: FlagAt, form: Form) -> Response:
    """A button of the editor: one that changes the form, or *Review changes*."""
    console.actor.require(Right.EDIT_FLAGS)
    at, base, button = in_form_environment(at, form), _base(form), form_text(form, "button")
    body = editor.from_form(form_fields(form))
    page = pages.load_definition(console.ctx, console.actor, at, asked=editor.flag_names(body))
    body = editor.with_hidden(body, Draft.of(page.one.definition).body() if page.one.definition else None)
    if button != "review":
        return _render(console, page, editor.press(body, button) if button else body, base)
    try:
        draft = Draft.read(body)
        place = (page.one.project.id, page.one.flag.id, at.environment or "")
        dependencies.check_dependencies(console.ctx, console.actor, *place, draft.definition, draft.flag_sets)
    except FlagpostError as error:
        return _render(console, page, body, base, error=error)
    return _review(console, at, draft, base)


@router.post(FLAG + "/definition/save")
def save(console: Console, at: FlagAt, form: Form) -> Response:
    """Save what the change summary showed, or ask for approval of it."""
    at, base, button = in_form_environment(at, form), _base(form), form_text(form, "button")
    draft = Draft.read(_json(form_text(form, "body")))
    if button == "back":
        return _edit(console, at, draft, base)
    one = pages.load_flag(console.ctx, console.actor, at).one
    typed = {name: form_text(form, name) for name in _SUMMARY_FIELDS}
    try:
        if button == "ask":
            return request_change(console, one, _proposal(one, draft, typed))
        _save(console, one, draft, base, typed)
    except StaleVersion as error:
        return _review(console, at, draft, error.current_version, typed, error)
    except FlagpostError as error:
        if any(problem.path.startswith(editor.FIELDS) for problem in problems_of(error)):
            return _edit(console, at, draft, base, error)
        return _review(console, at, draft, base, typed, error)
    return redirect(one.url + one.here)


def _save(console: Console, one: FlagView, draft: Draft, base: int, typed: dict[str, str]) -> None:
    flag = (console.ctx, console.actor, one.project.id, one.flag.id, one.environment.id if one.environment else "")
    wanted = definitions.Draft(draft.definition, draft.flag_sets, typed["rollout_status"])
    summary = Summary(typed["title"], typed["comment"])
    if base:
        definitions.save_definition(*flag, wanted, summary, base)
    else:
        definitions.create_definition(*flag, wanted, summary)


def _proposal(one: FlagView, draft: Draft, typed: dict[str, str]) -> Proposal:
    """The change of the summary as a change request. InvalidInput where its time cannot be read."""
    at = editor.read_date(typed["scheduled_for"])
    if isinstance(at, str):
        raise InvalidInput("This is not a time.", "scheduled_for")
    return Proposal(
        "flag",
        one.flag.name,
        "UPDATE" if one.definition else "CREATE",
        wanted=dump(draft.definition),
        title=typed["title"],
        comment=typed["comment"],
        approvers=split_list(typed["approvers"]),
        rollout_status=typed["rollout_status"] or None,
        scheduled_for=at,
        scheduled_timezone="UTC" if at else None,
        flag_sets=draft.flag_sets,
    )


def _base(form: Form) -> int:
    """The version that the form was made from; 0 where the flag had no definition."""
    text = form_text(form, "base", "0")
    return int(text) if text.isdigit() and len(text) < 10 else 0


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _edit(console: Console, at: FlagAddress, draft: Draft, base: int, error: FlagpostError | None = None) -> Response:
    body = draft.body()
    page = pages.load_definition(console.ctx, console.actor, at, asked=editor.flag_names(body))
    return _render(console, page, body, base, error=error)


def _render(
    console: Console,
    page: pages.DefinitionPage,
    body: dict[str, Any] | None,
    base: int,
    *,
    error: FlagpostError | None = None,
    copied: object = None,
) -> Response:
    """The editor with this definition; None: the flag is not initiated, and nothing is edited."""
    values = EDITOR_VALUES | {"body": body, "base": base, "copied": copied}
    return render_tab(console, "definition", page, error=error, editor_url=f"{page.one.url}/definition", **values)


def _review(
    console: Console,
    at: FlagAddress,
    draft: Draft,
    base: int,
    typed: dict[str, str] | None = None,
    error: FlagpostError | None = None,
) -> Response:
    page = pages.load_review(console.ctx, console.actor, at)
    one, sets = page.one, page.flag_sets
    before = _with_names(Draft.of(one.definition), sets) if one.definition else None
    return render_tab(
        console,
        "review",
        page,
        error=error,
        base=base,
        wanted=json.dumps(draft.body()),
        changes=describe(before, _with_names(draft, sets)),
        stale=error if isinstance(error, StaleVersion) else None,
        typed=typed or dict.fromkeys(_SUMMARY_FIELDS, "") | {"rollout_status": one.flag.rollout_status.id},
        approval=one.environment is not None and approvals.must_ask(console.actor, one.environment),
    )


def _with_names(draft: Draft, sets: list[FlagSet]) -> dict[str, Any]:
    """A draft for the list of what changed: flag sets by their names, in their order."""
    return dump(draft.definition) | {"flagSets": [one.name for one in sets if one.id in draft.flag_sets]}
