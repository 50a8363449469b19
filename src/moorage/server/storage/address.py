"""Where the database is, and how it is connected to: the setting `database`, read once, for all
connections alike.

A URL of PostgreSQL is written as libpq takes it (PostgreSQL's manual, "Connection URIs" and "SSL
Support"). What TLS its parameters ask for is the same here as there; asyncpg, which knows them by
other names, is told what they mean.
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from moorage.kernel.errors import Misconfigured

_PLACE = ("host", "port", "user", "password", "dbname", "passfile")
_TLS = ("sslmode", "sslrootcert", "sslcert", "sslkey")
_OTHERS = (
    "application_name",
    "options",
    "connect_timeout",
    "target_session_attrs",
    "channel_binding",
    "gssencmode",
)
_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_SYSTEM = "system"
"""As `sslrootcert`: the CAs that the system trusts."""


@dataclass(frozen=True)
class DatabaseAddress:
    url: URL
    """SQLAlchemy's, without parameters but those that say where."""
    arguments: dict[str, Any] = field(default_factory=dict, repr=False)
    """Of `asyncpg.connect`, all of them; with SQLite none."""

    @property
    def sqlite(self) -> bool:
        return self.url.get_backend_name() == "sqlite"


def database_address(setting: str, file: Path) -> DatabaseAddress:
    """`file`: SQLite's, where the setting is "". Raises `Misconfigured`, in words that no password
    is part of."""
    if not setting:
        return DatabaseAddress(make_url(f"sqlite+aiosqlite:///{file}"))
    try:
        url = make_url(setting)
    except (ArgumentError, ValueError):
        # Their own words may hold a part of the password, where it has characters that were to be
        # written as %….
        raise _wrong("The setting database is no URL.") from None
    backend = url.drivername.split("+")[0]
    if backend == "sqlite":
        return DatabaseAddress(url.set(drivername="sqlite+aiosqlite"))
    if backend not in ("postgresql", "postgres"):
        raise _wrong(f"Moorage stores in PostgreSQL or SQLite, not in {backend}.")
    return _postgres(url)


def _postgres(url: URL) -> DatabaseAddress:
    given = _parameters(url)
    place = {name: given[name] for name in _PLACE if name in given and name != "dbname"}
    url = url.set(
        drivername="postgresql+asyncpg",
        query=place,
        database=given.get("dbname") or url.database or None,
    )
    if "," in (url.host or ""):
        raise _wrong(
            "The database's URL names several hosts.",
            "Name them as parameters: postgresql://user:password@/name?host=first:5432&host=second:5432",
        )
    try:
        _, arguments = url.get_dialect()().create_connect_args(url)
    except (ArgumentError, ValueError):
        raise _wrong("The hosts and ports of the database's URL cannot be understood.") from None
    return DatabaseAddress(url, {**arguments, **_tls(given), **_session(given)})


def _parameters(url: URL) -> dict[str, Any]:
    """By libpq's names. Raises `Misconfigured` for those that mean nothing here."""
    given = dict(url.query)
    if (
        "ssl" in given and "sslmode" not in given
    ):  # asyncpg's name for it; `true` is JDBC's, which libpq takes, too
        mode = given.pop("ssl")
        given["sslmode"] = "require" if mode == "true" else mode
    for name, value in given.items():
        if name not in (*_PLACE, *_TLS, *_OTHERS):
            # A name of this form only: what else stands there may be a part of a password.
            shown = f" {name}" if re.fullmatch(r"[a-z_]{1,40}", name) else ""
            raise _wrong(
                f"The database's URL has a parameter{shown} that Moorage does not know.",
                f"Leave it out. There are {', '.join((*_TLS, *_OTHERS, *_PLACE))}.",
            )
        if not isinstance(value, str) and name not in ("host", "port"):
            raise _wrong(f"The database's URL has the parameter {name} twice.")
    return given


