"""Users, their API tokens and sign-in links; and the one page of sign-in that gateways send browsers to."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from moorage.contract.gateway import AUTHORIZE_PATH
from moorage.kernel.errors import InvalidInput
from moorage.server.accounts import schemas, services
from moorage.server.authorization import Actor
from moorage.server.http import context
from moorage.server.http.context import Signed, State
from moorage.server.routing.services import callbacks

api = APIRouter(tags=["accounts"])
pages = APIRouter(include_in_schema=False)


@api.get("/me")
async def me(actor: Signed) -> schemas.Me:
    return schemas.Me(id=actor.user_id, name=actor.name, role=actor.role)


@api.get("/users")
async def list_users(state: State, actor: Signed) -> schemas.Users:
    return schemas.Users(items=await services.list_users(state, actor))


@api.post("/users", status_code=201)
async def add_user(state: State, actor: Signed, body: schemas.AddUser) -> schemas.User:
    return await services.add_user(state, actor, body.name, body.role)


@api.post("/users/{name}/block")
async def block_user(state: State, actor: Signed, name: str) -> schemas.User:
    return await services.set_blocked(state, actor, name, blocked=True)


@api.post("/users/{name}/unblock")
async def unblock_user(state: State, actor: Signed, name: str) -> schemas.User:
    return await services.set_blocked(state, actor, name, blocked=False)


@api.post("/users/{name}/sign-in-links", status_code=201)
async def create_sign_in_link(state: State, actor: Signed, name: str) -> schemas.SignInLink:
    return await services.create_sign_in_link(state, actor, name)


@api.get("/users/{name}/tokens")
async def list_tokens(state: State, actor: Signed, name: str) -> schemas.Tokens:
    return schemas.Tokens(items=await services.list_tokens(state, actor, name))


@api.post("/users/{name}/tokens", status_code=201)
async def create_token(state: State, actor: Signed, name: str, body: schemas.CreateToken) -> schemas.NewToken:
    return await services.create_token(state, actor, name, body.label, body.days)


@api.delete("/users/{name}/tokens/{token_id}", status_code=204)
async def delete_token(state: State, actor: Signed, name: str, token_id: int) -> None:
    await services.delete_token(state, actor, name, token_id)


@pages.get(AUTHORIZE_PATH)
async def authorize(
    request: Request,
    state: State,
    actor: Annotated[Actor | None, Depends(context.actor_or_none)],
    redirect_uri: str = "",
) -> Response:
    """Hands the browser's session over to the gateway at `redirect_uri`, after signing in when nobody is.

    The `state` parameter is the gateway's own affair and goes back to it untouched.
    """
    if redirect_uri not in await callbacks(state):
        raise InvalidInput(
            "The address to go back to belongs to no gateway of this installation.",
            code="redirect-unknown",
            field="redirect_uri",
        )
    if actor is None or not actor.session:
        here = quote(f"{request.url.path}?{request.url.query}", safe="")
        return _redirect(f"/sign-in?next={here}")
    code = await services.create_code(state, actor, redirect_uri)
    answer = urlencode({"code": code, "state": request.query_params.get("state", "")})
    return _redirect(f"{redirect_uri}?{answer}")


def _redirect(url: str) -> RedirectResponse:
    return RedirectResponse(url, 302, headers={"Cache-Control": "no-store"})
