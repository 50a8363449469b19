"""Which commit a ref means."""

from __future__ import annotations

import pytest

from moorage.server.repositories.refs import Found, Listed, Ref, RefKind, Wanted, choose

SHA = "0123456789abcdef0123456789abcdef01234567"
REFS = {
    "HEAD": "0",
    **dict.fromkeys(
        (
            "refs/heads/main",
            "refs/heads/feature/x",
            "refs/heads/both",
            "refs/heads/pull/1/head",
            "refs/tags/both",
            "refs/tags/v1",
            "refs/tags/a/b",
        ),
        "1",
    ),
}
LISTED = Listed(REFS, "refs/heads/main")


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Wanted(), Found(Ref("refs/heads/main"))),
        (Wanted("HEAD"), Found(Ref("refs/heads/main"))),
        (Wanted(path="docs"), Found(Ref("refs/heads/main"), "docs")),
        (Wanted("feature/x"), Found(Ref("refs/heads/feature/x"))),
        (Wanted("v1"), Found(Ref("refs/tags/v1"))),
        (Wanted("both"), Found(Ref("refs/heads/both", shadowed_tag=True))),
        (Wanted("tags/both"), Found(Ref("refs/tags/both", explicit=True))),
        (Wanted("heads/main"), Found(Ref("refs/heads/main"))),
        (Wanted("pull/7/head"), Found(Ref("refs/pull/7/head"))),
        (Wanted("pull/1/head"), Found(Ref("refs/heads/pull/1/head"))),
        (Wanted("merge-requests/7/head"), Found(Ref("refs/merge-requests/7/head"))),
        (Wanted("pull/7"), None),
        (Wanted("nope"), None),
        (Wanted("origin/main"), None),
        (Wanted("0123456"), None),
        (Wanted(tail="feature/x/docs/a.md"), Found(Ref("refs/heads/feature/x"), "docs/a.md")),
        (Wanted(tail="a/b"), Found(Ref("refs/tags/a/b"))),
        (Wanted(tail="both", namespace="refs/tags/"), Found(Ref("refs/tags/both", explicit=True))),
        (Wanted(tail="both/x"), Found(Ref("refs/heads/both", shadowed_tag=True), "x")),
        (Wanted(tail="v1", namespace="refs/heads/"), None),
        (Wanted(tail=f"{SHA}/docs"), Found(Ref("", SHA), "docs")),
        (Wanted(tail="nope/docs"), None),
    ],
)
def test_choice(wanted: Wanted, found: Found | None) -> None:
    """A branch goes before a tag, both before anything else; what stands behind a ref is a path."""
    assert choose(wanted, LISTED) == found


@pytest.mark.parametrize(
    ("ref", "exact"),
    [
        ("refs/heads/x", Ref("refs/heads/x", explicit=True)),
        ("refs/pull/7/head", Ref("refs/pull/7/head", explicit=True)),
        (SHA, Ref("", SHA)),
        (SHA * 2, None),
        ("main", None),
        ("0123456", None),
    ],
)
def test_what_is_certain(ref: str, exact: Ref | None) -> None:
    """A full name and a whole commit are not looked up."""
    assert Wanted(ref).exact == exact


def test_nothing_behind_head() -> None:
    """A host whose HEAD leads nowhere has no default branch; one that stands at a commit has that
    commit."""
    assert choose(Wanted(), Listed({}, "refs/heads/master")) is None
    assert choose(Wanted(), Listed({"HEAD": SHA})) == Found(Ref(""))


@pytest.mark.parametrize(
    ("ref", "kind", "name"),
    [
        (Ref("refs/heads/a/b", "1"), RefKind.BRANCH, "a/b"),
        (Ref("refs/tags/v1", "1"), RefKind.TAG, "v1"),
        (Ref("refs/tags/v1", "1", explicit=True), RefKind.TAG, "tags/v1"),
        (Ref("refs/pull/7/head", "1"), RefKind.CHANGE, "pull/7/head"),
        (Ref("refs/pull-requests/7/from", "1"), RefKind.CHANGE, "pull-requests/7/from"),
        (Ref("refs/notes/commits", "1"), RefKind.OTHER, "refs/notes/commits"),
        (Ref("", SHA), RefKind.COMMIT, SHA),
    ],
)
def test_kinds_and_names(ref: Ref, kind: RefKind, name: str) -> None:
    """The name that people are shown means the same ref again."""
    assert (ref.kind, ref.name) == (kind, name)
    again = Wanted(name)
    found = again.exact or choose(again, Listed({ref.full_name: "1"})).ref  # type: ignore[union-attr]
    assert found.full_name == ref.full_name
