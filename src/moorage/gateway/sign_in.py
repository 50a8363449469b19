"""Signing in: from a workspace's host to the server and back, over the zone's own host.

    workspace host      302 <zone>/auth/start?next=U&binding=B           (cookie: binding)
    /auth/start         nobody here yet: 302 <server>/sign-in/authorize  (cookie: state)
    /auth/callback      code → session, by asking the server             (cookie: gateway)
    …                   302 <workspace host>/.moorage/callback?code=D
    /.moorage/callback  D → the host's own cookie, then U                (cookie: session)

B is the SHA-256 of the binding cookie.

Both hand-overs are tied to the browser by a cookie on the host that they end on: a link that
somebody else began leads nowhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from moorage.contract import gateway as contract
from moorage.gateway import cookies
from moorage.gateway.codes import Codes
from moorage.gateway.metrics import Metrics
from moorage.gateway.pages import Pages
from moorage.gateway.persistence import Persistence
from moorage.gateway.reconcile import Reconciler
from moorage.gateway.server_client import ServerClient
from moorage.gateway.signing import Signer, SignInState, digest
from moorage.gateway.subscription import Subscription
from moorage.gateway.table import Table
from moorage.gateway.zone import Destination, Zone, host_name
from moorage.kernel import log
from moorage.kernel.clock import Clock
from moorage.kernel.errors import Forbidden, MoorageError
from moorage.kernel.ids import new_secret
from moorage.kernel.links import own_path

CALLBACK_PATH = "/auth/callback"
_DIGEST = re.compile(r"[0-9a-f]{64}")
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")
"""Secrets as `new_secret` makes them."""
_BINDING_SECONDS = 3600

_log = log.get(part="gateway.sign-in")


@dataclass(frozen=True)
class SignIn:
    """Answers the requests of a sign-in, one method each."""

    zone: Zone
    signer: Signer
    table: Table
    codes: Codes
    reconciler: Reconciler
    persistence: Persistence
    subscription: Subscription
    server: ServerClient
    pages: Pages
    metrics: Metrics
    clock: Clock
    state_seconds: float

    def session(self, request: Request) -> contract.Session | None:
        """Who is signed in on the host of this request."""
        host = host_name(request.headers.get("host", ""))
        name = self.zone.gateway_cookie if host == self.zone.name else self.zone.session_cookie
        found = (
            self.signer.session_id(value, host) for value in cookies.values(_headers(request), name)
        )
        live = (self.table.session(session_id, self.clock.now()) for session_id in found)
        return next((session for session in live if session is not None), None)

    def begin(self, request: Request, destination: Destination) -> Response:
        """On a workspace's host, for somebody who is not signed in there."""
        binding = _secret(request, self.zone.binding_cookie) or new_secret()
        query = urlencode({"next": destination.url(self.zone), "binding": digest(binding)})
        answer = _redirect(f"{self.zone.origin}/auth/start?{query}")
        self._set_cookie(answer, self.zone.binding_cookie, binding, seconds=_BINDING_SECONDS)
        return answer

    async def start(self, request: Request) -> Response:
        """`<zone>/auth/start`"""
        destination = self.zone.destination(request.query_params.get("next", ""))
        if destination is None:
            return self._bad_next(request)
        binding = request.query_params.get("binding", "")
        if not _DIGEST.fullmatch(binding):
            return _redirect(destination.url(self.zone))  # there it begins as it should
        session = self.session(request)
        if session is not None:
            return self._hand_over(session, destination, binding)
        if not self.table.server_url:
            return self._unheard_of(request)
        browser = _secret(request, self.zone.state_cookie) or new_secret()
        state = SignInState(
            next=destination.url(self.zone),
            browser=digest(browser),
            binding=binding,
            expires_at=self.clock.now() + self.state_seconds,
        )
        query = urlencode({"redirect_uri": self._callback_url, "state": self.signer.seal(state)})
        answer = _redirect(f"{self.table.server_url}{contract.AUTHORIZE_PATH}?{query}")
        self._set_cookie(answer, self.zone.state_cookie, browser, seconds=round(self.state_seconds))
        return answer

    async def callback(self, request: Request) -> Response:
        """`<zone>/auth/callback`"""
        now = self.clock.now()
        state = self.signer.unseal(request.query_params.get("state", ""), now)
        if state is None or digest(_secret(request, self.zone.state_cookie)) != state.browser:
            return self._stale(request, "state", self.pages.home)
        destination = self.zone.destination(state.next)
        if destination is None:
            return self._bad_next(request)
        again = destination.url(self.zone)
        try:
            session = await self.server.exchange(
                request.query_params.get("code", ""), self._callback_url
            )
            await self.reconciler.learn(session)
        except Forbidden:
            return self._stale(request, "code", again)
        except (MoorageError, ValueError) as error:
            return self._failed(request, error, again)
        self.metrics.sign_ins.labels("signed-in").inc()
        _log.info("signed in", user=session.user_name)
        answer = self._hand_over(session, destination, state.binding)
        cookie = self.signer.session_cookie(session.id, self.zone.name)
        self._set_cookie(answer, self.zone.gateway_cookie, cookie)
        self._drop_cookie(answer, self.zone.state_cookie)
        return answer

    async def arrive(self, request: Request) -> Response:
        """`<workspace host>/.moorage/callback`"""
        host = host_name(request.headers.get("host", ""))
        secret = _secret(request, self.zone.binding_cookie)
        found = self.codes.take(request.query_params.get("code", ""), host, digest(secret))
        if not secret:
            # The code may be bound to the SHA-256 of nothing, by somebody who wants others to be
            # signed in as themselves.
            found = None
        if found is None or not await self.reconciler.introduce(found.session):
            return self._stale(request, "hand-over", "/")
        self.metrics.sign_ins.labels("handed-over").inc()
        answer = _redirect(own_path(found.path))
        self._set_cookie(
            answer, self.zone.session_cookie, self.signer.session_cookie(found.session.id, host)
        )
        self._drop_cookie(answer, self.zone.binding_cookie)
        return answer

    def without_planted(self, request: Request) -> Response | None:
        """An answer that takes planted cookies away, to be asked for again at once. None when there
        is none to be told from ours: one of our name alone."""
        host = host_name(request.headers.get("host", ""))
        names = cookies.doubled(_headers(request), self.zone.cookies_of(host))
        if not names:
            return None
        self.metrics.sign_ins.labels("planted-cookie").inc()
        _log.warning(
            "a cookie of ours came twice: another page has set one", host=host, names=list(names)
        )
        answer = self.pages.message(
            request,
            400,
            code="cookie-planted",
            title="One moment",
            message="Another page has set a cookie of Moorage's name. It is taken away, and this page opens again by itself.",
            hint="If this happens again and again, close the other pages of this zone.",
        )
        if request.method in ("GET", "HEAD"):
            answer.headers["Refresh"] = "1"
        path = request.scope.get("raw_path", b"/").decode("latin-1")
        planted = [
            each for name in names for each in cookies.removals(name, host, self.zone.name, path)
        ]
        for removal in cookies.portion(planted):
            answer.headers.append(
                "Set-Cookie", f"{removal}{'; Secure' if self.zone.secure else ''}"
            )
        return answer

    async def sign_out(self, request: Request) -> Response:
        """`POST <zone>/auth/sign-out`: here at once, and at the server; that it cannot be reached
        stops nothing."""
        session = self.session(request)
        if session is not None:
            await self.reconciler.end_session(session.id)
            await self.persistence.save_now()
            self.metrics.sign_ins.labels("signed-out").inc()
            await self.subscription.report_ended_sessions()
        answer = _redirect(self.pages.home)
        self._drop_cookie(answer, self.zone.gateway_cookie)
        return answer

    @property
    def _callback_url(self) -> str:
        return f"{self.zone.origin}{CALLBACK_PATH}"

    def _hand_over(
        self, session: contract.Session, destination: Destination, binding: str
    ) -> Response:
        code = self.codes.issue(session, destination, binding)
        return _redirect(
            f"{self.zone.origin_of(destination.host)}/.moorage/callback?{urlencode({'code': code})}"
        )

    def _set_cookie(
        self, answer: Response, name: str, value: str, *, seconds: int | None = None
    ) -> None:
        """No Domain: for this host alone. Without `seconds`, until the browser is closed."""
        answer.set_cookie(
            name,
            value,
            max_age=seconds,
            path="/",
            secure=self.zone.secure,
            httponly=True,
            samesite="lax",
        )

    def _drop_cookie(self, answer: Response, name: str) -> None:
        answer.delete_cookie(name, path="/", secure=self.zone.secure, httponly=True, samesite="lax")

    def _bad_next(self, request: Request) -> Response:
        self.metrics.sign_ins.labels("bad-next").inc()
        return self.pages.message(
            request,
            400,
            code="next-not-here",
            title="That address is not a workspace here",
            message="Signing in leads to workspaces of this gateway only, and this link names another place.",
            hint="Do not follow it if it came from somebody you do not know.",
            actions=[{"href": self.pages.home, "label": "Your workspaces"}],
        )

    def _stale(self, request: Request, what: str, again: str) -> Response:
        self.metrics.sign_ins.labels(f"stale-{what}").inc()
        messages = {
            "state": "This sign-in was begun in another browser, or too long ago.",
            "code": "The server's code for this sign-in has been used already, or is too old.",
            "hand-over": "The code in this address has been used already, is too old, or was made for another browser.",
        }
        return self.pages.message(
            request,
            400,
            code=f"{what}-invalid",
            title="This sign-in cannot go on",
            message=messages[what],
            hint="Nothing is lost: begin again.",
            actions=[{"href": again, "label": "Sign in again"}],
        )

    def _failed(self, request: Request, error: Exception, again: str) -> Response:
        self.metrics.sign_ins.labels("failed").inc()
        _log.warning("sign-in failed", error=str(error))
        known = error if isinstance(error, MoorageError) else None
        return self.pages.message(
            request,
            503,
            code=known.code if known else "sign-in-failed",
            title="Signing in did not work",
            message=known.message if known else "The server's answer was not understood.",
            hint=(known.hint if known else "") or "Try again in a moment.",
            actions=[{"href": again, "label": "Try again"}],
        )

    def _unheard_of(self, request: Request) -> Response:
        answer = self.pages.message(
            request,
            503,
            code="server-away",
            title="Waiting for Moorage's server",
            message="This gateway has not heard from the server yet, so nobody can sign in. It tries by itself.",
            hint="Try again in a moment.",
        )
        answer.headers["Refresh"] = "2"
        return answer


def _headers(request: Request) -> list[str]:
    return request.headers.getlist("cookie")


def _secret(request: Request, name: str) -> str:
    """Reads such a cookie of ours; "" without one, and for what we cannot have set."""
    found = cookies.values(_headers(request), name)
    return found[0] if found and _SECRET.fullmatch(found[0]) else ""


def _redirect(url: str) -> Response:
    return RedirectResponse(
        url, 303, headers={"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    )
