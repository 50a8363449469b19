"""The controller's HTTP application. HAProxy sends it what does not go to a workspace or to the
server."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from moorage import theme
from moorage.contract.spec import EDITOR_PORT
from moorage.gateway import cookies
from moorage.gateway.decide import Decision, Kind, decide
from moorage.gateway.metrics import Metrics
from moorage.gateway.pages import ASSETS_AT, CLEARS_AT, Pages
from moorage.gateway.pages.rendering import wants_page
from moorage.gateway.reconcile import Reconciler
from moorage.gateway.server_client import ServerClient
from moorage.gateway.sign_in import SignIn
from moorage.gateway.subscription import Subscription
from moorage.gateway.table import Table
from moorage.gateway.watchers import Watchers
from moorage.gateway.zone import Destination, Zone, host_name
from moorage.kernel.errors import MoorageError
from moorage.kernel.links import own_path
from moorage.kernel.serving import STILL_HERE, encode_event
from moorage.kernel.tasks import is_set_within

FRONT = "x-moorage-front"
"""HAProxy sets it on all that comes from browsers; what lacks it comes over the Unix socket from
this machine."""
STREAMS = 40
"""Pages of one person that follow workspaces at once, at most."""
_BODY_LIMIT = 16_384
_PING_SECONDS = 15.0


@dataclass(frozen=True)
class Application:
    """Answers what HAProxy sends the controller: an ASGI application."""

    zone: Zone
    table: Table
    reconciler: Reconciler
    subscription: Subscription
    watchers: Watchers
    server: ServerClient
    pages: Pages
    sign_in: SignIn
    metrics: Metrics
    streams: Counter[int] = field(default_factory=Counter)
    """Pages that follow a workspace now, by person."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return  # HAProxy sends no WebSocket here that could be answered; uvicorn refuses it
        request = Request(scope, receive)
        answer = await self._answer(request)
        await answer(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        path = request.url.path
        if FRONT not in request.headers:
            return self._answer_locally(path)
        if path.startswith(f"{ASSETS_AT}/"):
            return _asset(request, path)
        if (request.method, path) == ("POST", CLEARS_AT):
            return self._clear_cookies(request)
        moved = self.zone.moved_to(request.headers.get("host", ""))
        if moved is not None:
            return self._moved(request, self.zone.origin_of(moved) + _path_of(request))
        planted = self.sign_in.without_planted(request)
        if planted is not None:
            return planted
        if self.zone.is_own_host(request.headers.get("host", "")):
            return await self._on_zone(request, path)
        answer = await self._on_workspace(request, path)
        if not path.startswith("/.moorage/"):
            self._let_kin_read(request, answer)
        return answer

    def _answer_locally(self, path: str) -> Response:
        """Answers probes and Prometheus, which come over the Unix socket."""
        if path == "/metrics":
            return Response(
                self.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8"
            )
        if path == "/healthz/ready":
            missing = self._waits_for()
            return PlainTextResponse(f"{missing or 'Ready.'}\n", 503 if missing else 200)
        return PlainTextResponse("ok\n") if path == "/healthz" else PlainTextResponse("", 404)

    def _waits_for(self) -> str:
        """Says what is missing before anybody reaches a workspace, in plain words; "" when nothing
        is."""
        if not self.table.known:
            return f"Waiting for the server's route table. {self.subscription.problem}".rstrip()
        return "" if self.reconciler.in_sync else "Waiting for HAProxy, to tell it who may pass."

    async def _on_zone(self, request: Request, path: str) -> Response:
        match request.method, path:
            case "GET", "/auth/start":
                return await self.sign_in.start(request)
            case "GET", "/auth/callback":
                return await self.sign_in.callback(request)
            case "GET", "/auth/sign-out":
                return self.pages.sign_out()
            case "POST", "/auth/sign-out" if self._is_own_origin(request):
                return await self.sign_in.sign_out(request)
        return self._nothing_here(request)

    async def _on_workspace(self, request: Request, path: str) -> Response:
        reserved = path.startswith("/.moorage/")
        place = self.zone.workspace_host(request.headers.get("host", ""))
        if place is not None and (request.method, path) == ("GET", "/.moorage/callback"):
            return await self.sign_in.arrive(request)
        next_path = _path_of(request)
        if reserved:
            next_path = own_path(request.query_params.get("next", "/"))
        decision = self._decide(request)
        if decision.kind is Kind.SIGN_IN and place is not None and _is_navigation(request):
            host = f"{place.port}-{place.workspace}.{self.zone.name}"
            return self.sign_in.begin(request, Destination(host, "/" if reserved else next_path))
        if decision.route is not None and path == "/.moorage/start" and request.method == "POST":
            return await self._start(request, decision)
        if decision.route is not None and path == "/.moorage/events" and request.method == "GET":
            return self._events(request, decision, next_path)
        if reserved and decision.route is not None:
            return self._nothing_here(request)
        return self.pages.of(request, decision, place, next_path)

    def _moved(self, request: Request, url: str) -> Response:
        """Leads to the address that stands for one of the former zone now. What would change
        something is not sent on: the browser would say that another site's page asks for it."""
        if request.method in ("GET", "HEAD"):
            return RedirectResponse(url, 307, headers={"Cache-Control": "no-store"})
        return self.pages.message(
            request,
            421,
            code="address-moved",
            title="This address has moved",
            message=f"It is {urlsplit(url).netloc} now. Nothing was changed by this request.",
            hint="Open the new address, and do it there. Programs with a token may go on here.",
            actions=[{"href": url, "label": "Open the new address"}],
        )

    def _let_kin_read(self, request: Request, refusal: Response) -> None:
        """Lets a page of another port of the same workspace read why its request was refused
        (Fetch, 3.2). The editor's port answers nobody but itself."""
        host, origin = request.headers.get("host", ""), request.headers.get("origin", "")
        place = self.zone.workspace_host(host)
        if place is None or not origin or not self.zone.is_kin(origin, host):
            return
        route = self.table.routes.get(place.workspace)
        if place.port in (EDITOR_PORT, route.editor_port if route else EDITOR_PORT):
            return
        refusal.headers["Access-Control-Allow-Origin"] = origin
        refusal.headers["Access-Control-Allow-Credentials"] = "true"
        refusal.headers["Vary"] = "Origin"

    def _decide(self, request: Request) -> Decision:
        host = request.headers.get("host", "")
        return decide(host, self.sign_in.session(request), self.table, self.zone)

    async def _start(self, request: Request, decision: Decision) -> Response:
        """The page's button. What is asked for from any other origin is refused: cookies come along
        from there too."""
        assert decision.route is not None
        assert decision.session is not None
        if not self._is_own_origin(request):
            return self.pages.message(
                request,
                403,
                code="foreign-origin",
                title="This was asked for by another site's page",
                message="A workspace is started from its own page only.",
                actions=[{"href": "/", "label": "Open that page"}],
            )
        next_path = own_path(await _form_field(request, "next"))
        try:
            await self.server.start(decision.route.workspace, decision.session.user)
        except MoorageError as error:
            self.metrics.starts.labels("refused").inc()
            return self.pages.message(
                request,
                error.status,
                code=error.code,
                title="It could not be started",
                message=error.message,
                hint=error.hint,
                actions=[{"href": next_path, "label": "Back"}],
            )
        self.metrics.starts.labels("started").inc()
        return Response(
            status_code=303, headers={"Location": next_path, "Cache-Control": "no-store"}
        )

    def _events(self, request: Request, decision: Decision, next_path: str) -> Response:
        assert decision.route is not None
        assert decision.session is not None
        if self.streams[decision.session.user] >= STREAMS:
            return self.pages.message(
                request,
                429,
                code="too-many-streams",
                title="Too many live pages",
                message=f"You have {STREAMS} live pages of workspaces, which is as many as one person may have at once.",
                hint="Close some of them; a page that was refused tries again by itself.",
            )
        news = self._live(request, decision.route.workspace, next_path)
        return _Events(news, self.streams, decision.session.user)

    async def _live(self, request: Request, workspace: str, next_path: str) -> AsyncIterator[bytes]:
        """The page's changing part, at once and at each change, until it leads on."""
        place = self.zone.workspace_host(request.headers.get("host", ""))
        said = ""
        with self.watchers.watch(workspace) as changed:
            while True:
                changed.clear()
                decision = self._decide(request)
                if decision.route is None:
                    yield encode_event("state", '<div data-go=""></div>')
                    return
                # The agent has seen that the editor answers, and HAProxy has a page for any other
                # port. To try it from here would be in vain where HAProxy alone may connect.
                go = decision.kind is Kind.READY
                html = self.pages.live(decision, place, next_path, go=go)
                yield encode_event("state", html) if html != said else STILL_HERE
                said = html
                if go:
                    return
                await is_set_within(changed, _PING_SECONDS)

    def _is_own_origin(self, request: Request) -> bool:
        host = host_name(request.headers.get("host", ""))
        return request.headers.get("origin") == self.zone.origin_of(host)

    def _clear_cookies(self, request: Request) -> Response:
        """Ends the cookies of this address, ours among them, for its own page."""
        if not self._is_own_origin(request):
            return self._nothing_here(request)
        came_from = urlsplit(request.headers.get("referer", "")).path or "/"
        answer = self.pages.message(
            request,
            200,
            code="cookies-cleared",
            title="The cookies are taken away",
            message="If the page that you wanted still has too many of them, take them away once more, or clear this address's cookies in your browser's settings.",
            actions=[{"href": own_path(came_from), "label": "Back to the page"}],
        )
        # Heeded over TLS and on localhost; elsewhere, the cookies that are known by name go.
        answer.headers["Clear-Site-Data"] = '"cookies"'
        host = host_name(request.headers.get("host", ""))
        for ending in cookies.endings(
            request.headers.getlist("cookie"), host, self.zone.name, came_from
        ):
            answer.headers.append("Set-Cookie", ending)
        return answer

    def _nothing_here(self, request: Request) -> Response:
        return self.pages.message(
            request,
            404,
            code="not-found",
            title="Not found",
            message="There is nothing at this address.",
            actions=[{"href": self.pages.home, "label": "Your workspaces"}],
        )


class _Events(StreamingResponse):
    """Counts as open from the moment that it is made."""

    media_type = "text/event-stream"

    def __init__(self, content: AsyncIterator[bytes], streams: Counter[int], person: int) -> None:
        super().__init__(
            content, headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        )
        self._streams, self._person = streams, person
        streams[person] += 1

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._streams[self._person] -= 1
            if not self._streams[self._person]:
                del self._streams[self._person]


def _is_navigation(request: Request) -> bool:
    return request.method in ("GET", "HEAD") and wants_page(request)


def _path_of(request: Request) -> str:
    """Path and query as they came, to be used again on the same host."""
    raw = request.scope.get("raw_path", b"/").decode("latin-1")
    query = request.scope["query_string"].decode("latin-1")
    return own_path(f"{raw}?{query}" if query else raw)


def _asset(request: Request, path: str) -> Response:
    digest, _, name = path.removeprefix(f"{ASSETS_AT}/").partition("/")
    found = theme.asset(name)
    if found is None:
        return PlainTextResponse("", 404)
    body, headers = found.answer(digest, request.headers.get("accept-encoding", ""))
    headers["X-Content-Type-Options"] = "nosniff"
    return Response(body, media_type=found.content_type, headers=headers)


async def _form_field(request: Request, name: str) -> str:
    """Reads a field of a small form. A larger body than this form can have is not read to its
    end."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _BODY_LIMIT:
            return ""
    return parse_qs(body.decode("latin-1")).get(name, [""])[0]
