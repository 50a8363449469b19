"""The server as a process: starts, kills, versions, replicas, and what it costs."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx
import msgspec
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, select, text

from integration.server.harness import (
    ADMIN,
    AGENT,
    LOOPBACK,
    ORIGIN,
    Server,
    events,
    eventually,
    new_home,
    serving,
)
from integration.server.postgres import Postgres
from moorage.contract import ActualState, WorkspaceSpec
from moorage.contract import agent as contract
from moorage.kernel.errors import Misconfigured
from moorage.kernel.home import Home
from moorage.kernel.ids import fingerprint
from moorage.server.main import running_core
from moorage.server.migrations import runner
from moorage.server.models import Base
from moorage.server.settings import Settings
from moorage.server.setup import set_up
from moorage.server.storage.address import database_address
from moorage.server.storage.changes import LocalChanges
from moorage.server.storage.database import Database, make_engine
from moorage.server.workspaces.models import Workspace


@contextmanager
def process(home: Home, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m moorage.server`, ended by SIGKILL if it still runs at the end."""
    environment = {
        **os.environ,
        **{f"MOORAGE_SERVER_{name.upper()}": value for name, value in settings.items()},
    }
    log = home.logs / "server.log"
    with log.open("ab") as output:
        started = subprocess.Popen(
            [sys.executable, "-m", "moorage.server", "--home", str(home.path)],
            env=environment,
            stderr=output,
        )
    try:
        yield started
    finally:
        started.kill()
        started.wait()


async def ready(home: Home, started: subprocess.Popen[bytes]) -> httpx.AsyncClient:
    """A client of the server, once it answers."""
    transport = httpx.AsyncHTTPTransport(uds=str(home.socket("server")))
    headers = {"Authorization": f"Bearer {ADMIN}"}
    client = httpx.AsyncClient(transport=transport, base_url=ORIGIN, headers=headers, timeout=10)

    async def answers() -> bool:
        assert started.poll() is None, (home.logs / "server.log").read_text()
        try:
            return (await client.get("/healthz")).status_code == 200
        except httpx.TransportError:
            return False

    await eventually(answers, 20)
    return client


def resident(pid: int) -> int:
    """MB."""
    return (
        int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        * os.sysconf("SC_PAGE_SIZE")
        // 1_000_000
    )


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@asynccontextmanager
async def two_replicas(folder: Path, url: str) -> AsyncIterator[tuple[Server, Server]]:
    async with (
        serving(folder / "a", Settings(database=url)) as one,
        serving(folder / "b", Settings(database=url)) as two,
    ):
        yield one, two


async def test_a_kill_loses_nothing(folder: Path, database: str, repository: str) -> None:
    """After kill -9, the next server has all that was answered, and its socket takes the old one's
    place."""
    home = new_home(folder)
    settings = {"repository_networks": ",".join(LOOPBACK)} | (
        {"database": database} if database else {}
    )
    with process(home, **settings) as first:
        client = await ready(home, first)
        made = (await client.post("/api/v1/workspaces", json={"repository": repository})).json()
        stopped = await client.post(f"/api/v1/workspaces/{made['name']}/stop")
        assert stopped.status_code == 202
        first.send_signal(signal.SIGKILL)
        first.wait()
        await client.aclose()
        with process(home, **settings) as second:
            client = await ready(home, second)
            found = (await client.get("/api/v1/workspaces")).json()["items"]
            assert [(item["name"], item["desired"], item["generation"]) for item in found] == [
                (made["name"], "Stopped", 2)
            ]
            await client.aclose()


async def test_ends_quickly_when_told(folder: Path, repository: str) -> None:
    """SIGTERM ends it within seconds, although somebody listens to events; the exit code is 0."""
    home = new_home(folder)
    with process(home) as running:
        client = await ready(home, running)
        async with client.stream("GET", "/api/v1/workspaces/events") as stream:
            await anext(stream.aiter_lines())
            started = time.monotonic()
            running.send_signal(signal.SIGTERM)
            await asyncio.to_thread(running.wait, 10)
            assert time.monotonic() - started < 3
        assert running.returncode == 0
        await client.aclose()


