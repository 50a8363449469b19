"""What the list says of workspaces, and which of them a search leaves."""

from __future__ import annotations

from typing import Any

import pytest

from moorage.contract import ActualState, DesiredState
from moorage.server.web import list_views
from moorage.server.web.list_views import Filter

from .test_views import NOW, OWNER, workspace


def test_rows_newest_first_without_the_deleted() -> None:
    """The newest workspace comes first, and what is deleted is not listed."""
    rows = list_views.rows(
        [
            workspace(name="workspace-1-2-aaaaaa", created_at=NOW - 20),
            workspace(name="workspace-1-2-bbbbbb", created_at=NOW - 10),
            workspace(name="workspace-1-2-cccccc", state="Terminated"),
        ],
        OWNER,
        NOW,
    )
    assert [row.workspace.name for row in rows] == ["workspace-1-2-bbbbbb", "workspace-1-2-aaaaaa"]


@pytest.mark.parametrize(
    ("wanted", "left"),
    [
        (Filter(), True),
        (Filter("shop"), True),
        (Filter("SHOP-2"), True),
        (Filter("team/shop main"), True),
        (Filter("main bob"), True),
        (Filter("local"), True),
        (Filter("abc123"), True),
        (Filter("shop zebra"), False),
        (Filter("secret"), False),
        (Filter("shop", "running"), True),
        (Filter("shop", "stopped"), False),
        (Filter("", "trouble"), False),
        (Filter("", "no-such-group"), True),
    ],
)
def test_what_a_search_leaves(wanted: Filter, left: bool) -> None:
    """Each word is looked for in title, name, repository, ref, owner, agent and state, in any case;
    never in the password of an address."""
    row = list_views.row(
        workspace(
            title="shop-2",
            ref="main",
            owner_name="bob",
            repository="https://u:secret@git.example.com/team/shop.git",
        ),
        OWNER,
        NOW,
    )
    assert wanted.leaves(row) is left


@pytest.mark.parametrize("desired", list(DesiredState))
@pytest.mark.parametrize("state", list(ActualState))
def test_every_state_is_found_by_a_group(desired: DesiredState, state: ActualState) -> None:
    """Whatever is desired and reported, some choice of the list's states shows it."""
    row = list_views.row(workspace(desired=desired, state=state), OWNER, NOW)
    assert row.groups
    assert set(row.groups) <= set(list_views.GROUPS)


@pytest.mark.parametrize(
    ("what", "done", "refused", "said"),
    [
        ("stop", 1, [], "1 workspace is being stopped; the files stay."),
        ("delete", 3, [], "3 workspaces are being deleted, with the files."),
        ("start", 0, [("app", "It is gone.")], "app: It is gone."),
        (
            "start",
            2,
            [("app", "It is gone.")],
            "2 workspaces are being started. app: It is gone.",
        ),
        ("stop", 0, [(f"w{n}", "No.") for n in range(7)], None),
    ],
)
def test_what_is_said_of_several(
    what: str, done: int, refused: list[Any], said: str | None
) -> None:
    """How many took it, and of each that did not, why; of many, the first and how many more."""
    text = list_views.done_with_several(what, done, refused)
    if said is None:
        assert text.startswith("w0: No. ")
        assert text.endswith("w4: No. And 2 more.")
    else:
        assert text == said


def names(rows: Any) -> list[str]:
    return [row.workspace.name[-1] for row in rows]


A, B, C = (
    workspace(name=f"workspace-1-2-aaaaa{letter}", created_at=NOW - 10 * age)
    for age, letter in ((3, "a"), (2, "b"), (1, "c"))
)


@pytest.mark.parametrize(
    ("before", "after", "changed", "added", "removed"),
    [
        ([A, B], [A, B], [], [], []),
        ([A, B], [A, B.model_copy(update={"title": "x"})], ["b"], [], []),
        ([A], [A, B, C], [], ["c", "b"], []),
        ([A, B, C], [A, C], [], [], ["b"]),
        ([A, B], [A.model_copy(update={"state": "Failed"}), C], ["a"], ["c"], ["b"]),
        ([A, B], [A, B.model_copy(update={"state": ActualState.TERMINATED})], [], [], ["b"]),
    ],
)
def test_only_what_has_changed(
    before: Any, after: Any, changed: list[str], added: list[str], removed: list[str]
) -> None:
    """Rows that are as they were are not drawn anew; new ones come first, as in the list."""
    rows = [list_views.rows(shown, OWNER, NOW) for shown in (before, after)]
    found = list_views.changes(*rows)
    assert found is not None
    assert (names(found.changed), names(found.added)) == (changed, added)
    assert [name[-1] for name in found.removed] == removed


@pytest.mark.parametrize(
    ("before", "after"),
    [([], [A]), ([A], []), ([B], [A, B]), ([A, B], [A, B.model_copy(update={"created_at": 0.0})])],
)
def test_when_all_of_it_is_drawn(before: Any, after: Any) -> None:
    """The first workspace and the last are another page; so is one that comes in the middle."""
    rows = [list_views.rows(shown, OWNER, NOW) for shown in (before, after)]
    assert list_views.changes(*rows) is None
