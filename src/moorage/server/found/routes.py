"""Found workspaces over HTTP."""

from __future__ import annotations

from fastapi import APIRouter

from moorage.server.accounts.authentication import Signed
from moorage.server.found import adoption, schemas, services
from moorage.server.http.context import ServerCore
from moorage.server.workspaces import schemas as workspaces

api = APIRouter(prefix="/agents/{agent}/found", tags=["agents"])


@api.get("")
async def list_found(core: ServerCore, actor: Signed, agent: str) -> schemas.FoundList:
    """Whoever asks counts as having been shown it: from then on its days count."""
    return schemas.FoundList(items=await services.list_found(core, actor, agent))


@api.post("/{name}/adopt", status_code=201)
async def adopt(
    core: ServerCore, actor: Signed, agent: str, name: str, body: schemas.Adopt
) -> workspaces.Workspace:
    return await adoption.adopt(core, actor, agent, name, body)


@api.delete("/{name}", status_code=202)
async def remove(
    core: ServerCore, actor: Signed, agent: str, name: str, mark: str
) -> schemas.Found:
    """`mark`: of what is to be removed, so that it hits nothing else."""
    return await services.remove_found(core, actor, agent, name, mark)
