"""Segments: the list of a project's, and a segment's page with its keys or rules in one environment."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response
from starlette.datastructures import FormData, UploadFile

from flagpost.actions.access import Right
from flagpost.actions.accounts.sessions import SignedIn
from flagpost.actions.approvals import must_ask
from flagpost.actions.change_requests import requests as change_requests
from flagpost.actions.change_requests.requests import Proposal
from flagpost.actions.context import Context
from flagpost.actions.projects import environments, projects
from flagpost.actions.segments import keys as segment_keys
from flagpost.actions.segments import rule_based, segments, usage
from flagpost.actions.unit_of_work import Summary
from flagpost.errors import ApprovalRequired, FlagpostError, InvalidInput, TooLarge
from flagpost.flags.matchers import DATE_MATCHERS, MATCHERS
from flagpost.flags.segment_rules import no_rules
from flagpost.flags.targeting import SegmentKind
from flagpost.store.records import Page, Project
from flagpost.store.segments.segments import Segment, SegmentDefinition
from flagpost.web.console import editor
from flagpost.web.console.definition import MATCHER_GROUPS
from flagpost.web.console.environment_picker import InEnvironment, choose
from flagpost.web.console.page import SUGGESTED, Form, form_text, problems_of, redirect, render_page
from flagpost.web.guard import Person
from flagpost.web.state import Ctx

router = APIRouter(prefix="/projects/{project}/segments")
KIND_NAMES = {"standard": "Standard", "rule_based": "Rule-based", "large": "Large"}
_MOST_FILE_BYTES = 32 * 1024 * 1024
_KEYS_A_PAGE = 20
_MATCHER_GROUPS = [
    (group, fitting)
    for group, kinds in MATCHER_GROUPS
    if (fitting := [kind for kind in kinds if kind.type != "IN_SPLIT"])
]


@dataclass(frozen=True, slots=True)
class OneSegment(InEnvironment[SegmentDefinition]):
    """What a segment's page is about."""

    project: Project
    segment: Segment

    @property
    def url(self) -> str:
        """The page's own address, without the environment."""
        return f"/projects/{self.project.id}/segments/{self.segment.id}"


async def _form_with_file(request: Request) -> AsyncIterator[FormData]:
    async with request.form(max_files=1, max_fields=20) as form:
        yield form


FormWithFile = Annotated[FormData, Depends(_form_with_file)]


@router.get("")
def list_page(
    request: Request, ctx: Ctx, who: Person, project: str, q: str = "", kind: str = "", offset: int = 0
) -> Response:
    """A project's segments, by name."""
    return _list(request, ctx, who, project, q, kind, offset)


def _list(
    request: Request,
    ctx: Context,
    who: SignedIn,
    project: str,
    q: str = "",
    kind: str = "",
    offset: int = 0,
    error: FlagpostError | None = None,
) -> Response:
    found = projects.get_project(ctx, who.actor, project)
    kinds = (SegmentKind(kind),) if kind in KIND_NAMES else segments.EVERY_KIND
    page = segments.list_segments(ctx, who.actor, found.id, kinds, text=q.strip(), offset=max(offset, 0), limit=20)
    return render_page(
        request,
        ctx,
        who,
        "segments.html",
        project=found,
        nav="segments",
        status=error.status if error else 200,
        problems=problems_of(error) if error else [],
        page=page,
        asked={"q": q, "kind": kind},
        kinds=KIND_NAMES,
        traffic_types=environments.list_traffic_types(ctx, who.actor, found.id),
        may_edit_segments=who.actor.may(Right.EDIT_SEGMENTS),
    )


@router.post("")
def create(request: Request, ctx: Ctx, who: Person, project: str, form: Form) -> Response:
    """A new segment, put into every environment that is ticked."""
    kind = form_text(form, "kind")
    try:
        new = segments.create_segment(
            ctx,
            who.actor,
            project,
            SegmentKind(kind) if kind in KIND_NAMES else SegmentKind.STANDARD,
            name=form_text(form, "name"),
            traffic_type=form_text(form, "traffic_type"),
            description=form_text(form, "description"),
        )
    except FlagpostError as error:
        return _list(request, ctx, who, project, error=error)
    return redirect(f"/projects/{new.project_id}/segments/{new.id}")


