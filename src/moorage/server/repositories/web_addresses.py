"""What an address names that somebody copied out of a browser: a repository, a ref, a folder in it.

Pure. The forms are those of GitLab, GitHub, Gitea and Forgejo, Bitbucket (Cloud and Data Center)
and Azure DevOps, on hosts of any name. A URL that ends in `.git`, and one of ssh, is taken as it
is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from moorage.kernel.errors import InvalidInput

_BARE = re.compile(
    r"(?P<host>localhost|[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+)(?P<port>:[0-9]{1,5})?/(?P<path>[^\s]+)"
)
"""A host's name, which has a dot, and a path: no protocol, and no user as before scp's colon."""
_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_NUMBER = re.compile(r"[0-9]{1,10}")
_SHOWN_IN_A_PAGE = frozenset({"tab", "ref_type", "at", "plain", "display", "search", "files"})
"""Parameters that say how a page shows a repository, or which ref of it."""


@dataclass(frozen=True)
class Address:
    """`repository`: the URL for Git, not checked yet."""

    repository: str
    ref: str = ""
    """Branch, tag, commit or full name; "": the address names none."""
    path: str = ""
    """Folder or file below the repository's top."""
    tail: str = ""
    """A ref with a path behind it, where the address does not say how long the ref is: `feature/x`
    and `docs`, or `feature` and `x/docs`. Then `ref` and `path` are empty."""
    namespace: str = ""
    """Where the ref in `tail` is looked for alone: `refs/heads/`, `refs/tags/`, or "" for both."""


def read_address(text: str) -> Address:
    """Raises `InvalidInput`, field `repository`, for a page that no Git host has a ref for."""
    text = text.strip()
    if "://" not in text and _BARE.fullmatch(text):
        text = f"https://{text}"
    try:
        parts = urlsplit(text)
    except ValueError:
        return Address(text)
    if parts.scheme not in ("http", "https") or parts.path.rstrip("/").endswith(".git"):
        return Address(text)
    segments = [segment for segment in parts.path.split("/") if segment]
    query = dict(parse_qsl(parts.query))
    for form in _FORMS:
        if (read := form(parts, segments, query)) is not None:
            return read
    return Address(_plain(parts, query))


# -------------------------------------------------------------------------------------------- hosts
def _gitlab(parts: SplitResult, segments: list[str], query: Mapping[str, str]) -> Address | None:
    """`<group>/…/<project>/-/<page>/…`"""
    if "-" not in segments[2:]:
        return None
    at = segments.index("-", 2)
    repository, (page, *rest) = _url(parts, segments[:at]), [*segments[at + 1 :], ""]
    rest = [segment for segment in rest if segment]
    if page == "merge_requests" and rest and _NUMBER.fullmatch(rest[0]):
        return Address(repository, f"refs/merge-requests/{rest[0]}/head")
    if page in ("tags", "releases") and rest:
        return Address(repository, f"refs/tags/{_joined(rest)}")
    if page == "commit" and rest:
        return Address(repository, rest[0])
    if page in ("tree", "blob", "raw", "blame", "commits", "edit", "network", "graphs") and rest:
        kinds = {"heads": "refs/heads/", "tags": "refs/tags/"}
        namespace = kinds.get(query.get("ref_type", ""), "")
        return Address(repository, tail=_joined(rest), namespace=namespace)
    return Address(repository)


def _gitea(parts: SplitResult, segments: list[str], query: Mapping[str, str]) -> Address | None:
    """`<owner>/<repository>/src/branch/…`"""
    for at in range(2, len(segments) - 2):
        page, kind, *rest = segments[at:]
        if page not in ("src", "raw", "media", "blame", "commits", "_edit"):
            continue
        repository = _url(parts, segments[:at])
        if kind == "commit":
            return Address(repository, rest[0], _joined(rest[1:]))
        if kind in ("branch", "tag"):
            namespace = "refs/heads/" if kind == "branch" else "refs/tags/"
            return Address(repository, tail=_joined(rest), namespace=namespace)
    if len(segments) >= 4 and segments[-2] == "pulls" and _NUMBER.fullmatch(segments[-1]):
        return Address(_url(parts, segments[:-2]), f"refs/pull/{segments[-1]}/head")
    if len(segments) >= 5 and segments[-3] == "pulls" and _NUMBER.fullmatch(segments[-2]):
        return Address(_url(parts, segments[:-3]), f"refs/pull/{segments[-2]}/head")
    return None


