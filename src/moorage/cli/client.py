"""The way to the server: over its Unix socket or by HTTP, with a token; and its errors, raised again as our own.

Where it is comes from `--server` (token: `MOORAGE_TOKEN`), else from `client.json` of the installation on this machine.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from moorage.kernel.errors import BY_STATUS, InvalidInput, MoorageError, NotFound, NotSignedIn, Unavailable
from moorage.kernel.home import Home, default_home

if TYPE_CHECKING:
    import httpx

UNIX = "unix:"


@dataclass(frozen=True)
class Target:
    """Which server, and as whom."""

    server: str
    """`unix:<path>` or an origin."""
    token: str

    @property
    def socket(self) -> str:
        """The Unix socket's path; "" when it is reached by TCP."""
        return self.server.removeprefix(UNIX) if self.server.startswith(UNIX) else ""

    @property
    def origin(self) -> str:
        return "http://localhost" if self.socket else self.server.rstrip("/")

    def __repr__(self) -> str:
        return f"Target({self.server!r})"


def target(server: str | None, home: Path | None) -> Target:
    """Raises `NotSignedIn` without a token, `Unavailable` when nothing says where the server is."""
    token = os.environ.get("MOORAGE_TOKEN", "")
    if server:
        if not server.startswith((UNIX, "http://", "https://")):
            raise InvalidInput(
                f"{server} is no server.",
                field="server",
                hint="Give its URL, or unix: and the path of its socket.",
            )
        if not token:
            raise NotSignedIn(
                "There is no token for this server.",
                hint="Put an API token into the environment variable MOORAGE_TOKEN.",
            )
        return Target(server, token)
    place = Home(home.absolute() if home else default_home())
    try:
        stored = json.loads(place.client.read_text())
        return Target(stored["server"], token or stored["token"])
    except (OSError, ValueError, KeyError) as error:
        reason = "" if isinstance(error, FileNotFoundError) else f" ({error})"
        raise Unavailable(
            f"There is no installation in {place.path}{reason}.",
            code="no-installation",
            hint="Start one with `moor up`, or name a server with --server and MOORAGE_TOKEN.",
        ) from error


class Client:
    """The REST API under `/api/v1`. Every method raises the error tree, never httpx's."""

    def __init__(self, where: Target) -> None:
        """Raises `Unavailable` when nobody listens on a Unix socket."""
        # Here, for it takes longer than all other imports together, and `moor --help` needs none of it.
        import httpx

        self.target = where
        _probe(where)
        self._http = httpx.Client(
            transport=httpx.HTTPTransport(uds=where.socket) if where.socket else None,
            base_url=f"{where.origin}/api/v1",
            headers={"Authorization": f"Bearer {where.token}"},
            timeout=httpx.Timeout(60.0, connect=5.0),
            follow_redirects=False,
        )

    @classmethod
    @contextmanager
    def connect(cls, server: str | None, home: Path | None) -> Iterator[Client]:
        client = cls(target(server, home))
        try:
            yield client
        finally:
            client.close()

    def close(self) -> None:
        self._http.close()

    def get(self, path: str, **query: Any) -> Any:
        return self._ask("GET", path, params=_given(query))

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        return self._ask("POST", path, json=None if body is None else _given(body))

    def put(self, path: str, body: dict[str, Any]) -> Any:
        return self._ask("PUT", path, json=_given(body))

    def patch(self, path: str, body: dict[str, Any]) -> Any:
        return self._ask("PATCH", path, json=_given(body))

    def delete(self, path: str) -> Any:
        return self._ask("DELETE", path)

    @contextmanager
    def stream(
        self, path: str, *, timeout: httpx.Timeout | None = None, **query: Any
    ) -> Iterator[httpx.Response]:
        """An answer that is read while it comes; without a timeout it may pause for as long as it likes."""
        import httpx

        timeout = timeout or httpx.Timeout(None, connect=5.0)
        with self._wrapped(), self._http.stream("GET", path, params=_given(query), timeout=timeout) as answer:
            if not answer.is_success:
                answer.read()
                raise problem(answer)
            yield answer

    def workspace(self, wanted: str) -> dict[str, Any]:
        """The workspace of that name or title, or of an unambiguous beginning of either.

        Raises `NotFound`, or `InvalidInput` when it fits several.
        """
        try:
            found: dict[str, Any] = self.get(f"/workspaces/{quoted(wanted)}")
        except NotFound:
            items = self.get("/workspaces")["items"]
            name = match(wanted, items)
            found = next(item for item in items if item["name"] == name)
        return found

    def workspace_name(self, wanted: str) -> str:
        """The full name, as `workspace` finds it."""
        return str(self.workspace(wanted)["name"])

    def workspace_exactly(self, wanted: str) -> dict[str, Any]:
        """The workspace of just that name, or the caller's own of just that title: for what cannot be undone.

        A script that says it once more, when the workspace is gone, must not reach another one. Raises `NotFound`.
        """
        try:
            found: dict[str, Any] = self.get(f"/workspaces/{quoted(wanted)}")
        except NotFound as error:
            raise not_exactly(wanted, self.get("/workspaces")["items"]) from error
        if found["name"] != wanted and found["owner"] != self.get("/me")["id"]:
            # The server takes an administrator's title for anybody's when they have none of it themselves.
            raise NotFound(
                f"You have no workspace {wanted}.",
                code="workspace-not-found",
                hint=f"{found['owner_name']} has one: say {found['name']} if you mean that.",
            )
        return found

    def _ask(self, method: str, path: str, **options: Any) -> Any:
        with self._wrapped():
            answer = self._http.request(method, path, **options)
        if not answer.is_success:
            raise problem(answer)
        if not answer.content:
            return None
        try:
            return answer.json()
        except ValueError as error:
            raise Unavailable(
                f"{self.target.server} does not answer like a Moorage server.", code="no-moorage-server"
            ) from error

    @contextmanager
    def _wrapped(self) -> Iterator[None]:
        import httpx

        try:
            yield
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise unreachable(self.target, error) from error


