"""Reads what people write into forms and addresses. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import TypeVar
from urllib.parse import quote, unquote

from pydantic import BaseModel, ValidationError

from moorage.contract.hosts import PORT, port_url
from moorage.kernel.errors import InvalidInput, MoorageError
from moorage.kernel.links import own_path
from moorage.server.workspaces.schemas import CreateWorkspace, Workspace

B = TypeVar("B", bound=BaseModel)

NOTICES = {
    "start": "It is being started.",
    "stop": "It is being stopped. Its files stay.",
    "restart": "It is being restarted.",
    "rebuilt": "It is made from the devfile that you have seen. Its files stay.",
    "delete": "It is being deleted.",
    "renamed": "It has its new title.",
    "deleted": "The workspace is deleted.",
    "several-start": "They are being started.",
    "several-stop": "They are being stopped. Their files stay.",
    "several-delete": "They are being deleted.",
    "added": "The user is added. Make a sign-in link, and hand it over.",
    "role": "Their role is changed. It holds at once.",
    "block": "The user is blocked, and signed out everywhere.",
    "unblock": "The user may come in again.",
    "agent-enabled": "It takes new workspaces.",
    "agent-disabled": "It takes no new workspaces. Those that it has go on.",
    "agent-revoked": "Its tokens are revoked; what was connected is cut off.",
    "agent-removed": "The agent is removed.",
    "adopted": "It is a workspace again, with its files.",
    "found-removed": "It is being removed, with its files.",
    "settings-saved": "The settings are saved. Workspaces that start from now on are made by them.",
    "signed-out": "You are signed out.",
}
"""What a page says after something was done; its address holds the word (`?done=stop`), never the
sentence."""


@dataclass(frozen=True)
class NewWorkspace:
    """The form of `/new`, as it was sent: each field may hold anything."""

    repository: str = ""
    ref: str = ""
    devfile: str = ""
    name: str = ""
    agent: str = ""
    env: str = ""

    @classmethod
    def of(cls, values: dict[str, str]) -> NewWorkspace:
        """Takes what it knows, without the spaces around it; `env` keeps its lines."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value.strip() for name, value in values.items() if name in known})

    def request(self) -> CreateWorkspace:
        """Raises `InvalidInput`, which names the field."""
        return checked(
            CreateWorkspace,
            repository=self.repository,
            ref=self.ref,
            devfile=self.devfile,
            name=self.name,
            agent=self.agent,
            env=environment_of(self.env),
        )


def checked(kind: type[B], **values: object) -> B:
    """Checks what a form says, as the API does. Raises `InvalidInput`, which names the field."""
    try:
        return kind(**values)
    except ValidationError as error:
        first = error.errors()[0]
        raise InvalidInput(
            f"{first['msg']}.", field=str(first["loc"][0]) if first["loc"] else ""
        ) from error


def environment_of(text: str) -> dict[str, str]:
    """`KEY=value` lines; empty ones, and those that begin with `#`, say nothing. Raises
    `InvalidInput`, field `env`."""
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals or not name.strip():
            raise InvalidInput(
                f"Line {number} is not KEY=value.",
                code="env-invalid",
                hint="Write one variable per line.",
                field="env",
            )
        found[name.strip()] = value
    return found


def errors_of(error: MoorageError, known: frozenset[str]) -> dict[str, str]:
    """Tells what stands beside which field; empty when the error is about none of the `known`
    ones."""
    field = getattr(error, "field", "") or error.details.get("field", "")
    return {field: str(error)} if field in known else {}


def token_of(text: str) -> str:
    """The secret of a sign-in link, out of the whole link or the bare code."""
    path = re.split(r"[?#]", text.strip(), maxsplit=1)[0]
    return unquote(path.rstrip("/").rpartition("/")[2])


def safe_next(address: str) -> str:
    """A path of this server to go on to; `/` for anything that a browser might take for another
    site's."""
    path = own_path(address)
    return "/" if path.startswith("/sign-in/link/") else path


def with_done(address: str, done: str) -> str:
    """A page of this server that says what was done (`NOTICES`)."""
    return f"{address}{'&' if '?' in address else '?'}done={done}"


def sign_in_address(path: str, query: str) -> str:
    """Where somebody signs in who asked for that page, so as to come back to it."""
    here = f"{path}?{query}" if query else path
    return "/sign-in" if here == "/" else f"/sign-in?next={quote(here, safe='')}"


def port_address(workspace: Workspace, port: int) -> str:
    """URL of any port, declared or not. Raises `InvalidInput`."""
    if not 1 <= port <= 65535:
        raise InvalidInput(f"{port} is no port: ports are numbers from 1 to 65535.", field="port")
    return port_url(workspace.port_url, port)


def port_origins(workspace: Workspace) -> str:
    """The origins of the workspace's ports as a source of a content security policy."""
    return workspace.port_url.replace(f"{PORT}-{workspace.name}", "*").rstrip("/")