@router.get("/names")
def names(ctx: Ctx, who: Person, project: str, q: str = "") -> JSONResponse:
    """The names of segments that contain a text, for fields that suggest them."""
    page = segments.list_segments(ctx, who.actor, project, text=q.strip(), limit=SUGGESTED)
    return JSONResponse([one.name for one in page.items])


@router.get("/{segment}")
def segment_page(
    request: Request,
    ctx: Ctx,
    who: Person,
    project: str,
    segment: str,
    environment: str | None = None,
    q: str = "",
    offset: int = 0,
) -> Response:
    """A segment in one environment."""
    return _page(request, ctx, who, _load(ctx, who, project, segment, environment), q=q, offset=max(offset, 0))


@router.post("/{segment}")
def change(request: Request, ctx: Ctx, who: Person, project: str, segment: str, form: Form) -> Response:
    """What a button of the page does."""
    one = _load(ctx, who, project, segment, form_text(form, "environment"))
    try:
        return _act(ctx, who, one, form)
    except FlagpostError as error:
        return _page(request, ctx, who, one, error, typed=form_text(form, "keys"))


@router.post("/{segment}/upload")
def upload(request: Request, ctx: Ctx, who: Person, project: str, segment: str, form: FormWithFile) -> Response:
    """A file of keys, all of it or nothing."""
    one = _load(ctx, who, project, segment, form_text(form, "environment"))
    try:
        keys = segment_keys.keys_of_csv(_content(form))
        return _add_keys(ctx, who, one, keys, replace=form_text(form, "replace") == "yes", said=_said(form))
    except FlagpostError as error:
        return _page(request, ctx, who, one, error)


@router.post("/{segment}/rules")
def rules(request: Request, ctx: Ctx, who: Person, project: str, segment: str, form: Form) -> Response:
    """A button of the rules' form: one that changes the form, or *Save*."""
    one = _load(ctx, who, project, segment, form_text(form, "environment"))
    body = editor.from_form((name, value) for name, value in form.multi_items() if isinstance(value, str))
    body["excludedKeys"] = editor.texts(form_text(form, "excludedKeys"))
    body["excludedSegments"] = _excluded(ctx, who, one, editor.texts(form_text(form, "excludedSegments")))
    button = form_text(form, "button")
    if button != "save":
        return _page(request, ctx, who, one, body=editor.press(body, button) if button else body)
    try:
        return _save_rules(ctx, who, one, body, _said(form))
    except FlagpostError as error:
        return _page(request, ctx, who, one, error, body=body)


def _act(ctx: Context, who: SignedIn, one: OneSegment, form: FormData) -> Response:
    place = one.environment.id if one.environment else ""
    if key := form_text(form, "remove"):
        return _remove_keys(ctx, who, one, [key], _said(form))
    match form_text(form, "act"):
        case "describe":
            segments.describe_segment(ctx, who.actor, one.project.id, one.segment.id, form_text(form, "description"))
        case "delete":
            segments.delete_segment(ctx, who.actor, one.project.id, one.segment.id)
            return redirect(f"/projects/{one.project.id}/segments")
        case "add":
            segments.add_to_environment(ctx, who.actor, place, one.segment.id)
        case "remove":
            segments.remove_from_environment(ctx, who.actor, place, one.segment.id)
        case "add-keys":
            return _add_keys(ctx, who, one, editor.texts(form_text(form, "keys")), replace=False, said=_said(form))
        case "remove-keys":
            return _remove_keys(ctx, who, one, editor.texts(form_text(form, "keys")), _said(form))
    return redirect(one.url + one.here)


def _add_keys(
    ctx: Context, who: SignedIn, one: OneSegment, keys: list[str], *, replace: bool, said: dict[str, str]
) -> Response:
    if not keys:
        raise InvalidInput("There are no keys in it.", "keys")
    place, kind = (one.environment.id if one.environment else ""), one.segment.kind
    try:
        segment_keys.add_keys(
            ctx, who.actor, place, one.segment.id, keys, Summary(**said), replace=replace, kinds=(kind,)
        )
    except ApprovalRequired:
        return _ask(ctx, who, one, "UPDATE", {"keys": keys, "replace": replace}, said)
    return redirect(one.url + one.here)


def _remove_keys(ctx: Context, who: SignedIn, one: OneSegment, keys: list[str], said: dict[str, str]) -> Response:
    if not keys:
        raise InvalidInput("Name the keys.", "keys")
    place = one.environment.id if one.environment else ""
    try:
        segment_keys.remove_keys(
            ctx, who.actor, place, one.segment.id, keys, Summary(**said), kinds=(one.segment.kind,)
        )
    except ApprovalRequired:
        return _ask(ctx, who, one, "ARCHIVE", {"keys": keys}, said)
    return redirect(one.url + one.here)


