"""Errors as `application/problem+json` (RFC 9457): the one place where an error becomes an HTTP
answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from moorage.kernel import log
from moorage.kernel.errors import InvalidInput, MoorageError
from moorage.server.authorization import NotPermitted
from moorage.server.http.context import request_id_of

_log = log.get(part="server.http")

MEDIA_TYPE = "application/problem+json"
_TITLES = {
    400: "The request is not understood",
    401: "Not signed in",
    403: "Not allowed",
    404: "Not found",
    405: "Not possible here",
    409: "A contradiction",
    413: "Too large",
    415: "Of another kind than expected",
    422: "Not accepted",
    429: "A limit is reached",
    500: "Something went wrong in Moorage",
    503: "Not available",
}
_CODES = {
    400: "bad-request",
    404: "not-found",
    405: "method-not-allowed",
    413: "too-large",
    415: "unsupported-media-type",
}

Problem = dict[str, Any]
"""`type`, `title`, `status`, `code`, `detail`, `hint`, `request_id`, and, where they apply,
`field`, `problems`."""


def problem_of(error: Exception, request_id: str) -> Problem:
    """Makes the problem that an error tells a client. Of errors that nobody foresaw, it says
    nothing but the request's id."""
    if isinstance(error, MoorageError):
        extra: dict[str, Any] = dict(error.details)
        if isinstance(error, InvalidInput) and error.field:
            extra["field"] = error.field
        return _problem(
            error.status,
            error.code,
            error.message,
            hint=error.hint,
            request_id=request_id,
            extra=extra,
        )
    if isinstance(error, RequestValidationError):
        return _of_validation(error, request_id)
    if isinstance(error, HTTPException):
        code = _CODES.get(error.status_code, "http-error")
        return _problem(error.status_code, code, _sentence(error), request_id=request_id)
    message = "Moorage could not do this because of an error of its own."
    hint = f"The server's log says more about the request {request_id}."
    return _problem(500, "internal", message, hint=hint, request_id=request_id)


RenderProblem = Callable[[Request, Problem], Response]
"""Makes a page of an error of a page request."""
HearRefused = Callable[[Request, NotPermitted], Awaitable[None]]
"""Is told what the table refused to whom."""


def install(
    app: FastAPI, render: RenderProblem | None = None, refused: HearRefused | None = None
) -> None:
    """Every error that a route raises, and FastAPI's own, becomes a problem. `render`: of pages,
    when there are any."""
    app.state.render_problem = render
    app.state.refused = refused
    for kind in (MoorageError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, answer)


async def answer(request: Request, error: Exception) -> Response:
    """Somebody's mistake is an answer; a fault of this installation is a line in its log too."""
    if isinstance(error, MoorageError) and error.status >= 500 and error.__cause__ is not None:
        _log.warning(
            "not served",
            path=request.scope["path"],
            code=error.code,
            cause=repr(error.__cause__)[:500],
        )
    if isinstance(error, NotPermitted) and request.app.state.refused is not None:
        await request.app.state.refused(request, error)
    problem = problem_of(error, request_id_of(request.scope))
    headers = dict(getattr(error, "headers", None) or {})
    if problem["status"] == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if request.scope["type"] == "http" and _is_page(request):
        render: RenderProblem | None = request.app.state.render_problem
        if render is not None:
            page = render(request, problem)
            page.headers.update(headers)
            return page
    return JSONResponse(problem, problem["status"], headers=headers, media_type=MEDIA_TYPE)


def _problem(
    status: int,
    code: str,
    detail: str,
    *,
    request_id: str,
    hint: str = "",
    extra: Problem | None = None,
) -> Problem:
    return (extra or {}) | {
        "type": "about:blank",
        "title": _TITLES.get(status, "Error"),
        "status": status,
        "code": code,
        "detail": detail,
        "hint": hint,
        "request_id": request_id,
    }


def _of_validation(error: RequestValidationError, request_id: str) -> Problem:
    problems = []
    for item in error.errors():
        place = ".".join(str(part) for part in item["loc"] if part not in ("body", "query", "path"))
        problems.append({"field": place, "message": item["msg"]})
    if any(item["type"] == "json_invalid" for item in error.errors()):
        return _problem(
            400,
            "bad-request",
            "The body is no JSON.",
            hint=problems[0]["message"],
            request_id=request_id,
        )
    first = problems[0]
    detail = f"{first['field']}: {first['message']}." if first["field"] else f"{first['message']}."
    return _problem(
        422,
        "invalid-input",
        detail,
        request_id=request_id,
        extra={"field": first["field"], "problems": problems},
    )


def _sentence(error: HTTPException) -> str:
    if error.status_code == 404:
        return "There is nothing at this address."
    if error.status_code == 405:
        return "This address does not take this method."
    return f"{str(error.detail).rstrip('.')}."


def _is_page(request: Request) -> bool:
    if request.url.path.startswith(("/api/", "/internal/")):
        return False
    return "text/html" in request.headers.get("accept", "")
