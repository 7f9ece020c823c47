"""Segments: the list of a project's, and a segment's page with its keys or rules in one environment."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response
from starlette.datastructures import FormData, UploadFile

from flagpost.actions.access import Right
from flagpost.actions.change_requests import requests as change_requests
from flagpost.actions.change_requests.requests import Proposal
from flagpost.actions.segments import keys as segment_keys
from flagpost.actions.segments import pages, rule_based, segments
from flagpost.actions.segments.pages import MAX_SUGGESTED, SegmentAddress, SegmentView
from flagpost.errors import ApprovalRequired, FlagpostError, InvalidInput, TooLarge
from flagpost.flags.segment_rules import no_rules
from flagpost.flags.targeting import SegmentKind
from flagpost.web.console import editor
from flagpost.web.console.editor import EDITOR_VALUES, MATCHER_GROUPS
from flagpost.web.console.page import (
    PAGE_SIZE,
    Console,
    Form,
    change_summary,
    form_fields,
    form_text,
    redirect,
)

router = APIRouter(prefix="/projects/{project}/segments")
KIND_NAMES = {"standard": "Standard", "rule_based": "Rule-based", "large": "Large"}
_MAX_FILE_BYTES = 32 * 1024 * 1024
_RULE_VALUES = EDITOR_VALUES | {
    "groups": [
        (group, fitting)
        for group, kinds in MATCHER_GROUPS
        if (fitting := [kind for kind in kinds if kind.type != "IN_SPLIT"])  # a segment asks for no flag
    ]
}

SegmentAt = Annotated[SegmentAddress, Depends()]


async def _form_with_file(request: Request) -> AsyncIterator[FormData]:
    async with request.form(max_files=1, max_fields=20) as form:
        yield form


FormWithFile = Annotated[FormData, Depends(_form_with_file)]

# The list ---------------------------------------------------------------------------------------------------------


@router.get("")
def list_page(console: Console, project: str, q: str = "", kind: str = "", offset: int = 0) -> Response:
    """A project's segments, by name."""
    return _list(console, project, q, kind, offset)


def _list(
    console: Console, project: str, q: str = "", kind: str = "", offset: int = 0, error: FlagpostError | None = None
) -> Response:
    only = SegmentKind(kind) if kind in KIND_NAMES else None
    where = (console.ctx, console.actor, project, only, q.strip())
    page = pages.load_segment_list(*where, offset=max(offset, 0), limit=PAGE_SIZE)
    return console.render(
        "segments.html",
        page,
        error=error,
        nav="segments",
        query={"q": q, "kind": kind},
        kinds=KIND_NAMES,
        may_edit_segments=console.actor.may(Right.EDIT_SEGMENTS),
    )


@router.post("")
def create(console: Console, project: str, form: Form) -> Response:
    """A new segment, in no environment yet."""
    kind = form_text(form, "kind")
    try:
        new = segments.create_segment(
            console.ctx,
            console.actor,
            project,
            SegmentKind(kind) if kind in KIND_NAMES else SegmentKind.STANDARD,
            name=form_text(form, "name"),
            traffic_type=form_text(form, "traffic_type"),
            description=form_text(form, "description"),
        )
    except FlagpostError as error:
        return _list(console, project, error=error)
    return redirect(f"/projects/{new.project_id}/segments/{new.id}")


@router.get("/names")
def names(console: Console, project: str, q: str = "") -> JSONResponse:
    """The names of segments that contain a text, for fields that suggest them."""
    page = segments.list_segments(console.ctx, console.actor, project, text=q.strip(), limit=MAX_SUGGESTED)
    return JSONResponse([one.name for one in page.items])


# One segment ------------------------------------------------------------------------------------------------------


@router.get("/{segment}")
def segment_page(console: Console, at: SegmentAt, q: str = "", offset: int = 0) -> Response:
    """A segment in one environment."""
    return _page(console, at, q=q, offset=offset)


def _page(
    console: Console,
    at: SegmentAddress,
    error: FlagpostError | None = None,
    *,
    q: str = "",
    offset: int = 0,
    typed: str = "",
    body: dict[str, Any] | None = None,
) -> Response:
    """The page of a segment; `typed` are keys and `body` rules that could not be saved."""
    page = pages.load_segment(console.ctx, console.actor, at, text=q, offset=max(offset, 0), limit=PAGE_SIZE)
    definition = page.one.definition
    values = _RULE_VALUES | {
        "body": body or (definition.body if definition else None) or no_rules(),
        "editor_url": f"{page.one.url}/rules",
        "known_treatments": {},
        "kinds": KIND_NAMES,
        "q": q,
        "typed": typed,
        "most": segment_keys.MAX_KEYS,
        "may_edit_segments": console.actor.may(Right.EDIT_SEGMENTS),
    }
    return console.render("segment.html", page, error=error, nav="segments", **values)


@router.post("/{segment}")
def change(console: Console, at: SegmentAt, form: Form) -> Response:
    """A button of the page."""
    at = _in_form_environment(at, form)
    one = pages.get_segment_view(console.ctx, console.actor, at)
    try:
        return _act(console, one, form)
    except FlagpostError as error:
        return _page(console, at, error, typed=form_text(form, "keys"))