def _session(given: dict[str, Any]) -> dict[str, Any]:
    """Makes all that is no matter of TLS into arguments of `asyncpg.connect`."""
    found: dict[str, Any] = {}
    if settings := {name: given[name] for name in ("application_name", "options") if name in given}:
        found["server_settings"] = settings
    if seconds := given.get("connect_timeout"):
        if not re.fullmatch(r"[0-9]{1,5}", seconds):
            raise _wrong("connect_timeout in the database's URL is no number of seconds.")
        if int(seconds):
            found["timeout"] = float(seconds)
    if wanted := given.get("target_session_attrs"):
        if wanted not in ("any", "primary", "read-write"):
            raise _wrong(
                "target_session_attrs in the database's URL asks for a server that cannot be written to.",
                "Set it to any, primary or read-write.",
            )
        found["target_session_attrs"] = wanted
    for name in ("channel_binding", "gssencmode"):
        if given.get(name) not in (None, "disable", "prefer"):
            raise _wrong(
                f"{name} in the database's URL can be disable or prefer: Moorage's driver has no more of it.",
                f"Leave {name} out. sslmode=verify-full makes sure that it is your server that is spoken to.",
            )
    return found


def _tls(given: dict[str, Any]) -> dict[str, Any]:
    """The argument `ssl`; none where neither the URL nor libpq's environment says anything: asyncpg
    then prefers TLS."""
    said = {name: given.get(name) or os.environ.get(f"PG{name.upper()}") for name in _TLS}
    if not any(said.values()):
        return {}
    root = said["sslrootcert"]
    mode = said["sslmode"] or ("verify-full" if root == _SYSTEM else "prefer")
    if mode not in _MODES:
        raise _wrong(
            "sslmode in the database's URL is none that there is.",
            f"There are {', '.join(_MODES)}.",
        )
    if root == _SYSTEM and mode != "verify-full":
        raise _wrong(
            f"sslrootcert=system does not go with sslmode={mode}: anybody can have a certificate of a public authority.",
            "Set sslmode=verify-full.",
        )
    if mode not in ("require", "verify-ca", "verify-full"):
        if mode != "disable" and (useless := [name for name in _TLS[1:] if given.get(name)]):
            raise _wrong(
                f"{useless[0]} in the database's URL has no effect that one could rely on with sslmode={mode}.",
                "Set sslmode=verify-full, or leave it out.",
            )
        return {"ssl": mode}
    return {"ssl": _context(mode, root, said["sslcert"], said["sslkey"])}


def _context(
    mode: str, root: str | None, certificate: str | None, key: str | None
) -> ssl.SSLContext:
    """With `require`, CAs that are there are heeded as with `verify-ca`, which is what libpq
    does."""
    root = root or _usual("root.crt")
    certificate = certificate or _usual("postgresql.crt")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = mode == "verify-full"
    if root == _SYSTEM:
        context.load_default_certs()
    elif root:
        with _readable("sslrootcert", root):
            context.load_verify_locations(root)
    elif mode == "require":
        context.verify_mode = ssl.CERT_NONE
    else:
        raise _wrong(
            f"sslmode={mode} in the database's URL needs the CA that the server's certificate is verified by.",
            "Add sslrootcert=<PEM file>, or with verify-full sslrootcert=system for a public one.",
        )
    if certificate:
        with _readable("sslcert", certificate):
            context.load_cert_chain(
                certificate, key or _usual("postgresql.key"), password=lambda: ""
            )
    return context


@contextmanager
def _readable(parameter: str, file: str) -> Iterator[None]:
    """Raises `Misconfigured` for a file that cannot be used, with the parameter that named it."""
    words = f"{parameter} in the database's URL, {file},"
    try:
        yield
    except ssl.SSLError as error:
        raise _wrong(
            f"{words} cannot be used: {(error.reason or 'it is no PEM file').replace('_', ' ').lower()}.",
            "It has to be a PEM file; a key may have no passphrase, and has to be the certificate's.",
        ) from error
    except OSError as error:
        raise _wrong(
            f"{words} cannot be read: {error.strerror}.",
            "Name a file that the server can read (beside sslcert: sslkey, or one file that holds both).",
        ) from error


def _usual(name: str) -> str | None:
    """The file that libpq takes when none is named, if it is there."""
    try:
        file = Path.home() / ".postgresql" / name
        return str(file) if file.exists() else None
    except (RuntimeError, OSError):
        return None


def _wrong(
    words: str,
    hint: str = "Set database to postgresql://user:password@host/name, with special characters as %…; or leave it out.",
) -> Misconfigured:
    return Misconfigured(words, code="settings-invalid", hint=hint)
