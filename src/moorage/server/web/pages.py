"""Renders pages: what all of them have in common, and errors in the same look."""

from __future__ import annotations

from typing import Annotated, Any, cast

from fastapi import Depends
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from moorage import theme
from moorage.kernel import gzip
from moorage.server.accounts import authentication
from moorage.server.authorization import INSTALLATION, Person, may
from moorage.server.domain import Link
from moorage.server.web import forms

_templates = theme.environment("moorage.server.web", assets_at="/assets")
_ERRORS = {
    400: "This was not understood",
    403: "This is not yours to do",
    404: "Nothing is moored here",
    405: "This is not possible here",
    409: "This contradicts what is there",
    413: "This is too large",
    422: "This is not accepted",
    429: "A limit is reached",
    503: "Something does not answer",
}


async def visitor(request: Request) -> Person:
    """Tells who looks at the page; remembered for the page that tells of an error. Raises
    `NotSignedIn`."""
    actor = await authentication.actor(request)
    request.state.visitor = actor
    return actor


Visitor = Annotated[Person, Depends(visitor)]


def page(
    request: Request,
    template: str,
    *,
    actor: Person | None = None,
    status: int = 200,
    form_action: str = "'self'",
    **values: Any,
) -> Response:
    """A whole page. `form_action`: see `theme.content_security_policy`."""
    done = request.query_params.get("done", "")
    common = {
        "user": actor.name if actor else None,
        "nav": _navigation(request, actor),
        "documentation": request.app.state.documentation,
        "notice": {"tone": "good", "text": forms.NOTICES[done]} if done in forms.NOTICES else None,
    }
    html = theme.render(_templates, template, **{**common, **values})
    headers = {
        "Cache-Control": "no-store",
        "Content-Security-Policy": theme.content_security_policy(form_action=form_action),
    }
    body = html.encode()
    if _may_be_compressed(request, actor, status, body):
        body, headers["Content-Encoding"] = gzip.compressed(body), "gzip"
    headers["Vary"] = "Accept-Encoding"
    return HTMLResponse(body, status, headers=headers)


def _may_be_compressed(request: Request, actor: Person | None, status: int, body: bytes) -> bool:
    """Whether the page's length may tell what is in it (BREACH). Never where words of the request
    stand in it (a query, a form, an error), or a secret does: those are shown once, after a form,
    or to people who are not signed in yet. There is no token against forged requests on any page;
    the browser's `Origin` stands in its place."""
    plain = request.method == "GET" and not request.url.query and status == 200
    accepted = gzip.is_accepted(request.headers.get("accept-encoding", ""))
    return plain and accepted and actor is not None and len(body) >= gzip.SMALLEST


def fragment(template: str, **values: Any) -> str:
    """The part of a page that its live stream sends anew."""
    return _templates.get_template(template).render(values)


def redirect(address: str) -> Response:
    """On to another page, after a form."""
    return RedirectResponse(address, 303, headers={"Cache-Control": "no-store"})


def render_problem(request: Request, problem: dict[str, Any]) -> Response:
    """An error of a page request, as a page. Who is not signed in is sent to sign in, and comes
    back afterwards."""
    status = int(problem["status"])
    if status == 401:
        safe = request.method in ("GET", "HEAD")
        return redirect(
            forms.sign_in_address(request.url.path, request.url.query) if safe else "/sign-in"
        )
    return page(
        request,
        "theme/message.html",
        actor=getattr(request.state, "visitor", None),
        status=status,
        title=_ERRORS.get(status, "Something went wrong in Moorage"),
        message=problem["detail"],
        hint=problem["hint"],
        code=str(status),
        request_id=problem["request_id"],
        actions=[{"href": "/", "label": "To your workspaces"}],
    )


def _navigation(request: Request, actor: Person | None) -> list[dict[str, Any]]:
    if actor is None:
        return []
    path, links = request.url.path, cast("tuple[Link, ...]", request.app.state.navigation)
    return [
        {
            "href": link.href,
            "label": link.label,
            "current": path == link.href or (link.href != "/" and path.startswith(f"{link.href}/")),
        }
        for link in links
        if link.action is None or may(actor, link.action, INSTALLATION)
    ]
