"""A domain as one value: what the application serves, runs, cleans and shows of it.

`domains.DOMAINS` lists them; nothing else needs an edit to add one (docs/architecture.md, "How to
add a domain").
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncSession

from moorage.server.authorization import Action
from moorage.server.core import Core
from moorage.server.storage.changes import Changed

Background = Callable[[Core], Awaitable[None]]
"""Work that runs as long as the server. Where it returns or fails, it is begun again after a
pause."""

Expired = Callable[[Core, AsyncSession], Awaitable[None]]
"""Deletes what has expired, a while late, so that "expired" can still be told from "never was". It
is given a writing session."""


@dataclass(frozen=True)
class Link:
    """An entry of the pages' navigation."""

    href: str
    label: str
    action: Action | None = None
    """What one must be allowed to see it; None: everybody who is signed in does."""


def _no_parts(_core: Core) -> Iterable[object]:
    return ()


@dataclass(frozen=True, kw_only=True)
class Domain:
    name: str
    api: tuple[APIRouter, ...] = ()
    """Routes below `/api/v1`."""
    pages: tuple[APIRouter, ...] = ()
    """Routes of pages."""
    internal: tuple[APIRouter, ...] = ()
    """What agents and gateways connect to."""
    background: Mapping[str, Background] = field(default_factory=dict)
    """By the name that the log calls it by."""
    expired: tuple[Expired, ...] = ()
    navigation: tuple[Link, ...] = ()
    changes: tuple[type[Changed], ...] = ()
    """Notifications of its own."""
    parts: Callable[[Core], Iterable[object]] = _no_parts
    """Makes what its services find by `Core.part`."""
