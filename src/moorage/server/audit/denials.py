"""Writes down what was refused: by the table to somebody who is signed in, and to who was not let
in.

Whoever knocks again and again fills nothing: the same is written once a minute, and of one person,
or one address, so many a minute at most; the next entry says how many were left out.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from starlette.requests import Request

from moorage.kernel import log
from moorage.kernel.errors import MoorageError
from moorage.server.audit.recording import Nobody, Occurrence, Outcome, Target, record
from moorage.server.authorization import Action, Actor, Kind, NotPermitted, Person
from moorage.server.core import Core
from moorage.server.http.context import core_of

SECONDS = 60.0
MOST = 30
"""Entries of one person or address within so many seconds."""
_REMEMBERED = 10_000
_NAMES = ("name", "agent", "token_id")
"""Parameters of paths that name a thing, the innermost first. Never one that is a secret."""
_log = log.get(part="server.audit")


@dataclass
class _Knocking:
    since: float
    written: set[tuple[str, str]] = field(default_factory=set)
    left_out: int = 0


class Denials:
    """What this process has written in the last minute."""

    def __init__(self) -> None:
        self._by_whom: OrderedDict[str, _Knocking] = OrderedDict()

    def is_due(self, who: str, what: tuple[str, str], now: float) -> int | None:
        """Whether it is to be written, and how many of theirs were left out since the last entry;
        None: it is not."""
        known = self._by_whom.get(who)
        if known is None or now - known.since >= SECONDS:
            left_out = known.left_out if known is not None else 0
            self._by_whom[who] = _Knocking(now, {what})
            self._by_whom.move_to_end(who)
            while len(self._by_whom) > _REMEMBERED:
                self._by_whom.popitem(last=False)
            return left_out
        if what in known.written or len(known.written) >= MOST:
            known.left_out += 1
            return None
        known.written.add(what)
        left_out, known.left_out = known.left_out, 0
        return left_out


async def hear(request: Request, refused: NotPermitted) -> None:
    """Of what the table refused."""
    names = request.scope.get("path_params", {})
    named = next((str(names[name]) for name in _NAMES if name in names), "")
    await deny(
        core_of(request), refused.actor, refused.action, Target(refused.resource.kind, named)
    )


async def deny(
    core: Core,
    actor: Actor | Nobody,
    action: Action | Occurrence,
    target: Target,
    *,
    detail: str = "",
) -> None:
    """Writes it, where it is due. That it cannot be written is logged, and changes no answer."""
    due = core.part(Denials).is_due(_who(actor), (action.value, f"{target}"), core.clock.now())
    if due is None:
        return
    more = f"and {due} more before that were not written down" if due else ""
    try:
        async with core.database.write() as session:
            record(
                session,
                actor,
                action,
                target,
                detail="; ".join(word for word in (detail, more) if word),
                outcome=Outcome.DENIED,
            )
    except MoorageError as error:
        _log.warning("a refusal was not written down", action=action.value, error=str(error))


def _who(actor: Actor | Nobody) -> str:
    match actor:
        case Nobody():
            return f"from {actor.address}"
        case Person():
            return f"person {actor.user_id}"
    return f"{actor.part} {actor.id}"


async def deny_sign_in(core: Core, address: str, why: str) -> None:
    """Somebody came with something that lets nobody in. `why`: a few words."""
    target = Target(Kind.INSTALLATION, "")
    await deny(core, Nobody(address), Occurrence.SIGN_IN, target, detail=why)