def _bitbucket_cloud(
    parts: SplitResult, segments: list[str], query: Mapping[str, str]
) -> Address | None:
    if parts.hostname != "bitbucket.org" or len(segments) < 3:
        return None
    repository, (page, *rest) = _url(parts, segments[:2]), segments[2:]
    if page == "pull-requests" and rest and _NUMBER.fullmatch(rest[0]):
        raise InvalidInput(
            f"Bitbucket Cloud hands out no commits of the pull request {rest[0]} by its number.",
            code="repository-invalid",
            field="repository",
            hint="Give the repository that it comes from, and its branch.",
        )
    if page == "branch" and rest:
        return Address(repository, f"refs/heads/{_joined(rest)}")
    if page == "commits" and len(rest) > 1 and rest[0] in ("branch", "tag"):
        namespace = "refs/heads/" if rest[0] == "branch" else "refs/tags/"
        return Address(repository, namespace + _joined(rest[1:]))
    if page == "commits" and rest:
        return Address(repository, rest[0])
    if page == "src" and rest:
        if query.get("at"):  # the segment is the commit that it was when it was looked at
            return Address(repository, query["at"], _joined(rest[1:]))
        return Address(repository, tail=_joined(rest))
    return Address(repository)


def _bitbucket_data_center(
    parts: SplitResult, segments: list[str], query: Mapping[str, str]
) -> Address | None:
    """`projects/<key>/repos/<repository>/<page>`, below whatever the server's own path is."""
    for at in range(len(segments) - 3):
        if segments[at] in ("projects", "users") and segments[at + 2] == "repos":
            break
    else:
        return None
    owner = segments[at + 1].lower() if segments[at] == "projects" else f"~{segments[at + 1]}"
    repository = _url(parts, [*segments[:at], "scm", owner, f"{segments[at + 3]}.git"])
    page, *rest = [*segments[at + 4 :], ""]
    rest = [segment for segment in rest if segment]
    if page == "pull-requests" and rest and _NUMBER.fullmatch(rest[0]):
        return Address(repository, f"refs/pull-requests/{rest[0]}/from")
    if page == "commits" and rest:
        return Address(repository, rest[0])
    return Address(repository, query.get("at", ""), _joined(rest) if page == "browse" else "")


def _azure(parts: SplitResult, segments: list[str], query: Mapping[str, str]) -> Address | None:
    """`<organisation>/<project>/_git/<repository>`"""
    if "_git" not in segments[:-1]:
        return None
    at = segments.index("_git") + 1
    repository, rest = _url(parts, segments[: at + 1]), segments[at + 1 :]
    if len(rest) >= 2 and rest[0] == "pullrequest" and _NUMBER.fullmatch(rest[1]):
        return Address(repository, f"refs/pull/{rest[1]}/merge")
    kinds = {"GB": "refs/heads/", "GT": "refs/tags/", "GC": ""}
    version = query.get("version", "")
    path = query.get("path", "").strip("/")
    if version[:2] in kinds and version[2:]:
        return Address(repository, kinds[version[:2]] + version[2:], path)
    return Address(repository, path=path)


def _github(parts: SplitResult, segments: list[str], query: Mapping[str, str]) -> Address | None:
    """`<owner>/<repository>/<page>/…`; the pages that the others have, too, are theirs."""
    if len(segments) < 3:
        return None
    repository, (page, *rest) = _url(parts, segments[:2]), segments[2:]
    if page == "pull" and rest and _NUMBER.fullmatch(rest[0]):
        return Address(repository, f"refs/pull/{rest[0]}/head")
    if page == "releases" and len(rest) > 1 and rest[0] == "tag":
        return Address(repository, f"refs/tags/{_joined(rest[1:])}")
    if page == "commit" and rest and _COMMIT.fullmatch(rest[0]):
        return Address(repository, rest[0])
    if page in ("tree", "blob", "raw", "blame", "commits", "edit") and rest:
        if rest[:2] in (["refs", "heads"], ["refs", "tags"]) and len(rest) > 2:
            namespace = f"refs/{rest[1]}/"
            return Address(repository, tail=_joined(rest[2:]), namespace=namespace)
        return Address(repository, tail=_joined(rest))
    plain = ("issues", "pulls", "branches", "tags", "releases", "actions", "wiki", "network")
    return Address(repository) if page in plain and len(segments) < 5 else None


_FORMS: tuple[Callable[[SplitResult, list[str], Mapping[str, str]], Address | None], ...] = (
    _azure,
    _bitbucket_cloud,
    _bitbucket_data_center,
    _gitlab,
    _gitea,
    _github,
)


# ------------------------------------------------------------------------------------------- pieces
def _plain(parts: SplitResult, query: Mapping[str, str]) -> str:
    """The URL without what a page's tabs and headings add to it; whatever else stands behind `?` or
    `#` is left, for the rules to refuse."""
    shown = set(query) <= _SHOWN_IN_A_PAGE
    heading = re.fullmatch(r"(readme|L[0-9]+.*)?", parts.fragment, re.IGNORECASE) is not None
    return parts._replace(
        query="" if shown else parts.query, fragment="" if heading else parts.fragment
    ).geturl()


def _url(parts: SplitResult, segments: list[str]) -> str:
    return parts._replace(path="/" + "/".join(segments), query="", fragment="").geturl()


def _joined(segments: list[str]) -> str:
    """As refs and paths are written: decoded."""
    return "/".join(unquote(segment) for segment in segments)
