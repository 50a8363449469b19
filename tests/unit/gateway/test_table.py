"""The route table as the controller holds it."""

from __future__ import annotations

import pytest

from moorage.contract.gateway import Grant, Route, RouteTable
from moorage.gateway import changes
from moorage.gateway.table import Table

WS, OTHER = "workspace-1-1-aaaaaa", "workspace-1-2-bbbbbb"
ANA, BOB = 1, 2


def table() -> Table:
    made = Table()
    routes = (Route(workspace=WS, owner=ANA, address="10.0.0.1"), Route(workspace=OTHER, owner=BOB))
    grants = (Grant(user=BOB, workspace=WS, port=80),)
    changes.replace(made, RouteTable(revision=7, server_url="", routes=routes, grants=grants), 0.0)
    return made


@pytest.mark.parametrize(
    ("user", "workspace", "port", "may"),
    [
        (ANA, WS, 1, True), (BOB, WS, 80, True), (BOB, WS, 81, False), (ANA, OTHER, 80, False),
        (BOB, OTHER, 1, True), (3, WS, 80, False), (ANA, "workspace-1-1-zzzzzz", 80, False),
    ],
)  # fmt: skip
def test_who_may_open_what(user: int, workspace: str, port: int, may: bool):
    """Owners every port, others what was granted, nobody an unknown workspace; whether it runs or not."""
    assert table().may_open(user, workspace, port) is may
