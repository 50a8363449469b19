"""A domain of one's own, added as docs/architecture.md says ("How to add a domain")."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fastapi import APIRouter
from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from starlette.requests import Request
from starlette.responses import Response

from integration.server.harness import Server, eventually, new_home, serving
from moorage.server import cleaning
from moorage.server.accounts.authentication import Signed
from moorage.server.authorization import INSTALLATION, Action, require
from moorage.server.core import Core
from moorage.server.domain import Domain, Link
from moorage.server.domains import DOMAINS
from moorage.server.http.context import ServerCore
from moorage.server.main import running_core
from moorage.server.settings import Settings
from moorage.server.storage.changes import Changed
from moorage.server.storage.database import announce
from moorage.server.web import pages
from moorage.server.web.pages import Visitor

DAY = 86400.0


# --------------------------------------------------------------------------------------- the domain
class OwnBase(DeclarativeBase):
    """In place of `storage.database.Base`, whose tables are held to the migrations."""


class Berth(OwnBase):
    __tablename__ = "berths"

    name: Mapped[str] = mapped_column(primary_key=True)
    expires_at: Mapped[float]


class BerthChanged(Changed, frozen=True, tag="berth"):
    name: str


class Heard(list[str]):
    """The names of berths that the domain's background work was told of."""


api = APIRouter(prefix="/berths")
router = APIRouter()


@api.get("")
async def list_berths(core: ServerCore, actor: Signed) -> list[str]:
    async with core.database.read() as session:
        return list(await session.scalars(select(Berth.name).order_by(Berth.name)))


@api.post("/{name}", status_code=201)
async def add_berth(core: ServerCore, actor: Signed, name: str) -> None:
    require(actor, Action.MANAGE_AGENTS, INSTALLATION)
    async with core.database.write() as session:
        await session.execute(insert(Berth).values(name=name, expires_at=core.clock.now() + DAY))
        announce(session, BerthChanged(name=name))


@router.get("/berths")
async def berths_page(request: Request, actor: Visitor) -> Response:
    return pages.page(
        request, "theme/message.html", actor=actor, title="Berths", message="", hint=""
    )


async def listen(core: Core) -> None:
    with core.changes.subscribe(BerthChanged) as changes:
        while True:
            core.part(Heard).extend(
                c.name for c in await changes.next() if isinstance(c, BerthChanged)
            )


async def delete_expired(core: Core, session: AsyncSession) -> None:
    await session.execute(delete(Berth).where(Berth.expires_at < core.clock.now()))


BERTHS = Domain(
    name="berths",
    api=(api,),
    pages=(router,),
    background={"server.berths": listen},
    expired=(delete_expired,),
    navigation=(Link("/berths", "Berths"), Link("/berths/all", "All berths", Action.MANAGE_AGENTS)),
    changes=(BerthChanged,),
    parts=lambda _core: (Heard(),),
)
# ------------------------------------------------------------------------------------ the end of it


@pytest.fixture
async def server(folder: Path, database: str) -> AsyncIterator[Server]:
    settings = Settings(database=database)
    async with (
        running_core(new_home(folder), settings) as core,
        core.database.engine.begin() as connection,
    ):
        await connection.run_sync(OwnBase.metadata.create_all)  # as a migration does
    async with serving(folder, settings, domains=(*DOMAINS, BERTHS)) as server:
        yield server


async def test_it_is_served_listed_expired_and_authorized(server: Server) -> None:
    """Its routes and pages answer, its link is in the navigation of who may follow it, its
    notifications arrive at its own work (also by way of PostgreSQL), and what has expired is
    deleted with the rest."""
    ann = await server.user("ann")
    assert (await server.call("POST", "/api/v1/berths/a", ann)).status_code == 403
    assert (await server.call("GET", "/api/v1/berths", "")).status_code == 401
    assert (await server.post("/berths/a", None)).status_code == 201
    assert (await server.get("/berths")).json() == ["a"]

    async def heard() -> bool:
        return server.core.part(Heard) == ["a"]

    await eventually(heard)
    for name, links in (("admin", ["Berths", "All berths"]), ("ann", ["Berths"])):
        async with server.client(None, cookies={"moorage": await server.session(name)}) as client:
            page = (await client.get("/berths", headers={"Accept": "text/html"})).text
        assert re.findall(r'href="/berths[^"]*"[^>]*>([^<]*)<', page) == links
    server.clock.ahead = 2 * DAY
    await cleaning.clean(server.core, (*DOMAINS, BERTHS))
    async with server.core.database.read() as session:
        assert (await session.scalars(select(Berth.name))).all() == []
