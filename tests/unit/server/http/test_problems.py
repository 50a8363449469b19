"""Errors, as clients read them."""

from __future__ import annotations

from moorage.kernel.errors import InvalidInput, MoorageError, NotFound
from moorage.server.http.problems import problem_of


def test_problems() -> None:
    """Every error of the tree has its status, code, field and details; an unknown one tells
    nothing."""
    problem = problem_of(InvalidInput("Bad.", code="x-bad", hint="Do.", field="ref", limit=3), "r1")
    assert problem == {
        "type": "about:blank",
        "title": "Not accepted",
        "status": 422,
        "code": "x-bad",
        "detail": "Bad.",
        "hint": "Do.",
        "request_id": "r1",
        "field": "ref",
        "limit": 3,
    }
    assert problem_of(NotFound("No."), "r")["status"] == 404
    assert problem_of(MoorageError("Odd."), "r")["status"] == 500
    unknown = problem_of(RuntimeError("password=hunter2"), "r9")
    assert "hunter2" not in str(unknown)
    assert "r9" in unknown["hint"]
