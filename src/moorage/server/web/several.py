"""What the list does with several workspaces at once. Each is asked for by itself, by the services
that its own page calls: what one is refused, the others are not."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import Response

from moorage.kernel.errors import InvalidInput, MoorageError
from moorage.server.authorization import Person
from moorage.server.core import Core
from moorage.server.http.context import ServerCore
from moorage.server.web import forms, list_views, pages
from moorage.server.web.pages import Visitor
from moorage.server.workspaces import schemas, services

router = APIRouter()

_SERVICES = {
    "start": services.start_workspace,
    "stop": services.stop_workspace,
    "delete": services.delete_workspace,
}


@router.post("/several")
async def do_with_several(
    request: Request,
    core: ServerCore,
    actor: Visitor,
    *,
    do: Annotated[str, Form()] = "",
    workspace: Annotated[list[str] | None, Form(max_length=1000)] = None,
    then: Annotated[str, Form()] = "/",
    agreed: Annotated[bool, Form()] = False,
) -> Response:
    """Starts, stops or deletes those that are chosen. A deletion is asked about first, on a page
    that names them; from there it comes again, `agreed`."""
    names = list(dict.fromkeys(workspace or ()))
    if do not in _SERVICES or not names:
        raise InvalidInput(
            "No workspace is chosen, or nothing that can be done with it.",
            code="nothing-chosen",
            hint="Choose workspaces in the list, then what to do with them.",
        )
    then = forms.safe_next(then)
    if do == "delete" and not agreed:
        return pages.page(
            request,
            "delete_several.html",
            actor=actor,
            workspaces=await _chosen(core, actor, names),
            then=then,
        )
    refused = await _do(core, actor, do, names)
    said = list_views.done_with_several(do, len(names) - len(refused), refused)
    return _answer(request, actor, said, then, done=do, failed=bool(refused))


async def _chosen(core: Core, actor: Person, names: list[str]) -> list[schemas.Workspace]:
    """Those of them that are still there. Raises what the last one raises when none is."""
    found, problem = [], None
    for name in names:
        try:
            found.append(await services.get_workspace(core, actor, name))
        except MoorageError as error:
            problem = error
    if problem is not None and not found:
        raise problem
    return found


async def _do(core: Core, actor: Person, what: str, names: list[str]) -> list[tuple[str, str]]:
    """The titles of those that were refused, and why."""
    refused = []
    for name in names:
        try:
            await _SERVICES[what](core, actor, name)
        except MoorageError as error:
            refused.append((await _title(core, actor, name), str(error)))
    return refused


async def _title(core: Core, actor: Person, name: str) -> str:
    """What this person knows it by; the name itself when they know of no such workspace."""
    try:
        return (await services.get_workspace(core, actor, name)).title
    except MoorageError:
        return name


def _answer(
    request: Request, actor: Person, said: str, then: str, *, done: str, failed: bool
) -> Response:
    """A page that is live stays, and is told; any other browser goes back to the list, or to a page
    that says what was refused."""
    if request.headers.get("hx-request") == "true":
        notice = {"notice": {"tone": "bad" if failed else "good", "text": said}}
        return Response(status_code=204, headers={"HX-Trigger": json.dumps(notice)})
    if failed:
        return pages.page(
            request,
            "theme/message.html",
            actor=actor,
            status=409,
            title="Not all of them",
            message=said,
            hint="",
            actions=[{"href": then, "label": "To your workspaces"}],
        )
    return pages.redirect(forms.with_done(then, f"several-{done}"))
