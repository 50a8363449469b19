"""Agents over HTTP. Their own WebSocket is in `connections`."""

from __future__ import annotations

from fastapi import APIRouter

from moorage.server.accounts.authentication import Signed
from moorage.server.agents import registration, schemas, services, settings
from moorage.server.http.context import ServerCore

api = APIRouter(prefix="/agents", tags=["agents"])


@api.get("")
async def list_agents(core: ServerCore, actor: Signed) -> schemas.Agents:
    return schemas.Agents(items=await services.list_agents(core, actor))


@api.post("", status_code=201)
async def add_agent(core: ServerCore, actor: Signed, body: schemas.AddAgent) -> schemas.NewAgent:
    return await registration.add_agent(core, actor, body)


@api.get("/{name}")
async def get_agent(core: ServerCore, actor: Signed, name: str) -> schemas.Agent:
    return await services.get_agent(core, actor, name)


@api.patch("/{name}")
async def change_agent(
    core: ServerCore, actor: Signed, name: str, body: schemas.ChangeAgent
) -> schemas.Agent:
    return await registration.change_agent(core, actor, name, body)


@api.delete("/{name}", status_code=204)
async def remove_agent(core: ServerCore, actor: Signed, name: str) -> None:
    await registration.remove_agent(core, actor, name)


@api.post("/{name}/token", status_code=201)
async def rotate_token(
    core: ServerCore, actor: Signed, name: str, body: schemas.RotateToken | None = None
) -> schemas.NewAgent:
    return await registration.rotate_token(core, actor, name, body.only if body else None)


@api.delete("/{name}/token")
async def revoke_token(core: ServerCore, actor: Signed, name: str) -> schemas.Agent:
    return await registration.revoke_token(core, actor, name)


@api.get("/{name}/settings")
async def get_settings(
    core: ServerCore, actor: Signed, name: str, version: int | None = None
) -> schemas.WorkspaceSettings:
    return await settings.get_settings(core, actor, name, version)


@api.get("/{name}/settings/versions")
async def list_settings_versions(
    core: ServerCore, actor: Signed, name: str
) -> schemas.SettingsVersions:
    return schemas.SettingsVersions(items=await settings.list_versions(core, actor, name))


@api.put("/{name}/settings")
async def set_settings(
    core: ServerCore, actor: Signed, name: str, body: schemas.SetSettings
) -> schemas.WorkspaceSettings:
    return await settings.set_settings(core, actor, name, body.text, body.version)
