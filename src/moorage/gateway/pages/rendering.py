"""Pages and problem documents as HTTP answers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from moorage import theme, wording
from moorage.contract.hosts import WorkspaceHost
from moorage.contract.states import StageState
from moorage.gateway.decide import Decision, Kind
from moorage.gateway.table import Table
from moorage.gateway.zone import Zone
from moorage.kernel.clock import Clock

ASSETS_AT = "/.moorage/assets"
_PROBLEM = "application/problem+json"
_OFFERS_START = (Kind.STOPPED, Kind.FAILED)


def wants_page(request: Request) -> bool:
    """Whether a person looks at the answer: a browser's navigation, not a picture, a script or a
    program."""
    return request.method in ("GET", "HEAD", "POST") and "text/html" in request.headers.get(
        "accept", ""
    )


class Pages:
    """Renders what the controller answers with: pages for people, problem documents for
    programs."""

    def __init__(self, zone: Zone, table: Table, clock: Clock) -> None:
        self._zone = zone
        self._table = table
        self._clock = clock
        self._environment = theme.environment("moorage.gateway.pages", assets_at=ASSETS_AT)

    def of(
        self, request: Request, decision: Decision, place: WorkspaceHost | None, path: str
    ) -> Response:
        """The answer to a request that did not pass. `path`: where it wanted to go, on the same
        host."""
        if decision.route is not None:
            return self._state(request, decision, place, path)
        title, message, hint = self._words(decision, place)
        return self.message(
            request,
            decision.status,
            code=decision.kind,
            title=title,
            message=message,
            hint=hint,
            actions=self._actions(decision),
        )

    def message(
        self,
        request: Request,
        status: int,
        *,
        code: str,
        title: str,
        message: str,
        hint: str = "",
        actions: Sequence[Mapping[str, str]] = (),
    ) -> Response:
        """A page that says one thing, or the problem document that says the same."""
        if not wants_page(request):
            return problem(status, code=code, title=title, detail=message, hint=hint)
        html = self._render(
            "gateway/message.html",
            home=self.home,
            title=title,
            message=message,
            hint=hint,
            actions=list(actions),
            code="" if status < 400 else str(status),
        )
        return self._page(html, status)

    def sign_out(self) -> Response:
        """The page that asks whether to sign out."""
        return self._page(self._render("gateway/sign_out.html", home=self.home), 200)

    def live(
        self, decision: Decision, place: WorkspaceHost | None, path: str, *, go: bool = False
    ) -> str:
        """The part of a workspace's page that changes while somebody looks. `go`: it leads on to
        the workspace."""
        return self._render("gateway/live.html", **self._context(decision, place, path), go=go)

    @property
    def home(self) -> str:
        """The server's pages, as browsers reach them."""
        return f"{self._table.server_url or self._zone.origin}/"

    def _state(
        self, request: Request, decision: Decision, place: WorkspaceHost | None, path: str
    ) -> Response:
        context = self._context(decision, place, path)
        if not wants_page(request):
            badge = context["badge"]
            answer = problem(
                decision.status,
                code=f"workspace-{decision.kind}",
                title=badge.label,
                detail=context["cause"].message if context["cause"] else badge.explanation,
                hint="",
            )
            answer.headers["Retry-After"] = "2"
            return answer
        page = self._page(
            self._render("gateway/workspace.html", **context, go=False), decision.status
        )
        # Without scripts there are no events: the page comes anew by itself.
        page.headers["Refresh"] = "30"
        return page

    def _context(
        self, decision: Decision, place: WorkspaceHost | None, path: str
    ) -> dict[str, Any]:
        route = decision.route
        assert route is not None
        return {
            "route": route,
            "name": route.title or route.workspace,
            "port": place.port if place else route.editor_port,
            "is_editor": place is None or place.port == route.editor_port,
            "badge": wording.badge(route.desired, route.state),
            "kind": decision.kind.value,
            "offers_start": decision.kind in _OFFERS_START,
            "stages": wording.stage_lines(route.stages, self._clock.now())
            if decision.kind in (Kind.STARTING, Kind.FAILED, Kind.READY)
            else (),
            "cause": route.cause if decision.kind in (Kind.FAILED, Kind.STARTING) else None,
            "start_failed": any(s.state is StageState.FAILED for s in route.stages),
            "cause_tone": "bad" if decision.kind is Kind.FAILED else "busy",
            "path": path,
            "home": self.home,
            "details": f"{self._table.server_url or self._zone.origin}/workspaces/{route.workspace}",
        }

    def _words(self, decision: Decision, place: WorkspaceHost | None) -> tuple[str, str, str]:
        """Title, message, hint."""
        who = decision.session.user_name if decision.session else ""
        if decision.kind is Kind.UNKNOWN_HOST:
            return (
                "No workspace has this address",
                f"Addresses here look like 60001-workspace-1-1-abc123.{self._zone.name}{self._zone.port_suffix}.",
                "Look at the list of your workspaces for the right one.",
            )
        if decision.kind is Kind.UNKNOWN_WORKSPACE:
            return (
                "No such workspace",
                f"There is no workspace {place.workspace if place else ''} (any more).",
                "It may have been deleted, or the address is mistyped.",
            )
        if decision.kind is Kind.FORBIDDEN:
            return (
                "This is somebody else's",
                f"You are signed in as {who}, who may not open this address.",
                "A workspace opens for its owner alone. If it is yours, sign out here, and in again as yourself.",
            )
        return (
            "Sign in",
            "Nobody is signed in here.",
            f"Open {self.home} in a browser to sign in.",
        )

    def _actions(self, decision: Decision) -> list[dict[str, str]]:
        actions = [{"href": self.home, "label": "Your workspaces"}]
        if decision.kind is Kind.FORBIDDEN:
            actions.append({"href": f"{self._zone.origin}/auth/sign-out", "label": "Sign out"})
        return actions

    def _render(self, template: str, **context: Any) -> str:
        return theme.render(self._environment, template, **context)

    def _page(self, html: str, status: int) -> Response:
        return HTMLResponse(html, status, headers=dict(page_headers()))


def page_headers(form_action: str = "'self'") -> dict[str, str]:
    """The headers of every page."""
    return {
        "Content-Security-Policy": theme.content_security_policy(form_action=form_action),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",
        "Cache-Control": "no-store",
    }


def problem(status: int, *, code: str, title: str, detail: str, hint: str = "") -> Response:
    """RFC 9457."""
    return Response(
        problem_text(status, code=code, title=title, detail=detail, hint=hint),
        status,
        media_type=_PROBLEM,
        headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"},
    )


def problem_text(status: int, *, code: str, title: str, detail: str, hint: str = "") -> str:
    """A problem document (RFC 9457)."""
    body = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "code": code,
        "detail": detail,
        "hint": hint,
    }
    return json.dumps(body) + "\n"
