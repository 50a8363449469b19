"""Looks at the database's version before anything is written, and migrates it when it is older.

Revisions are numbers (`0001`, `0002`, …), so that an older Moorage can tell a newer database
without knowing it.
"""

from __future__ import annotations

import sqlite3
import ssl
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from moorage.kernel import log
from moorage.kernel.errors import Misconfigured
from moorage.server.storage.locks import Lock

HEAD = "0012"
"""The newest revision; a test holds it to the folder `versions`."""


_LOOK = "Look at the setting database, and at whether its server runs and lets Moorage in."
_TRUST = "Look at the host's name and at sslrootcert in the setting database: the certificate has to be for the one, and by the other."

_log = log.get(part="server.migrations")


async def migrate(engine: AsyncEngine, file: Path | None) -> None:
    """`file`: SQLite's, looked at without opening it for writing.

    Raises `Misconfigured` when the database is newer, is none of Moorage's, or cannot be reached.
    """
    if file is not None:
        _look_at_file(file)
    try:
        async with engine.connect() as connection:
            if engine.dialect.name == "postgresql":
                await connection.execute(
                    text("SELECT pg_advisory_lock(:key)"), {"key": Lock.MIGRATE}
                )
                await connection.commit()
            try:
                await connection.run_sync(_migrate)
            finally:
                if engine.dialect.name == "postgresql":
                    await connection.rollback()
                    await connection.execute(
                        text("SELECT pg_advisory_unlock(:key)"), {"key": Lock.MIGRATE}
                    )
    except (DBAPIError, OSError) as error:
        raise Misconfigured(
            f"The database cannot be used: {_reason(error)}.",
            code="database-unusable",
            hint=_TRUST if isinstance(error, ssl.SSLCertVerificationError) else _LOOK,
        ) from error


def _migrate(connection: Connection) -> None:
    tables = set(inspect(connection).get_table_names())
    current = ""
    if "alembic_version" in tables:
        current = connection.scalar(text("SELECT version_num FROM alembic_version")) or ""
    connection.rollback()
    if _is_current(current, tables):
        return
    _log.info("migrating the database", current=current or "empty", to=HEAD)
    _upgrade(connection)
    connection.commit()


def _is_current(current: str, tables: set[str]) -> bool:
    """Whether nothing is to be done. Raises `Misconfigured` for a database that this version must
    not touch."""
    if not current and tables - {"alembic_version"}:
        raise Misconfigured(
            "The database holds tables, but none of Moorage's.",
            code="database-foreign",
            hint="Give Moorage an empty database of its own.",
        )
    if current and (not current.isdigit() or int(current) > int(HEAD)):
        raise Misconfigured(
            f"The database is from a newer version of Moorage: it has revision {current}, and this one knows {HEAD}.",
            code="database-newer",
            hint="Start the newer version again, or restore a copy of the database from before. Nothing was changed.",
        )
    return current == HEAD


def _upgrade(connection: Connection) -> None:
    # Imported here: Alembic is heavy, and most starts need none of it.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _look_at_file(file: Path) -> None:
    """Reads the version from SQLite's file before the engine opens it, which would switch it to
    WAL."""
    if not file.exists() or file.stat().st_size == 0:
        return
    try:
        connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
        try:
            names = {
                row[0]
                for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            }
            row: Any = None
            if "alembic_version" in names:
                row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise Misconfigured(
            f"The database {file} cannot be read: {error}.", code="database-unusable"
        ) from error
    _is_current(row[0] if row else "", names)


def _reason(error: Exception) -> str:
    match error:
        case DBAPIError():
            return str(error.orig).strip().rstrip(".")
        case ssl.SSLCertVerificationError():
            return f"its server's certificate is not accepted: {error.verify_message.rstrip('.')}"
        case TimeoutError():
            return "its server does not answer in time"
        case OSError() if error.strerror:
            return error.strerror
    return str(error)