async def test_what_it_costs_to_be_there(folder: Path) -> None:
    """Idle, with a database that exists already: at most 120 MB, and under 2 % of a core even on a
    busy machine."""
    home = new_home(folder)
    for _ in range(2):
        with process(home) as running:
            client = await ready(home, running)
            await client.get("/api/v1/workspaces")
            before = processor_seconds(running.pid)
            await asyncio.sleep(3)
            spent = processor_seconds(running.pid) - before
            size = resident(running.pid)
            await client.aclose()
    assert size <= 120
    assert spent / 3 < 0.02


async def test_a_second_server_on_the_same_folder(folder: Path) -> None:
    """It says so and ends with the code for a misconfiguration; the first goes on."""
    home = new_home(folder)
    with process(home) as first:
        client = await ready(home, first)
        second = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "moorage.server",
            "--home",
            str(folder),
            stderr=asyncio.subprocess.PIPE,
        )
        _, words = await second.communicate()
        assert second.returncode == 9
        assert f"Another server runs on the state folder {folder}." in words.decode()
        assert (await client.get("/healthz")).status_code == 200
        await client.aclose()


def keys_of_sqlite(connection: Connection) -> set[tuple[str, ...]]:
    return {
        (table, key[3], f"{key[2]}.{key[4]}", key[6])
        for table in Base.metadata.tables
        for key in connection.execute(text(f"PRAGMA foreign_key_list({table})"))
    }


def keys_of_the_code() -> set[tuple[str, ...]]:
    return {
        (table.name, key.parent.name, key.target_fullname, key.ondelete or "NO ACTION")
        for table in Base.metadata.tables.values()
        for key in table.foreign_keys
    }


async def test_the_migrations_make_the_tables_that_the_code_has(
    folder: Path, database: str
) -> None:
    """Alembic finds no difference between a migrated database and the models."""

    def differences(connection: Connection) -> list[object]:
        found = list(compare_metadata(MigrationContext.configure(connection), Base.metadata))
        if connection.dialect.name != "sqlite":
            return found
        # What SQLAlchemy reads of a foreign key that came with a column lacks what happens on
        # deletion: SQLite itself is asked.
        others = [
            d for d in found if not (isinstance(d, tuple) and d[0] in ("add_fk", "remove_fk"))
        ]
        return [*others, *(keys_of_sqlite(connection) ^ keys_of_the_code())]

    async with (
        running_core(new_home(folder), Settings(database=database)) as state,
        state.database.engine.connect() as connection,
    ):
        assert await connection.run_sync(differences) == []


def first_schema(connection: Connection) -> None:
    """A database as the first version made it, with a workspace that runs and one that is
    stopped."""
    config = Config()
    config.set_main_option("script_location", str(Path(runner.__file__).parent))
    config.attributes["connection"] = connection
    command.upgrade(config, "0001")
    agent = f"1, 'local', '{fingerprint(AGENT)}', true, 'http://moorage.localhost:8080', '', '', '', false, 0, 1"
    columns = "id, name, fingerprint, enabled, zone_url, runtime, runtime_version, version, connected, last_seen, created_at"
    connection.execute(text(f"INSERT INTO agents ({columns}) VALUES ({agent})"))
    connection.execute(text("INSERT INTO users VALUES (1, 'admin', 'administrator', false, 1)"))
    for number, desired in ((1, "Running"), (2, "Stopped")):
        values = {
            "name": f"workspace-1-1-{number:06}", "title": f"app-{number}", "owner_id": 1, "agent_id": 1,
            "repository": "https://git.example.com/app", "ref": "", "commit": "c", "devfile_path": "d", "devfile": "",
            "spec": msgspec.json.encode(WorkspaceSpec(containers=(), main_container="")).decode(), "warnings": "[]", "desired": desired,
            "generation": 1, "restarts": 0, "created_at": 1.0, "updated_at": 1.0, "requested_at": 1.0,
            "requested_generation": 1, "state": desired, "actual_generation": 0, "actual": "",
        }  # fmt: skip
        names = ", ".join(f'"{name}"' for name in values)
        places = ", ".join(f":{name}" for name in values)
        connection.execute(text(f"INSERT INTO workspaces ({names}) VALUES ({places})"), values)
    connection.commit()


