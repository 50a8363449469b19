"""What an address out of a browser's bar names."""

from __future__ import annotations

import pytest

from moorage.kernel.errors import InvalidInput
from moorage.server.repositories import rules
from moorage.server.repositories.refs import Wanted
from moorage.server.repositories.web_addresses import Address, read_address

GITLAB = "https://gitlab.example.com/team/sub/app"
GITHUB = "https://github.com/team/app"
GITEA = "https://codeberg.org/team/app"
CLOUD = "https://bitbucket.org/team/app"
CENTER = "https://bitbucket.example.com/git/projects/KEY/repos/app"
AZURE = "https://dev.azure.com/team/project/_git/app"
SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        # Nothing but a repository
        (GITHUB, Address(GITHUB)),
        (f"{GITHUB}/", Address(f"{GITHUB}/")),
        (f"{GITHUB}.git", Address(f"{GITHUB}.git")),
        ("git@github.com:team/app.git", Address("git@github.com:team/app.git")),
        ("ssh://git@github.com/team/app/tree/x", Address("ssh://git@github.com/team/app/tree/x")),
        (f"{GITHUB}?tab=readme-ov-file#readme", Address(GITHUB)),
        (f"{GITHUB}#feature", Address(f"{GITHUB}#feature")),
        (f"{GITHUB}?private_token=x", Address(f"{GITHUB}?private_token=x")),
        ("https://git.example.com/a/b/c/d", Address("https://git.example.com/a/b/c/d")),
        ("https://git.example.com/a/tree/x.git", Address("https://git.example.com/a/tree/x.git")),
        # Without a protocol
        ("github.com/team/app", Address(GITHUB)),
        ("github.com/team/app/tree/main", Address(GITHUB, tail="main")),
        ("git.example.com:8443/team/app", Address("https://git.example.com:8443/team/app")),
        ("localhost:3000/team/app", Address("https://localhost:3000/team/app")),
        ("team/app", Address("team/app")),
        # GitLab
        (f"{GITLAB}/-/tree/main", Address(GITLAB, tail="main")),
        (
            f"{GITLAB}/-/tree/a/b/docs?ref_type=heads",
            Address(GITLAB, tail="a/b/docs", namespace="refs/heads/"),
        ),
        (f"{GITLAB}/-/tree/v1?ref_type=tags", Address(GITLAB, tail="v1", namespace="refs/tags/")),
        (f"{GITLAB}/-/blob/main/a%20b/x.py#L10-20", Address(GITLAB, tail="main/a b/x.py")),
        (f"{GITLAB}/-/merge_requests/7", Address(GITLAB, "refs/merge-requests/7/head")),
        (f"{GITLAB}/-/merge_requests/7/diffs?x=1", Address(GITLAB, "refs/merge-requests/7/head")),
        (f"{GITLAB}/-/tags/v1.0", Address(GITLAB, "refs/tags/v1.0")),
        (f"{GITLAB}/-/releases/v1.0", Address(GITLAB, "refs/tags/v1.0")),
        (f"{GITLAB}/-/commit/{SHA}", Address(GITLAB, SHA)),
        (f"{GITLAB}/-/commits/main?ref_type=heads", Address(GITLAB, tail="main", namespace="refs/heads/")),
        (f"{GITLAB}/-/pipelines/12", Address(GITLAB)),
        (f"{GITLAB}/-/tree", Address(GITLAB)),
        # GitHub
        (f"{GITHUB}/tree/feature/x", Address(GITHUB, tail="feature/x")),
        (f"{GITHUB}/tree/feature%2Fx", Address(GITHUB, tail="feature/x")),
        (f"{GITHUB}/blob/main/docs/a.md?plain=1#L3", Address(GITHUB, tail="main/docs/a.md")),
        (f"{GITHUB}/tree/refs/heads/x", Address(GITHUB, tail="x", namespace="refs/heads/")),
        (f"{GITHUB}/pull/7", Address(GITHUB, "refs/pull/7/head")),
        (f"{GITHUB}/pull/7/files#diff-0", Address(GITHUB, "refs/pull/7/head")),
        (f"{GITHUB}/releases/tag/v1.0", Address(GITHUB, "refs/tags/v1.0")),
        (f"{GITHUB}/commit/{SHA}", Address(GITHUB, SHA)),
        (f"{GITHUB}/issues", Address(GITHUB)),
        (f"{GITHUB}/issues/7", Address(GITHUB)),
        # Gitea, Forgejo
        (f"{GITEA}/src/branch/a/b", Address(GITEA, tail="a/b", namespace="refs/heads/")),
        (f"{GITEA}/src/tag/v1/docs", Address(GITEA, tail="v1/docs", namespace="refs/tags/")),
        (f"{GITEA}/src/commit/{SHA}/docs", Address(GITEA, SHA, "docs")),
        (f"{GITEA}/commit/{SHA}", Address(GITEA, SHA)),
        (f"{GITEA}/pulls/7", Address(GITEA, "refs/pull/7/head")),
        (f"{GITEA}/pulls/7/files", Address(GITEA, "refs/pull/7/head")),
        (f"{GITEA}/releases/tag/v1", Address(GITEA, "refs/tags/v1")),
        (
            "https://example.com/gitea/team/app/src/branch/main",
            Address("https://example.com/gitea/team/app", tail="main", namespace="refs/heads/"),
        ),
        # Bitbucket
        (f"{CLOUD}/src/main/docs/", Address(CLOUD, tail="main/docs")),
        (f"{CLOUD}/src/{SHA}/docs/?at=feature%2Fx", Address(CLOUD, "feature/x", "docs")),
        (f"{CLOUD}/branch/feature/x", Address(CLOUD, "refs/heads/feature/x")),
        (f"{CLOUD}/commits/{SHA}", Address(CLOUD, SHA)),
        (f"{CLOUD}/commits/tag/v1", Address(CLOUD, "refs/tags/v1")),
        (f"{CENTER}/browse", Address("https://bitbucket.example.com/git/scm/key/app.git")),
        (
            f"{CENTER}/browse/docs?at=refs%2Fheads%2Fx",
            Address("https://bitbucket.example.com/git/scm/key/app.git", "refs/heads/x", "docs"),
        ),
        (
            f"{CENTER}/pull-requests/7/overview",
            Address("https://bitbucket.example.com/git/scm/key/app.git", "refs/pull-requests/7/from"),
        ),
        (
            "https://bitbucket.example.com/users/ann/repos/app/browse",
            Address("https://bitbucket.example.com/scm/~ann/app.git"),
        ),
        # Azure DevOps
        (AZURE, Address(AZURE)),
        (f"{AZURE}?version=GBfeature%2Fx&path=/docs", Address(AZURE, "refs/heads/feature/x", "docs")),
        (f"{AZURE}/pullrequest/7?_a=files", Address(AZURE, "refs/pull/7/merge")),
    ],
)  # fmt: skip
def test_addresses(text: str, address: Address) -> None:
    """The repository's own URL, and what the page shows of it; a URL of Git's stays as it is."""
    assert read_address(text) == address


