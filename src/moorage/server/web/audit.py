"""The audit log, for administrators and auditors."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from moorage.kernel.errors import InvalidInput
from moorage.server.audit import Occurrence, Outcome
from moorage.server.audit_log import schemas, services
from moorage.server.authorization.table import CHANGING
from moorage.server.http.context import ServerCore
from moorage.server.web import pages
from moorage.server.web.pages import Visitor

router = APIRouter()

PAGE = 50
ACTIONS = sorted(
    [action.value for action in CHANGING] + [occurrence.value for occurrence in Occurrence]
)


@router.get("/audit")
async def audit_page(  # noqa: PLR0917 - FastAPI passes them by name
    request: Request,
    core: ServerCore,
    actor: Visitor,
    who: str = "",
    action: str = "",
    target: str = "",
    outcome: str = "",
    since: str = "",
    until: str = "",
    before: int | None = None,
) -> Response:
    """`since`, `until`: days, as a browser's date field sends them (UTC), both included."""
    form = {
        "who": who.strip(),
        "action": action,
        "target": target.strip(),
        "outcome": outcome,
        "since": since,
        "until": until,
    }
    wanted = schemas.Wanted(
        actor=form["who"][:200],
        action=action[:200],
        target=form["target"][:200],
        outcome=Outcome(outcome) if outcome in set(Outcome) else None,
        since=_day(since, "since"),
        until=_day(until, "until", days=1),
    )
    asked = schemas.Asked(**wanted.model_dump(), before=before, limit=PAGE)
    found = await services.list_entries(core, actor, asked)
    filters = {name: value for name, value in form.items() if value}
    more = {**filters, "before": str(found.next)}
    return pages.page(
        request,
        "audit.html",
        actor=actor,
        entries=found.items,
        form=form,
        actions=ACTIONS,
        filtered=bool(filters),
        first=before is None,
        newest=f"/audit?{urlencode(filters)}",
        older=f"/audit?{urlencode(more)}" if found.next is not None else "",
        export=_export(wanted),
    )


def _export(wanted: schemas.Wanted) -> str:
    said = wanted.model_dump(exclude_defaults=True, mode="json")
    return f"/api/v1/audit/export?{urlencode(said)}"


def _day(text: str, field: str, days: int = 0) -> float | None:
    """The first moment of the day, or of the one so many days later. Raises `InvalidInput`."""
    if not text:
        return None
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
        return (day + timedelta(days=days)).timestamp()
    except (ValueError, OverflowError) as error:
        raise InvalidInput(
            f"{text} is no day.", hint="A day looks like 2026-11-29.", field=field
        ) from error
