"""Evaluating one flag, or all of them, for a context that the application sends.

Source: OFREP 0.3, `service/openapi.yaml` of OpenFeature's protocol. What an evaluation says depends on the state of the
environment and on the context alone, so the two make the tag by which a bulk evaluation is not sent twice.

Evaluations of one flag are counted as traffic; those of all are not: an application that asks for all looks at few.
"""

import json
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar
from zlib import crc32

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from flagpost.flags.conditions import Reason
from flagpost.flags.evaluation import Evaluation
from flagpost.serving.environment import ServedEnvironment
from flagpost.serving.impressions import tidy
from flagpost.serving.keys import SdkKey
from flagpost.serving.ofrep import failure
from flagpost.store.flags.impressions import Recent
from flagpost.web.sdk.authenticated_routes import for_applications
from flagpost.web.sdk.responses import served_to, tags_of
from flagpost.web.state import serving

_Answer = TypeVar("_Answer")

_MOST_CHARACTERS = 250
_LONGER_AS_TEXT = 5  # times, at most: a value that is no text is looked at as JSON, 1e15 as 1000000000000000.0
_STATUSES = {Reason.NOT_FOUND: 404, Reason.EXCEPTION: 400}  # OFREP: flagNotFound, evaluationFailure


class _Refused(Exception):
    """The request cannot be evaluated: OFREP's code for it, and words."""

    def __init__(self, code: str, details: str) -> None:
        super().__init__(details)
        self.code, self.details = code, details


def routes() -> list[BaseRoute]:
    """The two operations of the protocol's core."""
    return [
        for_applications("/v1/evaluate/flags/{key:path}", _one, method="POST"),
        for_applications("/v1/evaluate/flags", _all, method="POST"),
    ]


async def _one(request: Request, key: SdkKey) -> Response:
    name = request.path_params["key"]
    try:
        target, attributes, raw = await _context(request)
    except _Refused as refused:
        return JSONResponse(failure(refused.code, refused.details, name), 400)
    served = await _compiled(request, key)
    evaluation, body = await _evaluated(served, raw, partial(served.ofrep, name, target, attributes))
    definition = served.definition_of(name)
    if definition and not definition.impressions_disabled:
        _count(request, key.environment_id, name, target, evaluation)
    return Response(body, _STATUSES.get(evaluation.reason, 200), media_type="application/json")


def _count(request: Request, environment_id: str, flag: str, target: str, evaluation: Evaluation) -> None:
    parts = serving(request.scope)
    traffic = parts.traffic
    traffic.count(environment_id, flag, evaluation.treatment)
    if traffic.is_watched(environment_id, flag):
        now = parts.context.clock()
        recent = Recent(tidy(target, _MOST_CHARACTERS), evaluation.treatment, evaluation.label, now)
        traffic.show(environment_id, flag, recent)


async def _all(request: Request, key: SdkKey) -> Response:
    try:
        target, attributes, raw = await _context(request)
    except _Refused as refused:
        return JSONResponse(failure(refused.code, refused.details), 400)
    served = await _compiled(request, key)
    headers = {"ETag": f'"{served.number}-{crc32(raw):08x}-{len(raw):x}"', "Cache-Control": "no-cache"}
    if headers["ETag"] in tags_of(request):
        return Response(status_code=304, headers=headers)
    body = await _evaluated(served, raw, partial(served.ofrep_of_all, target, attributes))
    return Response(body, media_type="application/json", headers=headers)


async def _compiled(request: Request, key: SdkKey) -> ServedEnvironment:
    """The environment, ready to evaluate: compiling it is nothing for the thread that answers everybody."""
    served = await served_to(request, key)
    if not served.is_compiled:
        await run_in_threadpool(served.compile)
    return served


async def _evaluated(served: ServedEnvironment, raw: bytes, ask: Callable[[], _Answer]) -> _Answer:
    """What `ask` says; where it may take long, in another thread than the one that answers everybody."""
    if len(raw) * _LONGER_AS_TEXT > served.snapshot.longest_text:
        return await run_in_threadpool(ask)
    return ask()


async def _context(request: Request) -> tuple[str, dict[str, Any], bytes]:
    """The targeting key, the other attributes, and the context as it was sent."""
    raw = await request.body()
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        raise _Refused("PARSE_ERROR", "The body is not JSON.") from None
    context = body.get("context") if isinstance(body, dict) else None
    if not isinstance(context, dict):
        raise _Refused("INVALID_CONTEXT", "The body needs a context, which is an object.")
    target = context.get("targetingKey")
    if target is None or target == "":
        raise _Refused("TARGETING_KEY_MISSING", "The context needs a targetingKey: who the flag is evaluated for.")
    if not isinstance(target, str) or len(target) > _MOST_CHARACTERS:
        raise _Refused("INVALID_CONTEXT", f"The targetingKey is a text of at most {_MOST_CHARACTERS} characters.")
    return target, {name: value for name, value in context.items() if name != "targetingKey"}, raw
