"""Decides what a request or a report changes about a workspace. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote, urlsplit

import msgspec

from moorage.contract import ActualState, ActualWorkspace, Cause, DesiredState
from moorage.contract.hosts import is_name
from moorage.kernel.addresses import workspace_address
from moorage.kernel.errors import Conflict, InvalidInput, LimitReached

Request = Literal["start", "stop", "restart", "rescue", "rebuild", "delete"]

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED = frozenset({"events"})
"""Words that mean something else in the API's paths."""


@dataclass(frozen=True)
class Intent:
    """The desired state, and how often it has changed."""

    desired: DesiredState
    generation: int
    restarts: int


def next_intent(now: Intent, request: Request, *, state: ActualState) -> Intent | None:
    """The intent after a request; None when nothing is to be changed.

    To start what should run already changes nothing, unless it has failed: then it is tried anew. A
    rescue takes the place of what runs, as a restart does. What is made from something else while
    it is stopped stays stopped.
    Raises `Conflict` when the workspace is being deleted, which nothing undoes.
    """
    if now.desired is DesiredState.TERMINATED:
        if request == "delete":
            return None
        raise Conflict("The workspace is being deleted.", code="workspace-terminating")
    up = now.generation + 1
    if request == "delete":
        return Intent(DesiredState.TERMINATED, up, now.restarts)
    if request == "stop":
        stopped = now.desired is DesiredState.STOPPED
        return None if stopped else Intent(DesiredState.STOPPED, up, now.restarts)
    if now.desired is DesiredState.STOPPED:
        then = DesiredState.STOPPED if request == "rebuild" else DesiredState.RUNNING
        return Intent(then, up, now.restarts)
    if request in ("restart", "rescue", "rebuild") or state is ActualState.FAILED:
        return Intent(DesiredState.RUNNING, up, now.restarts + 1)
    return None


def accepts(*, known: int, report: ActualWorkspace) -> bool:
    """Whether a report is news: reports may come late or twice. `known`: the newest generation
    reported before."""
    return report.generation >= known


def volumes_of(stored: str) -> tuple[str, ...]:
    """As a row has them, in JSON."""
    return msgspec.json.decode(stored, type=tuple[str, ...])


def volumes_after(
    known: tuple[str, ...], *, generation: int, report: ActualWorkspace
) -> tuple[str, ...]:
    """The volumes that a workspace has had, after a report. None is forgotten because it is not
    there: its owner agrees to that, and what an agent said before does not undo it."""
    if report.generation < generation:
        return known
    return tuple(sorted({*known, *report.volumes}))


def with_usable_address(report: ActualWorkspace) -> ActualWorkspace:
    """The report with its address in its one form. An address that nobody may be led to is left
    out, and is what is the matter with that workspace: gateways, to which it would go, trust no
    agent's word for it."""
    if not report.address:
        return report
    try:
        return msgspec.structs.replace(report, address=workspace_address(report.address))
    except ValueError as error:
        cause = Cause(
            code="address-refused",
            message=f"The agent reports an address that nobody is led to: {error}.",
            hint="Ask whoever runs the agent: its machine may have been tampered with, or its networks set up wrongly.",
            since=report.observed_at,
        )
        return msgspec.structs.replace(report, address="", state=ActualState.ERROR, cause=cause)


def address_to_lead_to(report: ActualWorkspace) -> str:
    """The address of a report that may have been stored before addresses were checked; "" when
    there is none to lead to."""
    return with_usable_address(report).address


def has_ended(*, desired: DesiredState, generation: int, report: ActualWorkspace) -> bool:
    """Whether nothing is left of a workspace that was to be deleted."""
    return (
        desired is DesiredState.TERMINATED
        and report.state is ActualState.TERMINATED
        and report.generation >= generation
    )


def check_title(title: str, *, field: str = "name") -> str:
    """Raises `InvalidInput`, which names the `field` that holds it: a title is a DNS label (RFC
    1123), as project folders and hosts like it."""
    if not _LABEL.fullmatch(title):
        raise InvalidInput(
            f"{title!r} is no DNS label: 1 to 63 lower-case letters, digits and dashes, with a letter or digit at both ends.",
            code="name-invalid",
            field=field,
        )
    if is_name(title):
        raise InvalidInput(
            f"{title!r} has the form of the names that Moorage gives to workspaces: another one may have it.",
            code="name-reserved",
            hint="Choose a name that says what it is for.",
            field=field,
        )
    if title in _RESERVED:
        raise InvalidInput(
            f"{title!r} means something else here.", code="name-reserved", field=field
        )
    return title


def repository_name(url: str) -> str:
    """The last part of the repository's path, without `.git`; `repository` when there is none."""
    path = unquote(urlsplit(url).path).rstrip("/").removesuffix(".git")
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", path.rsplit("/", 1)[-1]).strip(".-_")
    return name[:100] or "repository"


def title_of(name: str) -> str:
    """A title made from the repository's name."""
    title = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60].strip("-")
    reserved = title in _RESERVED or is_name(title)
    return "repository" if not title or reserved else title


def free_title(title: str, taken: frozenset[str]) -> str:
    """The title, or, when it is taken, the first free one of `title-2`, `title-3`, …"""
    if title not in taken:
        return title
    number = 2
    while f"{title}-{number}" in taken:
        number += 1
    return f"{title}-{number}"


def check_env(env: dict[str, str]) -> None:
    """Raises `InvalidInput`, field `env`, for names that are no variables' (POSIX, 8.1) and for
    values with NUL."""
    for name, value in env.items():
        if not _ENV_NAME.fullmatch(name):
            raise InvalidInput(
                f"{name!r} is no name of a variable: letters, digits and underscores, no digit first.",
                code="env-invalid",
                field="env",
            )
        if "\0" in value:
            raise InvalidInput(f"The value of {name} holds a NUL.", code="env-invalid", field="env")


def check_limits(*, own: int, total: int, per_user: int | None, at_all: int | None) -> None:
    """Raises `LimitReached`. The counts leave terminated workspaces out."""
    if per_user is not None and own >= per_user:
        raise LimitReached(
            f"You have {own} workspaces, and {per_user} are allowed.",
            code="workspaces-per-user",
            hint="Delete one that you no longer need.",
            limit=per_user,
        )
    if at_all is not None and total >= at_all:
        raise LimitReached(
            f"This installation has {total} workspaces, and {at_all} are allowed.",
            code="workspaces-total",
            hint="Delete one that you no longer need, or ask an administrator.",
            limit=at_all,
        )
