"""`docs/api.md` says what the application answers: every address, every field."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from integration.server.harness import Server, addresses

PAGE = (Path(__file__).parents[3] / "docs/api.md").read_text()
API = "/api/v1"
OBJECTS = re.findall(r"^### (\w+)\n\| field \| \|\n\|---\|---\|\n((?:\|.*\n)+)", PAGE, re.MULTILINE)


def test_every_address_is_listed(sqlite_server: Server) -> None:
    """The tables list the addresses under `/api/v1`, and no others."""
    listed = re.findall(r"^\| `([A-Z]+) (/[^ `?]*)` \|", PAGE, re.MULTILINE)
    answered = {
        (method, path.removeprefix(API))
        for method, path in addresses(sqlite_server)
        if path.startswith(f"{API}/") and not path.endswith("/openapi.json")
    }
    assert len(listed) == len(set(listed))
    assert set(listed) == answered


@pytest.mark.parametrize(("name", "table"), OBJECTS, ids=[name for name, _ in OBJECTS])
async def test_every_field_is_listed(sqlite_server: Server, name: str, table: str) -> None:
    """An object's fields are those of the OpenAPI document, in their order."""
    document = (await sqlite_server.call("GET", f"{API}/openapi.json", None)).json()
    listed = [
        field for row in table.splitlines() for field in re.findall(r"`(\w+)`", row.split("|")[1])
    ]
    assert listed == list(document["components"]["schemas"][name]["properties"])


def test_the_objects_are_found() -> None:
    """Those that the tables name."""
    assert {name for name, _ in OBJECTS} == {
        "Workspace",
        "Rebuild",
        "User",
        "Token",
        "LoggedEntry",
        "Agent",
        "Found",
    }
