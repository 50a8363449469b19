"""Which of a workspace's containers is meant, and the errors that say why there is none. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Generic, NamedTuple, TypeVar

from moorage.agent.runtimes.port import Role
from moorage.kernel.errors import NotFound

SANDBOX = "sandbox"
CLONE = ("clone", SANDBOX)
"""Names by which callers ask for the log of the sandbox."""

Item = TypeVar("Item")


class Candidate(NamedTuple, Generic[Item]):
    """A container that may be the one that is meant."""

    name: str
    """As the devfile calls it."""
    role: Role
    running: bool
    item: Item
    """The container as its engine describes it."""


def find(candidates: Sequence[Candidate[Item]], asked: str, *, for_log: bool = False) -> Item:
    """The container that was asked for; "" asks for the main one.

    For its log, it may be the sandbox, and need not run. Nobody runs anything in the sandbox, where
    the credentials are. Raises `NotFound`.
    """
    if not candidates:
        raise not_running()
    sandbox = [candidate.item for candidate in candidates if candidate.role == "sandbox"]
    if for_log and asked in CLONE and sandbox:
        return sandbox[0]
    others = [candidate for candidate in candidates if candidate.role != "sandbox"]
    for candidate in others:
        if candidate.name == asked or (not asked and candidate.role == "main"):
            if not for_log and not candidate.running:
                raise does_not_run(candidate.name)
            return candidate.item
    raise no_such(asked, (candidate.name for candidate in others))


def not_running() -> NotFound:
    return NotFound(
        "The workspace has no containers: it does not run.",
        code="workspace-not-running",
        hint="Start it first.",
    )


def does_not_run(container: str) -> NotFound:
    return NotFound(f"Container {container} does not run now.", code="container-not-running")


def no_such(asked: str, there: Iterable[str]) -> NotFound:
    """`there`: the names of those that can be asked for; none at all means that it does not run."""
    known = sorted(there)
    if not known:
        return not_running()
    return NotFound(
        f"The workspace has no container {asked or 'to run in'}.",
        code="container-not-found",
        hint=f"It has: {', '.join(known)}.",
    )
