"""Messages between server and gateway.

The gateway opens a WebSocket (`PATH`, `Authorization: Bearer <gateway token>`, JSON text frames)
and only listens: a `RouteTable`, then `RouteChange`s of rising `revision`. A gap in revisions, or
any doubt, is mended by connecting anew.

Four requests go the other way, over HTTP with the same token: each once per sign-in or click
`EXCHANGE_PATH` (a code from the server's sign-in becomes a `Session`), `START_PATH` and
`SESSION_PATH`; and now and then `USE_PATH`, for all sessions at once. None is asked once per
request.
"""

from __future__ import annotations

import msgspec

from moorage.contract.spec import EDITOR_PORT, Message
from moorage.contract.states import ActualState, Cause, DesiredState, Stage

PATH = "/internal/gateways/connect"
EXCHANGE_PATH = "/internal/gateways/exchange"
"""`POST` `ExchangeRequest` → 200 `Session`, or a problem (403 `code-invalid`)."""
START_PATH = "/internal/gateways/workspaces/{workspace}/start"
"""`POST` `StartRequest` → 204, or a problem; the server decides whether that user may."""
SESSION_PATH = "/internal/gateways/sessions/{session}"
"""`DELETE` → 204 (also when there is none any more): somebody signed out at the gateway, and is
signed out everywhere. One that this gateway did not exchange stays as it is."""
USE_PATH = "/internal/gateways/sessions/use"
"""`POST` `SessionsUsed` → 204: people worked in workspaces, which keeps their sessions alive, up to
their longest life. Those that this gateway did not exchange, that are over, or whose person is
blocked stay as they are. A server that does not know it (404) looks at its own pages alone."""
USED_AT_MOST = 1000
"""Sessions in one `SessionsUsed`."""
AUTHORIZE_PATH = "/sign-in/authorize"
"""On the server, for browsers: `GET ?redirect_uri=<zone>/auth/callback&state=…` → signs in when
nobody is, then redirects there with `code` and `state`."""

CODE_SECONDS = 30
"""How long a code lives that hands a sign-in over, from server to gateway or from gateway to a
workspace's host."""


class Route(Message, frozen=True):
    """A workspace as the gateway sees it. One without `address` gets a page that tells `state`,
    `stages`, `cause`."""

    workspace: str
    owner: int
    """User id. The owner may open every port."""
    title: str = ""
    """What its people call it (the repository's name)."""
    desired: DesiredState = DesiredState.RUNNING
    state: ActualState = ActualState.UNKNOWN
    address: str = ""
    editor_port: int = EDITOR_PORT
    tls_ports: tuple[int, ...] = ()
    """Ports that speak TLS by themselves, as the devfile says."""
    open_path: str = "/"
    """Path and query that open the project in the editor."""
    stages: tuple[Stage, ...] = ()
    cause: Cause | None = None


class Session(Message, frozen=True):
    """Somebody signed in. `id` is no secret by itself: a gateway's cookie is `id` and an HMAC over
    id and host."""

    id: str
    user: int
    user_name: str
    expires_at: float
    """Seconds since the epoch."""


class Grant(Message, frozen=True):
    """`user` may open `port` of `workspace`, though somebody else owns it. Port 0: all of them."""

    user: int
    workspace: str
    port: int = 0


class RouteTable(Message, frozen=True, tag="table"):
    revision: int
    server_url: str
    """Where browsers reach the server: its origin, without a slash at the end."""
    routes: tuple[Route, ...] = ()
    sessions: tuple[Session, ...] = ()
    """Those that were exchanged through this gateway, or a replica of it."""
    grants: tuple[Grant, ...] = ()


class RouteChange(Message, frozen=True, tag="change"):
    """From `revision - 1` to `revision`. Removals name a workspace, a session id, a whole grant."""

    revision: int
    routes: tuple[Route, ...] = ()
    sessions: tuple[Session, ...] = ()
    grants: tuple[Grant, ...] = ()
    removed_routes: tuple[str, ...] = ()
    removed_sessions: tuple[str, ...] = ()
    removed_grants: tuple[Grant, ...] = ()


class ExchangeRequest(Message, frozen=True):
    code: str
    redirect_uri: str


class StartRequest(Message, frozen=True):
    user: int


class SessionsUsed(Message, frozen=True):
    used: dict[str, float]
    """Session id → seconds since its person last did something. No point in time: clocks differ."""


ToGateway = RouteTable | RouteChange

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(ToGateway)


def encode(message: Message) -> str:
    return _encoder.encode(message).decode()


def decode(text: str | bytes) -> ToGateway:
    """Raises `msgspec.DecodeError` (`ValidationError` included) when it is neither."""
    message: ToGateway = _decoder.decode(text)
    return message


def apply(table: RouteTable, change: RouteChange) -> RouteTable:
    """The table after the change. Raises `ValueError` when the change does not follow the table's
    revision."""
    if change.revision != table.revision + 1:
        raise ValueError(f"revision {change.revision} does not follow {table.revision}")
    routes = {route.workspace: route for route in table.routes}
    routes.update({route.workspace: route for route in change.routes})
    sessions = {session.id: session for session in table.sessions}
    sessions.update({session.id: session for session in change.sessions})
    grants = {(g.user, g.workspace, g.port): g for g in (*table.grants, *change.grants)}
    for name in change.removed_routes:
        routes.pop(name, None)
    for session_id in change.removed_sessions:
        sessions.pop(session_id, None)
    for grant in change.removed_grants:
        grants.pop((grant.user, grant.workspace, grant.port), None)
    return RouteTable(
        revision=change.revision,
        server_url=table.server_url,
        routes=tuple(routes.values()),
        sessions=tuple(sessions.values()),
        grants=tuple(grants.values()),
    )
