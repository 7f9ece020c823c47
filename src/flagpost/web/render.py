"""The one place that turns errors into answers: a page for people, JSON for programs.

Below the paths of an API the answer is always that API's JSON: Split's body (`code`, `message`, `details`,
`transactionId`), OpenFeature's `errorDetails`, or Flagpost's own ``{"error": …}``. Everywhere else the Accept header
decides. Where a client has no preference, a console page answers with a page, and every other address with JSON:
programs ask for addresses that do not exist, and a page tells them nothing.
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
from flagpost.web.accept import weight
from flagpost.web.matched_route import allowed_methods, is_console_page, route_template
from flagpost.web.templating import page

log = structlog.get_logger(__name__)

SPLIT_PATHS = ("/internal/api/", "/api/v3/")
OFREP_PATH = "/ofrep/"
_MESSAGES = {404: "There is nothing at this address.", 405: "This address does not take this method."}
OWN_API_PATHS = ("/api/", "/forge/", "/webhooks/", "/sdk/", "/metrics")


def install_error_handlers(app: FastAPI) -> None:
    """Register the handlers of this module for every error of an application."""
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
    known = FlagpostError(_MESSAGES.get(error.status_code, error.detail))
    known.status = error.status_code
    response = answer(request, known)
    response.headers.update(error.headers or {})
    if error.status_code == 405 and (methods := allowed_methods(request)):
        response.headers["Allow"] = ", ".join(sorted(methods))
    return response


def _unknown(request: Request, error: Exception) -> Response:
    log.error("request.crashed", route=route_template(request.scope), exc_info=error)
    message = "Something went wrong in Flagpost. The log has the details under the id of this request."
    return answer(request, FlagpostError(message))


HANDLERS: dict[Any, Callable[[Request, Exception], Response]] = {
    FlagpostError: _known,
    RequestValidationError: _malformed,
    HTTPException: _http,
}
"""The handler of each kind of error that Flagpost or the framework raises on purpose."""


def answer(request: Request, error: FlagpostError) -> Response:
    """The answer to a request that ended with this error."""
    response = _in_format(request, error)
    if isinstance(error, TooManyRequests | DatabaseUnavailable):
        response.headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, NotSignedIn) and response.status_code == error.status:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _in_format(request: Request, error: FlagpostError) -> Response:
    path = request.url.path.replace("//", "/")
    if path.startswith(SPLIT_PATHS):
        return JSONResponse(_split_body(request, error), error.status)
    if path.startswith(OFREP_PATH):
        return JSONResponse({"errorDetails": error.message}, error.status)
    if path.startswith(OWN_API_PATHS):
        return JSONResponse({"error": _own_body(error)}, error.status)
    if not _prefers_page(request):
        response: Response = JSONResponse({"error": _own_body(error)}, error.status)
    elif isinstance(error, NotSignedIn):
        return _to_sign_in(request)
    else:
        response = page(request, "error.html", status=error.status, error=error)
    response.headers["Vary"] = "Accept"
    return response


def _prefers_page(request: Request) -> bool:
    accept = ",".join(request.headers.getlist("accept"))
    html, json_ = weight(accept, "text/html"), weight(accept, "application/json")
    return html >= json_ if is_console_page(request.scope) else html > json_


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
    """To the sign-in page, which leads back to the page that was asked for."""
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
