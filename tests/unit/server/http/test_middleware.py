"""Paths, as they are counted."""

from __future__ import annotations

import pytest

from moorage.server.http.middleware import route_label


@pytest.mark.parametrize(
    ("scope", "label"),
    [
        ({"path": "/a/w/start", "route": 1, "path_params": {"name": "w"}}, "/a/{name}/start"),
        ({"path": "/a/5", "route": 1, "path_params": {"id": 5}}, "/a/{id}"),
        (
            {"path": "/assets/x/y.css", "route": 1, "path_params": {"path": "x/y.css"}},
            "/assets/{path}",
        ),
        ({"path": "/w/w", "route": 1, "path_params": {}}, "/w/w"),
        ({"path": "/guess"}, "other"),
    ],
)
def test_route_labels(scope: dict[str, object], label: str) -> None:
    """Parameters never become labels."""
    assert route_label(scope) == label
