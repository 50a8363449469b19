"""Users, their API tokens and sign-in links over HTTP."""

from __future__ import annotations

from fastapi import APIRouter

from moorage.server.accounts import links, schemas, services, tokens
from moorage.server.accounts.authentication import Signed
from moorage.server.http.context import ServerCore

api = APIRouter(tags=["accounts"])


@api.get("/me")
async def me(actor: Signed) -> schemas.Me:
    return schemas.Me(id=actor.user_id, name=actor.name, role=actor.role)


@api.get("/users")
async def list_users(core: ServerCore, actor: Signed) -> schemas.Users:
    return schemas.Users(items=await services.list_users(core, actor))


@api.post("/users", status_code=201)
async def add_user(core: ServerCore, actor: Signed, body: schemas.AddUser) -> schemas.User:
    return await services.add_user(core, actor, body.name, body.role)


@api.patch("/users/{name}")
async def change_user(
    core: ServerCore, actor: Signed, name: str, body: schemas.ChangeUser
) -> schemas.User:
    return await services.change_role(core, actor, name, body.role)


@api.post("/users/{name}/block")
async def block_user(core: ServerCore, actor: Signed, name: str) -> schemas.User:
    return await services.set_blocked(core, actor, name, blocked=True)


@api.post("/users/{name}/unblock")
async def unblock_user(core: ServerCore, actor: Signed, name: str) -> schemas.User:
    return await services.set_blocked(core, actor, name, blocked=False)


@api.post("/users/{name}/sign-in-links", status_code=201)
async def create_sign_in_link(core: ServerCore, actor: Signed, name: str) -> schemas.SignInLink:
    return await links.create_sign_in_link(core, actor, name)


@api.get("/users/{name}/tokens")
async def list_tokens(core: ServerCore, actor: Signed, name: str) -> schemas.Tokens:
    return schemas.Tokens(items=await tokens.list_tokens(core, actor, name))


@api.post("/users/{name}/tokens", status_code=201)
async def create_token(
    core: ServerCore, actor: Signed, name: str, body: schemas.CreateToken
) -> schemas.NewToken:
    return await tokens.create_token(core, actor, name, body.label, body.days)


@api.delete("/users/{name}/tokens/{token_id}", status_code=204)
async def delete_token(core: ServerCore, actor: Signed, name: str, token_id: int) -> None:
    await tokens.delete_token(core, actor, name, token_id)
