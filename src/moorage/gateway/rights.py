"""Who may open what of a workspace: the one rule, for pages, HAProxy's map and open requests.
Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from moorage.contract.gateway import Route

ALL_PORTS = 0
"""Stands for every port, as in the contract's `Grant`."""


class Right(NamedTuple):
    """`user` may open `port` of a workspace."""

    user: int
    port: int
    """A port, or `ALL_PORTS`."""

    def opens(self, port: int) -> bool:
        """Whether it is a right to that port."""
        return self.port in (ALL_PORTS, port)


def rights_to(route: Route | None, grants: Iterable[Right]) -> list[Right]:
    """The rights to a workspace: its owner's to every port, and those that were granted.

    Nobody has any to a workspace that is not there. Whether it runs makes no difference.
    """
    return [] if route is None else [Right(route.owner, ALL_PORTS), *grants]