async def test_an_existing_database_is_upgraded(folder: Path, database: str) -> None:
    """What the first version stored is there afterwards; the time of what is stopped begins with
    the upgrade."""
    home = new_home(folder)
    engine = make_engine(database_address(database, home.database))
    async with engine.connect() as connection:
        await connection.run_sync(first_schema)
    await engine.dispose()
    before = time.time()
    async with serving(folder, Settings(database=database)) as server, server.agent() as agent:
        assert [w.name for w in agent.snapshot.workspaces] == [
            "workspace-1-1-000001",
            "workspace-1-1-000002",
        ]
        items = {item["title"]: item for item in (await server.get("/workspaces")).json()["items"]}
        assert {title: item["desired"] for title, item in items.items()} == {
            "app-1": "Running",
            "app-2": "Stopped",
        }
        async with server.core.database.read() as session:
            rows = {row.title: row.stopped_at for row in await session.scalars(select(Workspace))}
        assert rows["app-1"] is None
        assert before - 1 <= (rows["app-2"] or 0) <= time.time()


def with_tokens(connection: Connection) -> None:
    """As `first_schema`, with tokens and a session of two days ago."""
    first_schema(connection)
    began = time.time() - 2 * 86400
    tokens = {
        1: (ADMIN, "first administrator", None),
        2: ("theirs", "first administrator", None),
        3: ("short", "", began + 4 * 86400),
    }
    for number, (secret, label, expires_at) in tokens.items():
        values = {
            "id": number,
            "user_id": 1,
            "fingerprint": fingerprint(secret),
            "label": label,
            "created_at": began,
            "end": expires_at,
        }
        connection.execute(
            text(
                "INSERT INTO api_tokens VALUES (:id, :user_id, :fingerprint, :label, :created_at, :end)"
            ),
            values,
        )
    row = {"print": fingerprint("cookie"), "began": began, "end": time.time() + 100 * 86400}
    connection.execute(text("INSERT INTO sessions VALUES ('s', 1, :print, :began, :end)"), row)
    connection.commit()


async def test_tokens_and_sessions_of_before_are_kept_within_what_is_stricter(
    folder: Path, database: str
) -> None:
    """They work on. A token without an end gets one, but for the state folder's; a session ends
    seven days after it began."""
    home = new_home(folder)
    engine = make_engine(database_address(database, home.database))
    async with engine.connect() as connection:
        await connection.run_sync(with_tokens)
    await engine.dispose()
    now = time.time()
    async with serving(folder, Settings(database=database)) as server:
        for token in (ADMIN, "theirs", "short"):
            assert (await server.get("/me", token)).json()["name"] == "admin"
        listed = (await server.get("/users/admin/tokens")).json()["items"]
        ends = [item["expires_at"] and round((item["expires_at"] - now) / 86400) for item in listed]
        assert ends == [None, 365, 2]
        async with server.client(None, cookies={"moorage": "cookie"}) as client:
            assert (await client.get("/api/v1/me")).status_code == 200
            server.clock.ahead = 5 * 86400 + 60
            assert (await client.get("/api/v1/me")).json()["code"] == "session-ended"


def as_newer(home: Home, url: str, postgres: Postgres | None) -> None:
    sql = "UPDATE alembic_version SET version_num = '9999'"
    if postgres is not None:
        postgres.execute(url, sql)
        return
    connection = sqlite3.connect(home.database)
    connection.execute(sql)
    connection.commit()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


async def test_a_database_of_a_newer_version(
    folder: Path, database: str, request: pytest.FixtureRequest
) -> None:
    """Refused with both versions named, and nothing in it is touched."""
    home = new_home(folder)
    async with running_core(home, Settings(database=database)):
        pass
    as_newer(home, database, request.getfixturevalue("postgres") if database else None)
    before = home.database.read_bytes() if not database else b""
    with pytest.raises(Misconfigured) as refused:
        async with running_core(home, Settings(database=database)):
            pass
    assert refused.value.code == "database-newer"
    assert refused.value.message == (
        "The database is from a newer version of Moorage: it has revision 9999, and this one knows"
        f" {runner.HEAD}."
    )
    assert (home.database.read_bytes() if not database else b"") == before


