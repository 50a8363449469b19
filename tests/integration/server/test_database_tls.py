"""PostgreSQL by TLS alone: what the URL's parameters ask for holds for all connections, that of the
notifications included."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from integration.gateway.certificates import Authority
from integration.server.harness import new_home, serving
from integration.server.postgres import PASSWORD, Postgres
from integration.server.test_lifecycle import process
from moorage.contract import agent as contract
from moorage.kernel.errors import Misconfigured
from moorage.server.main import running_core
from moorage.server.settings import Settings

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> tuple[Authority, Authority]:
    """The one that PostgreSQL's certificate is of, and another."""
    folder = tmp_path_factory.mktemp("authorities")
    return Authority(folder / "own"), Authority(folder / "other")


@pytest.fixture(scope="module")
def tls_postgres(authorities: tuple[Authority, Authority]) -> Iterator[Postgres]:
    """Its certificate is for localhost, and it listens at 127.0.0.1."""
    server = Postgres("127.0.0.1", authorities[0].issue("localhost"))
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def _nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither libpq's usual files nor its environment."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in [name for name in os.environ if name.startswith("PG")]:
        monkeypatch.delenv(name)


async def works(folder: Path, url: str, repository: str, postgres: Postgres) -> None:
    """The server starts; an agent is claimed, and hears of a workspace; every connection is
    encrypted."""
    async with serving(folder, Settings(database=url)) as server, server.agent() as agent:
        made = await server.post("/workspaces", {"repository": repository})
        change = await agent.expect(contract.Change)
        assert change.workspace.name == made.json()["name"]
        encrypted = postgres.execute(
            "postgresql://moorage@/postgres",
            "SELECT bool_and(ssl), count(*) > 1 FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE client_port > 0",
        )
        assert encrypted == "t|t"


@pytest.mark.parametrize(
    "parameters",
    [
        "?sslmode=verify-full&sslrootcert={own}&application_name=moorage&connect_timeout=10&target_session_attrs=read-write"
        "&options=-c%20statement_timeout%3D60s&channel_binding=prefer&gssencmode=disable",
        "?sslmode=verify-ca&sslrootcert={own}",
        "?sslmode=require",
        "?sslmode=prefer",
        "?sslmode=allow",
        "?ssl=require",
        "?ssl=true",
        "",
    ],
)
async def test_it_works(
    folder: Path,
    tls_postgres: Postgres,
    authorities: tuple[Authority, Authority],
    repository: str,
    parameters: str,
) -> None:
    """With every mode that uses TLS, and with what people paste beside it."""
    url = tls_postgres.new_database_at("localhost") + parameters.format(
        own=authorities[0].certificate
    )
    await works(folder, url, repository, tls_postgres)


async def test_the_systems_authorities(
    folder: Path,
    tls_postgres: Postgres,
    authorities: tuple[Authority, Authority],
    repository: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`sslrootcert=system` means verify-full by what the system trusts."""
    url = f"{tls_postgres.new_database_at('localhost')}?sslrootcert=system"
    monkeypatch.setenv("SSL_CERT_FILE", str(authorities[1].certificate))
    with pytest.raises(Misconfigured, match="certificate"):
        await works(folder, url, repository, tls_postgres)
    monkeypatch.setenv("SSL_CERT_FILE", str(authorities[0].certificate))
    await works(folder, url, repository, tls_postgres)


async def test_a_client_certificate(folder: Path, tmp_path: Path, repository: str) -> None:
    """PostgreSQL lets in by the certificate alone; without it, it says that one is missing."""
    authority = Authority(tmp_path / "authority")
    server = Postgres("127.0.0.1", authority.issue("localhost"))
    try:
        url = server.new_database_at("localhost").replace(f":{PASSWORD}", "")
        (server.folder / "data/root.crt").write_bytes(authority.certificate.read_bytes())
        (server.folder / "data/root.crt").chmod(0o644)
        (server.folder / "data/pg_hba.conf").write_text(
            "local all all trust\nhostssl all all all cert\n"
        )
        server.execute(
            "postgresql://moorage@/postgres", "ALTER SYSTEM SET ssl_ca_file = 'root.crt'"
        )
        server.restart()
        secure = f"{url}?sslmode=verify-full&sslrootcert={authority.certificate}"
        with pytest.raises(Misconfigured, match="certificate"):
            await works(folder, secure, repository, server)
        certificate, key = authority.issue("moorage")
        await works(folder, f"{secure}&sslcert={certificate}&sslkey={key}", repository, server)
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("host", "parameters", "words"),
    [
        (
            "localhost",
            "?sslmode=verify-full&sslrootcert={other}",
            "certificate is not accepted: unable to get",
        ),
        (
            "localhost",
            "?sslmode=verify-ca&sslrootcert={other}",
            "certificate is not accepted: unable to get",
        ),
        (
            "localhost",
            "?sslmode=require&sslrootcert={other}",
            "certificate is not accepted: unable to get",
        ),
        ("127.0.0.1", "?sslmode=verify-full&sslrootcert={own}", "not valid for '127.0.0.1'"),
        ("localhost", "?sslmode=disable", "no encryption"),
        (
            "localhost",
            "?sslmode=verify-full&sslrootcert=/no/ca.crt",
            "/no/ca.crt, cannot be read: No such file",
        ),
        (
            "localhost",
            "?sslmode=require&pgbouncer=true",
            "parameter pgbouncer that Moorage does not know",
        ),
    ],
)
async def test_what_it_refuses(
    folder: Path,
    tls_postgres: Postgres,
    authorities: tuple[Authority, Authority],
    *,
    host: str,
    parameters: str,
    words: str,
) -> None:
    """As a process: in words, with the code for a misconfiguration, without a traceback and without
    the password."""
    own, other = (authority.certificate for authority in authorities)
    url = tls_postgres.new_database_at(host) + parameters.format(own=own, other=other)
    home = new_home(folder)
    with process(home, database=url) as started:
        assert started.wait(20) == 9
    said = (home.logs / "server.log").read_text()
    assert words in said
    assert "Traceback" not in said
    assert PASSWORD not in said


async def test_a_wrong_password(folder: Path, tls_postgres: Postgres) -> None:
    """Is PostgreSQL's own complaint, and does not show it."""
    url = tls_postgres.new_database_at("localhost").replace(
        PASSWORD, quote("wr@ng/password", safe="")
    )
    with pytest.raises(Misconfigured, match="password authentication failed") as refused:
        async with running_core(new_home(folder), Settings(database=f"{url}?sslmode=require")):
            pass
    assert "wr@ng" not in str(refused.value)


async def test_the_setting_of_the_environment(
    folder: Path,
    tls_postgres: Postgres,
    authorities: tuple[Authority, Authority],
    repository: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What libpq's variables say holds where the URL says nothing."""
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    monkeypatch.setenv("PGSSLROOTCERT", str(authorities[1].certificate))
    url = tls_postgres.new_database_at("localhost")
    with pytest.raises(Misconfigured, match="certificate is not accepted"):
        await works(folder, url, repository, tls_postgres)
    await works(folder, f"{url}?sslrootcert={authorities[0].certificate}", repository, tls_postgres)
