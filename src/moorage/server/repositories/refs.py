"""Which commit a ref means: asked for in a person's words, found among what the host has. Pure.

A ref is understood here, once: whoever clones the repository later is told the full name and the
commit. A branch goes before a tag of the same name, as `git clone --branch` has it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

HEAD = "HEAD"
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_DEEPEST = 20
"""Parts that a ref in an address may have, at most."""
_CHANGE = re.compile(
    r"refs/(pull/[0-9]+/(head|merge)|merge-requests/[0-9]+/(head|merge)|pull-requests/[0-9]+/(from|to|merge))"
)
"""GitHub and Gitea, GitLab, Bitbucket Data Center."""


class RefKind(StrEnum):
    BRANCH = "branch"
    TAG = "tag"
    CHANGE = "change"
    """A merge or pull request's."""
    COMMIT = "commit"
    OTHER = "other"


@dataclass(frozen=True)
class Ref:
    full_name: str
    """`refs/heads/main`; "" for a commit that was named itself."""
    commit: str = ""
    """All its digits; "" until it has been fetched."""
    explicit: bool = False
    """It was asked for by its full name, so that a branch may have the same short one."""
    shadowed_tag: bool = False
    """There is a tag of the same name as this branch."""

    @property
    def kind(self) -> RefKind:
        for prefix, kind in (("refs/heads/", RefKind.BRANCH), ("refs/tags/", RefKind.TAG)):
            if self.full_name.startswith(prefix):
                return kind
        if _CHANGE.fullmatch(self.full_name):
            return RefKind.CHANGE
        return RefKind.OTHER if self.full_name else RefKind.COMMIT

    @property
    def name(self) -> str:
        """As people write it, which means the same when it is asked for again."""
        if self.kind is RefKind.TAG and self.explicit:
            return self.full_name.removeprefix("refs/")
        return short_name(self.full_name) or self.commit

    @property
    def fetched_as(self) -> str:
        """What Git is asked for."""
        return self.full_name or self.commit or HEAD


@dataclass(frozen=True)
class Wanted:
    """A ref as somebody asked for it, checked. Where `tail` is set it is a ref with a path behind
    it."""

    ref: str = ""
    tail: str = ""
    namespace: str = ""
    path: str = ""
    """What the address names below the repository's top, where its ref is known."""

    @property
    def said(self) -> str:
        return self.ref or self.tail

    @property
    def exact(self) -> Ref | None:
        """What is certain without asking: a full name, or a commit by all its digits."""
        if self.ref.startswith("refs/"):
            return Ref(self.ref, explicit=True)
        return Ref("", self.ref) if _COMMIT.fullmatch(self.ref) else None

    @property
    def names(self) -> tuple[str, ...]:
        """Full names that it can stand for, the one that is preferred first."""
        found: list[str] = []
        for name in self._short_names():
            if self.namespace:
                found.append(self.namespace + name)
            else:
                found += [f"refs/heads/{name}", f"refs/tags/{name}"]
        if self.ref and self.ref.startswith(("heads/", "tags/")):
            found.append(f"refs/{self.ref}")
        return tuple(found)

    def _short_names(self) -> list[str]:
        if self.ref or not self.tail:
            return [self.ref] if self.ref not in ("", HEAD) else []
        parts = self.tail.split("/")
        prefixes = ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]
        return [prefix for prefix in prefixes[:_DEEPEST] if is_ref_name(prefix)]


@dataclass(frozen=True)
class Listed:
    """Refs that a host has, of those that were asked for: full name to object."""

    refs: Mapping[str, str]
    head: str = ""
    """The full name behind HEAD."""


@dataclass(frozen=True)
class Found:
    ref: Ref
    path: str = ""
    """Below the repository's top, what the address names."""


def choose(wanted: Wanted, listed: Listed) -> Found | None:
    """None when the host has nothing of that name."""
    if not wanted.names:
        return Found(Ref(listed.head), wanted.path) if HEAD in listed.refs else None
    for name in wanted.names:
        if name in listed.refs:
            return Found(_listed(name, wanted, listed), wanted.path or _behind(wanted.tail, name))
    if _CHANGE.fullmatch(f"refs/{wanted.ref}"):
        return Found(Ref(f"refs/{wanted.ref}"), wanted.path)  # no branch or tag: its host knows
    first, _, rest = wanted.tail.partition("/")
    return Found(Ref("", first), rest) if _COMMIT.fullmatch(first) else None


def _listed(name: str, wanted: Wanted, listed: Listed) -> Ref:
    ref = Ref(name, explicit=bool(wanted.namespace) or wanted.ref.startswith("tags/"))
    tag = f"refs/tags/{ref.name}"
    return replace(ref, shadowed_tag=ref.kind is RefKind.BRANCH and tag in listed.refs)


def _behind(tail: str, name: str) -> str:
    return tail.removeprefix(short_name(name)).lstrip("/")


def is_ref_name(ref: str) -> bool:
    """The rules of git-check-ref-format(1), for a branch, a tag, a whole ref name or a commit."""
    parts = ref.split("/")
    return not (
        ref.startswith("-")
        or ref.endswith(".")
        or ref == "@"
        or ".." in ref
        or "@{" in ref
        or re.search(r"[\x00-\x20\x7f~^:?*\[\\]", ref) is not None
        or any(not part or part.startswith(".") or part.endswith(".lock") for part in parts)
    )


def short_name(full_name: str) -> str:
    """A full name as people write it."""
    for prefix in ("refs/heads/", "refs/tags/"):
        if full_name.startswith(prefix):
            return full_name.removeprefix(prefix)
    return full_name.removeprefix("refs/") if _CHANGE.fullmatch(full_name) else full_name