def test_a_page_without_a_ref() -> None:
    """What no Git host has a ref for is refused with what to do, and not taken for the default
    branch."""
    with pytest.raises(InvalidInput) as caught:
        read_address(f"{CLOUD}/pull-requests/7/my-change/diff")
    assert caught.value.field == "repository"
    assert "its branch" in caught.value.hint


@pytest.mark.parametrize(
    ("address", "ref", "wanted"),
    [
        (Address("u"), "", Wanted()),
        (Address("u"), "x", Wanted("x")),
        (Address("u", "refs/heads/x", "docs"), "", Wanted("refs/heads/x", path="docs")),
        (Address("u", "x"), "x", Wanted("x")),
        (Address("u", tail="a/b/docs"), "", Wanted(tail="a/b/docs")),
        (Address("u", tail="a/b/docs"), "a/b", Wanted("a/b", path="docs")),
        (Address("u", tail="main/a b/c:d..e"), "", Wanted(tail="main/a b/c:d..e")),
    ],
)
def test_an_address_and_a_ref(address: Address, ref: str, wanted: Wanted) -> None:
    """The ref is the address's, or the one beside it; where it ends may be said there."""
    assert rules.check_wanted(address, ref) == wanted


@pytest.mark.parametrize(
    ("address", "ref", "code"),
    [
        (Address("u", "refs/heads/x"), "y", "ref-twice"),
        (Address("u", tail="main/docs"), "other", "ref-twice"),
        (Address("u", tail="main/docs"), "mai", "ref-twice"),
        (Address("u", "--upload-pack=x"), "", "ref-invalid"),
        (Address("u", "a..b"), "", "ref-invalid"),
        (Address("u", tail="-x"), "", "devfile-path-invalid"),
        (Address("u", tail="a b"), "", "ref-invalid"),
        (Address("u", "x", "../../etc"), "", "devfile-path-invalid"),
        (Address("u", tail="main/../../etc"), "", "devfile-path-invalid"),
        (Address("u", tail="main/a\nb"), "", "devfile-path-invalid"),
    ],
)
def test_addresses_that_are_refused(address: Address, ref: str, code: str) -> None:
    """Two refs that differ, and whatever Git would take for something else."""
    with pytest.raises(InvalidInput) as caught:
        rules.check_wanted(address, ref)
    assert caught.value.code == code