async def test_databases_that_are_none_of_moorages(folder: Path, postgres: Postgres) -> None:
    """A foreign database, a file that is none, and a server that is not there are refused in plain
    words."""
    home = new_home(folder)
    url = postgres.new_database()
    postgres.execute(url, "CREATE TABLE theirs (id int)")
    with pytest.raises(Misconfigured) as refused:
        async with running_core(home, Settings(database=url)):
            pass
    assert refused.value.message == "The database holds tables, but none of Moorage's."
    with pytest.raises(Misconfigured) as refused:
        async with running_core(home, Settings(database="postgresql://x@/x?host=/nowhere")):
            pass
    assert refused.value.code == "database-unusable"
    home.database.write_bytes(b"this is no database" * 100)
    with pytest.raises(Misconfigured) as refused:
        async with running_core(home, Settings()):
            pass
    assert refused.value.code == "database-unusable"
    assert home.database.read_bytes().startswith(b"this is no database")


async def test_two_replicas_migrate_one_after_the_other(folder: Path, postgres: Postgres) -> None:
    """Started at the same moment on an empty database, both come up."""
    url = postgres.new_database()
    async with two_replicas(folder, url) as (one, two):
        assert one.core.replica.installation == two.core.replica.installation
        assert (await two.get("/me")).json()["name"] == "admin"


async def test_replicas_set_a_fresh_database_up_once(folder: Path, postgres: Postgres) -> None:
    """Whoever comes first makes the installation, its administrator and its agent; all others find
    them."""
    url = postgres.new_database()
    home, settings = new_home(folder), Settings(database=url)
    engine = make_engine(database_address(url, home.database))
    try:
        await runner.migrate(engine, None)
        database = Database(engine, LocalChanges())
        made = await asyncio.gather(*(set_up(database, home, settings, 1.0) for _ in range(5)))
    finally:
        await engine.dispose()
    assert len(set(made)) == 1
    for table in ("installation", "users", "agents", "gateways"):
        assert postgres.execute(url, f"SELECT count(*) FROM {table}") == "1", table


async def test_replicas_hear_of_each_other(
    folder: Path, postgres: Postgres, repository: str
) -> None:
    """What is asked of one reaches the agent, the gateway and the watchers at the other."""
    async with (
        two_replicas(folder, postgres.new_database()) as (one, two),
        two.agent() as agent,
        two.gateway() as gateway,
        two.client() as client,
    ):
        lists = events(client, "/api/v1/workspaces/events")
        await anext(lists)
        name = (await one.post("/workspaces", {"repository": repository})).json()["name"]
        change = await agent.expect(contract.Change)
        assert change.workspace.name == name
        await gateway.until(lambda table: len(table.routes) == 1)
        _, data = await asyncio.wait_for(anext(lists), 5)
        assert data["items"][0]["name"] == name
        await lists.aclose()
        await agent.report(name, 1, ActualState.RUNNING, address="10.0.0.7")

        async def running() -> bool:
            return bool((await one.get(f"/workspaces/{name}")).json()["state"] == "Running")

        await eventually(running)
        await one.hand_over(await one.session("admin"))
        await gateway.until(lambda table: len(table.sessions) == 1)


async def test_an_agent_is_at_one_replica_only(folder: Path, postgres: Postgres) -> None:
    """The other refuses it while the first has it, and takes it at once when the first has
    ended."""
    url = postgres.new_database()
    async with serving(folder / "b", Settings(database=url)) as two:
        async with (
            serving(folder / "a", Settings(database=url)) as one,
            one.agent(),
            two.websocket(contract.PATH, "agent-secret") as second,
        ):
            with pytest.raises(Exception, match=str(contract.CLOSE_REPLACED)):
                await asyncio.wait_for(second.recv(), 10)
        async with two.agent() as agent:
            assert agent.welcome.agent_name == "local"


async def test_a_lost_database_connection_is_mended(folder: Path, repository: str) -> None:
    """PostgreSQL restarts: connected agents and gateways keep their connections and hear of
    everything afterwards."""
    own = Postgres()
    try:
        async with (
            serving(folder, Settings(database=own.new_database())) as server,
            server.agent() as agent,
            server.gateway() as gateway,
        ):
            await asyncio.to_thread(own.restart)

            async def created() -> str:
                answer = await server.post("/workspaces", {"repository": repository})
                return str(answer.json()["name"]) if answer.status_code == 201 else ""

            name = await eventually(created, 20)
            await gateway.until(lambda table: name in [r.workspace for r in table.routes], 20)
            while True:
                message = await agent.receive(20)
                if isinstance(message, contract.Snapshot) and name in [
                    w.name for w in message.workspaces
                ]:
                    break
                if isinstance(message, contract.Change) and message.workspace.name == name:
                    break
    finally:
        own.stop()
