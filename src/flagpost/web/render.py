"""The one place that turns errors into answers: a page for people, JSON for programs.

Split's paths get Split's body (`code`, `message`, `details`, `transactionId`), OpenFeature's their `errorDetails`,
Flagpost's own ``{"error": …}``.
"""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from flagpost.errors import DatabaseUnavailable, FlagpostError, InvalidInput, NotSignedIn, Problem, TooManyRequests
from flagpost.web.metrics_middleware import route_template
from flagpost.web.templating import page

log = structlog.get_logger(__name__)

SPLIT_PATHS = ("/internal/api/", "/api/v3/")
OWN_API_PATHS = ("/api/", "/forge/", "/webhooks/", "/sdk/", "/metrics")


def install_error_handlers(app: FastAPI) -> None:
    """Have every error of this application answered here."""
    for kind, handler in HANDLERS.items():
        app.add_exception_handler(kind, handler)
    app.add_exception_handler(Exception, _unknown)


def _known(request: Request, error: Exception) -> Response:
    assert isinstance(error, FlagpostError)  # noqa: S101 - registered for these
    if error.status >= 500:
        reason = error.reason if isinstance(error, DatabaseUnavailable) else ""
        log.error("request.failed", route=route_template(request.scope), error=error.message, reason=reason)
    return answer(request, error)


def _malformed(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    problems = [Problem(_path(one["loc"]), str(one["msg"])) for one in error.errors()]
    return answer(request, InvalidInput(problems))


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    known = FlagpostError({404: "There is no such page.", 405: "That cannot be done here."}.get(error.status_code))
    known.status = error.status_code
    response = answer(request, known)
    response.headers.update(error.headers or {})
    return response


def _unknown(request: Request, error: Exception) -> Response:
    log.error("request.crashed", route=route_template(request.scope), exc_info=error)
    return answer(
        request, FlagpostError("Something went wrong in Flagpost. The log says more, under the request's id.")
    )


HANDLERS: dict[Any, Callable[[Request, Exception], Response]] = {
    FlagpostError: _known,
    RequestValidationError: _malformed,
    HTTPException: _http,
}
"""What answers an error that is foreseen, by its kind."""


def answer(request: Request, error: FlagpostError) -> Response:
    """The answer to a request that ended with this error."""
    path = request.url.path.replace("//", "/")
    if path.startswith(SPLIT_PATHS):
        response: Response = JSONResponse(_split_body(request, error), error.status)
    elif path.startswith("/ofrep/"):
        response = JSONResponse({"errorDetails": error.message}, error.status)
    elif path.startswith(OWN_API_PATHS):
        response = JSONResponse({"error": _own_body(error)}, error.status)
    elif isinstance(error, NotSignedIn):
        return _to_sign_in(request)
    else:
        response = page(request, "error.html", status=error.status, error=error)
    if isinstance(error, TooManyRequests | DatabaseUnavailable):
        response.headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, NotSignedIn):
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _split_body(request: Request, error: FlagpostError) -> dict[str, Any]:
    details = _problems(error)
    return {
        "code": error.status,
        "message": error.message,
        "details": json.dumps(details, ensure_ascii=False) if details else "",
        "transactionId": request.state.request_id,
    }


def _own_body(error: FlagpostError) -> dict[str, Any]:
    problems = _problems(error)
    return {"message": error.message, **({"problems": problems} if problems else {})}


def _problems(error: FlagpostError) -> list[dict[str, str]]:
    found = error.problems if isinstance(error, InvalidInput) else []
    return [{"path": problem.path, "message": problem.message} for problem in found]


def _to_sign_in(request: Request) -> Response:
    """Whoever is not signed in signs in, and lands where they were going."""
    if request.headers.get("hx-request"):
        return Response(status_code=401, headers={"HX-Redirect": "/signin"})
    target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    where = f"?next={quote(target, safe='')}" if request.method == "GET" and target != "/" else ""
    return RedirectResponse(f"/signin{where}", 303)


def _path(location: tuple[int | str, ...]) -> str:
    """`("body", "projects", 0, "project")` as a person writes it: ``projects[0].project``."""
    parts = [part for part in location if part not in ("body", "query", "path", "header")]
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return text.removeprefix(".")
