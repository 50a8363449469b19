"""The audit log over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import StreamingResponse

from moorage.server.accounts.authentication import Signed
from moorage.server.audit_log import schemas, services
from moorage.server.http.context import ServerCore

api = APIRouter(prefix="/audit", tags=["audit"])


@api.get("")
async def list_audit(
    core: ServerCore, actor: Signed, asked: Annotated[schemas.Asked, Query()]
) -> schemas.LogPage:
    return await services.list_entries(core, actor, asked)


@api.get(
    "/export",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/x-ndjson": {}}, "description": "JSON lines"}},
)
async def export_audit(
    core: ServerCore, actor: Signed, wanted: Annotated[schemas.Wanted, Query()]
) -> StreamingResponse:
    """All that fit, the newest first: an entry a line, as in the list."""
    lines = await services.export(core, actor, wanted)
    return StreamingResponse(
        lines,
        media_type="application/x-ndjson",
        headers={"Content-Disposition": 'attachment; filename="audit.jsonl"'},
    )


@api.get("/check")
async def check_audit(
    core: ServerCore,
    actor: Signed,
    number: int | None = None,
    hash: str = "",  # noqa: A002
) -> schemas.LogCheck:
    """Whether entries are as they were written, and none is missing. `number`, `hash`: of an entry,
    as they were noted before."""
    return await services.check(core, actor, number, hash)