def _save_rules(ctx: Context, who: SignedIn, one: OneSegment, body: dict[str, Any], said: dict[str, str]) -> Response:
    place = one.environment.id if one.environment else ""
    try:
        rule_based.save_rules(ctx, who.actor, one.project.id, place, one.segment.id, body, Summary(**said))
    except ApprovalRequired:
        return _ask(ctx, who, one, "UPDATE", body, said)
    return redirect(one.url + one.here)


def _ask(
    ctx: Context, who: SignedIn, one: OneSegment, operation: str, wanted: dict[str, Any], said: dict[str, str]
) -> Response:
    """Where a change has to be approved first, ask for it."""
    kind = next(name for name, kind in change_requests.KINDS.items() if kind is one.segment.kind)
    place = one.environment.id if one.environment else ""
    proposal = Proposal(kind, one.segment.name, operation, wanted, said["title"], said["comment"])
    new = change_requests.submit(ctx, who.actor, one.project.id, place, proposal)
    return redirect(f"/projects/{one.project.id}/change-requests/{new.request.id}")


def _said(form: FormData) -> dict[str, str]:
    return {"title": form_text(form, "title"), "comment": form_text(form, "comment")}


def _content(form: FormData) -> bytes:
    file = form.get("file")
    if not isinstance(file, UploadFile) or not file.filename:
        raise InvalidInput("Choose a file.", "file")
    if (file.size or 0) > _MOST_FILE_BYTES:
        raise TooLarge(f"A file of keys has at most {_MOST_FILE_BYTES // 1024**2} MB.")
    return file.file.read()


def _excluded(ctx: Context, who: SignedIn, one: OneSegment, wanted: list[str]) -> list[dict[str, str]]:
    place = one.environment.id if one.environment else ""
    there = segments.kinds_in_environment(ctx, who.actor, one.project.id, place, wanted)
    return [{"name": name, "type": f"{there.get(name, SegmentKind.STANDARD).value}_segment"} for name in wanted]


def _load(ctx: Context, who: SignedIn, project: str, segment: str, environment: str | None) -> OneSegment:
    found = projects.get_project(ctx, who.actor, project)
    one = segments.get_segment(ctx, who.actor, found.id, segment)
    places, place = choose(ctx, who, found.id, environment)
    there = segments.definitions_of_segment(ctx, who.actor, found.id, one.id)
    return OneSegment(places, place, there, project=found, segment=one)


def _page(
    request: Request,
    ctx: Context,
    who: SignedIn,
    one: OneSegment,
    error: FlagpostError | None = None,
    *,
    q: str = "",
    offset: int = 0,
    typed: str = "",
    body: dict[str, Any] | None = None,
) -> Response:
    definition, waiting = one.definition, ""
    keys: Page[str] = Page([], 0, _KEYS_A_PAGE, 0)
    if one.environment and definition:
        if one.segment.kind is not SegmentKind.RULE_BASED:
            keys = segment_keys.list_keys(
                ctx, who.actor, one.environment.id, one.segment.id, text=q, offset=offset, limit=_KEYS_A_PAGE
            )
        waiting = change_requests.open_of_segment(ctx, who.actor, one.environment.id, one.segment.id) or ""
    return render_page(
        request,
        ctx,
        who,
        "segment.html",
        project=one.project,
        nav="segments",
        status=error.status if error else 200,
        problems=problems_of(error) if error else [],
        one=one,
        editor_url=f"{one.url}/rules",
        known_treatments={},
        kinds=KIND_NAMES,
        keys=keys,
        q=q,
        typed=typed,
        most=segment_keys.MAX_KEYS,
        uses=usage.list_uses(ctx, who.actor, one.project.id, one.segment.name),
        waiting=waiting,
        approval=bool(one.environment and must_ask(who.actor, one.environment)),
        may_edit_segments=who.actor.may(Right.EDIT_SEGMENTS),
        body=body or (definition.body if definition else None) or no_rules(),
        segment_names=segments.list_segments(ctx, who.actor, one.project.id, limit=SUGGESTED).items,
        matchers=MATCHERS,
        groups=_MATCHER_GROUPS,
        dates=DATE_MATCHERS,
        date_field=editor.date_field,
    )