def unreachable(where: Target, error: Exception) -> Unavailable:
    """The server does not answer: what a person can do about it."""
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return Unavailable(
        f"The server at {where.server} does not answer: {reason}.",
        code="server-unreachable",
        hint="`moor status` says what runs here; `moor up` starts it."
        if where.socket
        else "Look whether the address is right.",
    )


def problem(answer: httpx.Response) -> MoorageError:
    """The error behind an answer: from its problem+json body (RFC 9457), else from its status alone."""
    kind = BY_STATUS.get(answer.status_code, MoorageError)
    try:
        body = answer.json()
    except ValueError:
        body = None
    if not isinstance(body, dict) or "code" not in body:
        return kind(
            f"The server answered {answer.status_code} {answer.reason_phrase}.", code="unexpected-answer"
        )
    known = {"type", "title", "status", "code", "detail", "hint", "field"}
    details = {key: value for key, value in body.items() if key not in known and value is not None}
    if issubclass(kind, InvalidInput):
        details["field"] = body.get("field") or ""
    return kind(
        body.get("detail") or body.get("title") or "",
        code=body["code"],
        hint=body.get("hint") or "",
        **details,
    )


def match(wanted: str, items: list[dict[str, Any]]) -> str:
    """The one workspace whose title or name begins with `wanted`. Pure.

    Raises `NotFound`, or `InvalidInput` (code `workspace-ambiguous`) when it fits several.
    """
    exact = [item["name"] for item in items if wanted == item["title"]]
    found = exact or [
        item["name"] for item in items if item["name"].startswith(wanted) or item["title"].startswith(wanted)
    ]
    if len(found) == 1:
        return str(found[0])
    if not found:
        raise NotFound(
            f"There is no workspace {wanted}.", code="workspace-not-found", hint="`moor list` shows yours."
        )
    raise InvalidInput(
        f"{wanted} fits several workspaces: {', '.join(sorted(found))}.",
        code="workspace-ambiguous",
        hint="Give more of the name.",
        field="workspace",
    )


def not_exactly(wanted: str, items: list[dict[str, Any]]) -> NotFound:
    """There is none of that title or name; which ones begin with it. Pure."""
    near = [item["title"] for item in items if item["title"].startswith(wanted)] or [
        item["name"] for item in items if item["name"].startswith(wanted)
    ]
    return NotFound(
        f"There is no workspace {wanted}.",
        code="workspace-not-found",
        hint=f"Did you mean {' or '.join(sorted(near)[:5])}?" if near else "`moor list` shows yours.",
    )


def _probe(where: Target) -> None:
    # httpx leaves its socket open when it cannot connect to a Unix socket.
    if not where.socket:
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(where.socket)
        except OSError as error:
            raise unreachable(where, error) from error


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def quoted(name: str) -> str:
    """For one segment of a path."""
    from urllib.parse import quote

    return quote(name, safe="")