@router.post("/{segment}/upload")
def upload(console: Console, at: SegmentAt, form: FormWithFile) -> Response:
    """A file of keys, all of it or nothing."""
    at = _in_form_environment(at, form)
    one = pages.get_segment_view(console.ctx, console.actor, at)
    try:
        keys = segment_keys.keys_of_csv(_content(form))
        return _add_keys(console, one, keys, form, replace=form_text(form, "replace") == "yes")
    except FlagpostError as error:
        return _page(console, at, error)


@router.post("/{segment}/rules")
def rules(console: Console, at: SegmentAt, form: Form) -> Response:
    """A button of the rules' form: one that changes the form, or *Save*."""
    at = _in_form_environment(at, form)
    one = pages.get_segment_view(console.ctx, console.actor, at)
    body = editor.from_form(form_fields(form))
    body["excludedKeys"] = editor.texts(form_text(form, "excludedKeys"))
    body["excludedSegments"] = _excluded(console, one, editor.texts(form_text(form, "excludedSegments")))
    button = form_text(form, "button")
    if button != "save":
        return _page(console, at, body=editor.press(body, button) if button else body)
    try:
        return _save_rules(console, one, body, form)
    except FlagpostError as error:
        return _page(console, at, error, body=body)


def _in_form_environment(at: SegmentAddress, form: FormData) -> SegmentAddress:
    return replace(at, environment=form_text(form, "environment") or None)


def _act(console: Console, one: SegmentView, form: FormData) -> Response:
    ctx, actor, place = console.ctx, console.actor, _place(one)
    if key := form_text(form, "remove"):
        return _remove_keys(console, one, [key], form)
    match form_text(form, "act"):
        case "describe":
            segments.describe_segment(ctx, actor, one.project.id, one.segment.id, form_text(form, "description"))
        case "delete":
            segments.delete_segment(ctx, actor, one.project.id, one.segment.id)
            return redirect(f"/projects/{one.project.id}/segments")
        case "add":
            segments.add_to_environment(ctx, actor, place, one.segment.id)
        case "remove":
            segments.remove_from_environment(ctx, actor, place, one.segment.id)
        case "add-keys":
            return _add_keys(console, one, editor.texts(form_text(form, "keys")), form, replace=False)
        case "remove-keys":
            return _remove_keys(console, one, editor.texts(form_text(form, "keys")), form)
    return redirect(one.url + one.here)


def _add_keys(console: Console, one: SegmentView, keys: list[str], form: FormData, *, replace: bool) -> Response:
    if not keys:
        raise InvalidInput("There are no keys in it.", "keys")
    where, kinds = (_place(one), one.segment.id, keys, change_summary(form)), (one.segment.kind,)
    try:
        segment_keys.add_keys(console.ctx, console.actor, *where, replace=replace, kinds=kinds)
    except ApprovalRequired:
        return _request_change(console, one, "UPDATE", {"keys": keys, "replace": replace}, form)
    return redirect(one.url + one.here)


def _remove_keys(console: Console, one: SegmentView, keys: list[str], form: FormData) -> Response:
    if not keys:
        raise InvalidInput("Name the keys.", "keys")
    where, kinds = (_place(one), one.segment.id, keys, change_summary(form)), (one.segment.kind,)
    try:
        segment_keys.remove_keys(console.ctx, console.actor, *where, kinds=kinds)
    except ApprovalRequired:
        return _request_change(console, one, "ARCHIVE", {"keys": keys}, form)
    return redirect(one.url + one.here)


def _save_rules(console: Console, one: SegmentView, body: dict[str, Any], form: FormData) -> Response:
    where = (one.project.id, _place(one), one.segment.id)
    try:
        rule_based.save_rules(console.ctx, console.actor, *where, body, change_summary(form))
    except ApprovalRequired:
        return _request_change(console, one, "UPDATE", body, form)
    return redirect(one.url + one.here)


def _request_change(
    console: Console, one: SegmentView, operation: str, wanted: dict[str, Any], form: FormData
) -> Response:
    """Submit a change request, where the environment requires approval, and show it."""
    kind = next(name for name, kind in change_requests.KINDS.items() if kind is one.segment.kind)
    summary = change_summary(form)
    proposal = Proposal(kind, one.segment.name, operation, wanted, summary.title, summary.comment)
    new = change_requests.submit(console.ctx, console.actor, one.project.id, _place(one), proposal)
    return redirect(f"/projects/{one.project.id}/change-requests/{new.request.id}")


def _place(one: SegmentView) -> str:
    return one.environment.id if one.environment else ""


def _content(form: FormData) -> bytes:
    file = form.get("file")
    if not isinstance(file, UploadFile) or not file.filename:
        raise InvalidInput("Choose a file.", "file")
    if (file.size or 0) > _MAX_FILE_BYTES:
        raise TooLarge(f"A file of keys has at most {_MAX_FILE_BYTES // 1024**2} MB.")
    return file.file.read()


def _excluded(console: Console, one: SegmentView, wanted: list[str]) -> list[dict[str, str]]:
    where = (one.project.id, _place(one))
    there = segments.kinds_in_environment(console.ctx, console.actor, *where, wanted)
    return [{"name": name, "type": f"{there.get(name, SegmentKind.STANDARD).value}_segment"} for name in wanted]
