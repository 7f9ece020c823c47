"""Evaluates one flag, or all of them, for a context that the application sends.

Source: OFREP 0.3, `service/openapi.yaml` of OpenFeature's protocol. An evaluation depends only on the state of the
environment and on the context. The ETag of a bulk evaluation is made of these two, so that it is not sent twice.

Evaluations of one flag are counted as traffic. Evaluations of all flags are not: an application that asks for all of
them uses few.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar
from zlib import crc32

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from flagpost.errors import InvalidInput
from flagpost.flags.conditions import Reason
from flagpost.flags.evaluation import Evaluation
from flagpost.serving.environment import ServedEnvironment
from flagpost.serving.impressions import sanitize
from flagpost.serving.json_codec import JsonReader, MalformedJson
from flagpost.serving.keys import SdkKey
from flagpost.serving.ofrep import failure
from flagpost.store.flags.impressions import RecentImpression
from flagpost.web.sdk.authenticated_routes import sdk_key_route
from flagpost.web.sdk.responses import environment_of, known_etags
from flagpost.web.state import serving

_Result = TypeVar("_Result")

_MAX_CHARACTERS = 250
_LONGER_AS_TEXT = 5  # times, at most: a value that is no text is matched as JSON, 1e15 as 1000000000000000.0
_STATUSES = {Reason.NOT_FOUND: 404, Reason.EXCEPTION: 400}  # OFREP: flagNotFound, evaluationFailure


class _Body(msgspec.Struct):
    context: dict[str, Any]


_BODY = JsonReader(_Body)


class _Refused(Exception):
    """The request cannot be evaluated: OFREP's code for the reason, and a sentence."""

    def __init__(self, code: str, details: str) -> None:
        super().__init__(details)
        self.code, self.details = code, details


def routes() -> list[BaseRoute]:
    """The two operations of the protocol's core."""
    return [
        sdk_key_route("/v1/evaluate/flags/{key:path}", _evaluate_one, method="POST"),
        sdk_key_route("/v1/evaluate/flags", _evaluate_all, method="POST"),
    ]


async def _evaluate_one(request: Request, key: SdkKey) -> Response:
    name = request.path_params["key"]
    try:
        target, attributes, raw = await _read_context(request)
    except _Refused as refused:
        return JSONResponse(failure(refused.code, refused.details, name), 400)
    served = await _compiled_environment(request, key)
    evaluation, body = await _run(served, raw, partial(served.evaluate_for_ofrep, name, target, attributes))
    definition = served.find_definition(name)
    if definition and not definition.impressions_disabled:
        _record(request, key.environment_id, name, target, evaluation)
    return Response(body, _STATUSES.get(evaluation.reason, 200), media_type="application/json")


def _record(request: Request, environment_id: str, flag: str, target: str, evaluation: Evaluation) -> None:
    parts = serving(request.scope)
    impressions = parts.impressions
    impressions.record(environment_id, flag, evaluation.treatment)
    if impressions.is_watched(environment_id, flag):
        now = parts.context.clock()
        shown_key = sanitize(target, _MAX_CHARACTERS)
        impressions.sample(
            environment_id, flag, RecentImpression(shown_key, evaluation.treatment, evaluation.label, now)
        )


async def _evaluate_all(request: Request, key: SdkKey) -> Response:
    try:
        target, attributes, raw = await _read_context(request)
    except _Refused as refused:
        return JSONResponse(failure(refused.code, refused.details), 400)
    served = await _compiled_environment(request, key)
    headers = {"ETag": f'"{served.change_number}-{crc32(raw):08x}-{len(raw):x}"', "Cache-Control": "no-cache"}
    if headers["ETag"] in known_etags(request):
        return Response(status_code=304, headers=headers)
    body = await _run(served, raw, partial(served.evaluate_all_for_ofrep, target, attributes))
    return Response(body, media_type="application/json", headers=headers)


async def _compiled_environment(request: Request, key: SdkKey) -> ServedEnvironment:
    """The environment, ready to evaluate. Compiling takes too long for the thread that answers all requests."""
    served = await environment_of(request, key)
    if not served.is_compiled:
        await run_in_threadpool(served.compile)
    return served


async def _run(served: ServedEnvironment, raw: bytes, evaluate: Callable[[], _Result]) -> _Result:
    """Evaluate; where that may take long, not in the thread that answers all requests."""
    if len(raw) * _LONGER_AS_TEXT > served.snapshot.longest_text:
        return await run_in_threadpool(evaluate)
    return evaluate()


async def _read_context(request: Request) -> tuple[str, dict[str, Any], bytes]:
    """The targeting key, the other attributes, and the body that they were sent in."""
    raw = await request.body()
    try:
        context = _BODY.read(raw).context
    except MalformedJson as error:
        raise _Refused("PARSE_ERROR", error.message) from None
    except InvalidInput:
        raise _Refused("INVALID_CONTEXT", "The body needs a context, which is an object.") from None
    target = context.pop("targetingKey", None)
    if target is None or target == "":
        raise _Refused("TARGETING_KEY_MISSING", "The context needs a targetingKey: who the flag is evaluated for.")
    if not isinstance(target, str) or len(target) > _MAX_CHARACTERS:
        raise _Refused("INVALID_CONTEXT", f"The targetingKey is a text of at most {_MAX_CHARACTERS} characters.")
    return target, context, raw
