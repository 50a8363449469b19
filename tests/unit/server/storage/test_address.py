"""The setting `database`, as SQLAlchemy and asyncpg take it."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import Any

import pytest

from integration.gateway.certificates import Authority
from moorage.kernel.errors import Misconfigured
from moorage.server.storage.address import DatabaseAddress, database_address

URL = "postgresql://u:p%40ss@h/db"


@pytest.fixture(autouse=True)
def _nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in [name for name in os.environ if name.startswith("PG")]:
        monkeypatch.delenv(name)


def address(parameters: str = "", url: str = URL) -> DatabaseAddress:
    return database_address(url + parameters, Path("/x.db"))


def arguments(parameters: str, url: str = URL) -> dict[str, Any]:
    return address(parameters, url).arguments


def test_sqlite_by_default() -> None:
    """In the state folder, or where the setting says."""
    found = database_address("", Path("/x.db"))
    assert (str(found.url), found.sqlite, found.arguments) == (
        "sqlite+aiosqlite:////x.db",
        True,
        {},
    )
    assert str(address(url="sqlite:///y.db").url) == "sqlite+aiosqlite:///y.db"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_postgresql(scheme: str) -> None:
    """By each of its names; all that a connection needs is among the arguments."""
    found = address(url=URL.replace("postgresql", scheme))
    assert found.url.drivername == "postgresql+asyncpg"
    assert found.arguments == {"user": "u", "password": "p@ss", "host": "h", "database": "db"}
    assert "p@ss" not in repr(found)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://u@/db?host=/run", {"user": "u", "host": "/run", "database": "db"}),
        (
            "postgresql:///?host=h&port=6&user=u&password=p&dbname=d&passfile=/f",
            {
                "host": "h",
                "port": 6,
                "user": "u",
                "password": "p",
                "database": "d",
                "passfile": "/f",
            },
        ),
        (
            "postgresql://u@/db?host=a:1&host=b:2",
            {"user": "u", "host": ["a", "b"], "port": [1, 2], "database": "db"},
        ),
    ],
)
def test_where_it_is(url: str, expected: dict[str, Any]) -> None:
    """Parameters may say it, too."""
    found = arguments("", url)
    assert found == expected


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ("sslmode=disable", {"ssl": "disable"}),
        ("sslmode=prefer&connect_timeout=7", {"ssl": "prefer", "timeout": 7.0}),
        ("ssl=allow&connect_timeout=0", {"ssl": "allow"}),
        ("application_name=m&options=-c%20a%3Db", {"server_settings": {"application_name": "m", "options": "-c a=b"}}),
        ("target_session_attrs=primary&channel_binding=prefer", {"target_session_attrs": "primary"}),
        ("gssencmode=disable&sslmode=disable&sslrootcert=/none", {"ssl": "disable"}),
    ],
)  # fmt: skip
def test_parameters(parameters: str, expected: dict[str, Any]) -> None:
    """As asyncpg takes them; none of them is left in the URL."""
    found = address(f"?{parameters}")
    rest = {
        name: value for name, value in found.arguments.items() if name not in address().arguments
    }
    assert (rest, dict(found.url.query)) == (expected, {})


@pytest.mark.parametrize(
    ("parameters", "verifies", "the_name"),
    [
        ("sslmode=require", False, False),
        ("ssl=true", False, False),
        ("sslmode=require&sslrootcert={ca}", True, False),
        ("sslmode=verify-ca&sslrootcert={ca}", True, False),
        ("sslmode=verify-full&sslrootcert={ca}", True, True),
        ("sslrootcert=system", True, True),
        ("sslmode=verify-full&sslrootcert=system", True, True),
    ],
)
def test_what_is_verified(tmp_path: Path, parameters: str, verifies: bool, the_name: bool) -> None:
    """As in the table "SSL Mode Descriptions" of PostgreSQL's manual; with CAs, `require` is
    `verify-ca`."""
    authority = Authority(tmp_path / "ca")
    context = arguments(f"?{parameters.format(ca=authority.certificate)}")["ssl"]
    assert (context.verify_mode is ssl.CERT_REQUIRED, context.check_hostname) == (
        verifies,
        the_name,
    )


def test_the_usual_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of libpq in the home folder are taken where none is named, as are its variables."""
    with pytest.raises(Misconfigured, match="needs the CA"):
        arguments("?sslmode=verify-ca")
    authority = Authority(tmp_path / "ca")
    (tmp_path / ".postgresql").mkdir()
    (tmp_path / ".postgresql/root.crt").write_bytes(authority.certificate.read_bytes())
    assert arguments("?sslmode=require")["ssl"].verify_mode is ssl.CERT_REQUIRED
    assert "ssl" not in arguments("")
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    assert arguments("")["ssl"].check_hostname


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("mysql://u:secret@h/db", "not in mysql"),
        ("secret", "is no URL"),
        ("postgresql://u:secret@h:secret/db", "is no URL"),
        ("postgresql://u:secret@a,b/db", "several hosts"),
        ("postgresql://u:secret@/db?host=h&port=secret", "hosts and ports"),
        (f"{URL}?pgbouncer=secret", "parameter pgbouncer that"),
        (f"{URL}?secret%2F=x", "parameter that"),
        (f"{URL}?sslcrl=secret", "parameter sslcrl that"),
        (f"{URL}?sslmode=secret", "sslmode"),
        (f"{URL}?sslmode=require&sslmode=disable", "sslmode twice"),
        (f"{URL}?connect_timeout=secret", "no number of seconds"),
        (f"{URL}?target_session_attrs=standby", "cannot be written to"),
        (f"{URL}?channel_binding=require", "channel_binding"),
        (f"{URL}?sslmode=require&sslrootcert=system", "sslrootcert=system does not go"),
        (f"{URL}?sslrootcert=/ca.crt", "no effect"),
        (f"{URL}?sslmode=verify-full&sslrootcert=/none.crt", "/none.crt, cannot be read: No such file"),
        (f"{URL}?sslmode=require&sslcert=/none.crt", "sslcert in the database's URL, /none.crt, cannot be read"),
        (f"{URL}?sslmode=verify-ca&sslrootcert=/etc/hostname", "cannot be used: no certificate"),
    ],
)  # fmt: skip
def test_what_is_refused(setting: str, words: str) -> None:
    """In words that say what is wrong and what may be done, and show nothing that may be secret."""
    with pytest.raises(Misconfigured, match=words) as refused:
        database_address(setting, Path("/x.db"))
    assert "secret" not in str(refused.value)
    assert "p@ss" not in str(refused.value)
    assert refused.value.hint
    assert refused.value.__cause__ is None or isinstance(refused.value.__cause__, OSError)


def test_an_unknown_parameter_says_which_there_are() -> None:
    """They are named in the hint."""
    with pytest.raises(Misconfigured) as refused:
        arguments("?keepalives=1")
    assert {"sslmode", "sslrootcert", "application_name", "host"} <= set(
        refused.value.hint.replace(",", " ").replace(".", " ").split()
    )


def test_a_key_that_is_not_the_certificates(tmp_path: Path) -> None:
    """Is refused with OpenSSL's reason; one with a passphrase does not ask anybody for it."""
    authority = Authority(tmp_path / "ca")
    (certificate, _), (_, key) = authority.issue("a"), authority.issue("b")
    with pytest.raises(Misconfigured, match="key values mismatch"):
        arguments(f"?sslmode=require&sslcert={certificate}&sslkey={key}")
