"""Signing in by a one-time link, and signing out."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import Response

from moorage.kernel.errors import MoorageError
from moorage.server.accounts import authentication, cookies, links, sessions
from moorage.server.accounts.authentication import MaybeSigned
from moorage.server.core import Core
from moorage.server.http.context import ServerCore, address_of
from moorage.server.web import forms, pages

router = APIRouter()

ANYWHERE = "*"
"""After signing in, a browser is led on to a gateway and to a workspace's host; it checks the
form's policy at each step."""


@router.get("/sign-in")
async def sign_in_page(
    request: Request,
    core: ServerCore,
    actor: MaybeSigned,
    next: str = "/",  # noqa: A002 - the address's word
) -> Response:
    """How to sign in; whoever is signed in goes on at once."""
    if actor is not None and actor.session:
        return pages.redirect(forms.safe_next(next))
    return _page(request, core, next, ended=await authentication.ending(request))


@router.post("/sign-in")
async def sign_in(
    request: Request,
    core: ServerCore,
    link: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "/",  # noqa: A002
) -> Response:
    """Signs in with a link or code that was pasted."""
    return await _sign_in(request, core, forms.token_of(link), next, shown=link)


@router.get("/sign-in/link/{token}")
async def link_page(request: Request, core: ServerCore, token: str, next: str = "/") -> Response:  # noqa: A002
    """Shows a button: what merely looks at a link (a preview, a scanner) must not use it up."""
    try:
        user = await links.find_sign_in_link(core, token)
    except MoorageError as error:
        return _page(request, core, next, error=error)
    return pages.page(
        request,
        "sign_in_link.html",
        form_action=ANYWHERE,
        name=user.name,
        token=token,
        next=forms.safe_next(next),
    )


@router.post("/sign-in/link/{token}")
async def use_link(
    request: Request,
    core: ServerCore,
    token: str,
    next: Annotated[str, Form()] = "/",  # noqa: A002
) -> Response:
    return await _sign_in(request, core, token, next)


@router.post("/sign-out")
async def sign_out(core: ServerCore, actor: MaybeSigned) -> Response:
    if actor is not None:
        await sessions.sign_out(core, actor)
    response = pages.redirect("/sign-in?done=signed-out")
    cookies.clear_session(response, core)
    return response


async def _sign_in(
    request: Request, core: Core, token: str, then: str, shown: str = ""
) -> Response:
    try:
        signed_in = await links.sign_in_with_link(core, token, address_of(request))
    except MoorageError as error:
        return _page(request, core, then, error=error, link=shown)
    response = pages.redirect(forms.safe_next(then))
    cookies.set_session(response, core, signed_in)
    return response


def _page(
    request: Request,
    core: Core,
    then: str,
    *,
    error: MoorageError | None = None,
    link: str = "",
    ended: str = "",
) -> Response:
    return pages.page(
        request,
        "sign_in.html",
        status=error.status if error else 200,
        form_action=ANYWHERE,
        next=forms.safe_next(then),
        link=link,
        error=str(error) if error else "",
        ended=ended,
        minutes=f"{core.settings.sign_in_link_minutes:g}",
    )
