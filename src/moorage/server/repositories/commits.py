"""One commit of a repository, whose files are read one by one while Git is at hand."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from moorage.server.repositories.git import Objects
from moorage.server.repositories.refs import Ref

_TREE_LIMIT = 8_000_000
_COMMIT_LIMIT = 1_000_000
_LFS = re.compile(r"^[^#\n]*\sfilter=lfs\b", re.MULTILINE)


@dataclass(frozen=True)
class File:
    path: str
    """Path from the repository's top."""
    text: str


class Missing(StrEnum):
    """Parts of a repository that a clone leaves out."""

    LFS = "lfs"


@dataclass(frozen=True)
class Reading:
    """Files of one commit: `url` is the repository as Git was given it, `commit` the whole 40
    digits."""

    url: str
    ref: Ref
    commit: str
    files: tuple[File, ...]
    folder: str = ""
    """Folder that the address named, below the repository's top."""
    named: str = ""
    """Folder or file that the address named."""
    missing: tuple[Missing, ...] = ()
    """What a clone of it will not have."""
    chosen: str = ""
    """Says what stands in the place of a file that the repository has not, and why, as a sentence
    for a person; "" when the file is its own."""

    @property
    def file(self) -> File:
        """The first one, for whoever asked for one."""
        return self.files[0]


class NoCommitError(Exception):
    """A ref of something that is no commit: a tag may be of a file."""


class NoPathError(Exception):
    """The commit has no file and no folder there."""


class FileTooLargeError(Exception):
    def __init__(self, path: str, size: int, limit: int) -> None:
        super().__init__(path, size, limit)
        self.path, self.size, self.limit = path, size, limit


class NotTextError(Exception):
    """A file that is not text in UTF-8."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


class Commit:
    """`limit`: bytes that a file may have. Git fetches what is not here yet, each on its own; all
    methods raise `GitFailed`."""

    def __init__(
        self, objects: Objects, oid: str, *, limit: int, folder: str = "", named_file: str = ""
    ) -> None:
        self._objects = objects
        self._limit = limit
        self.oid = oid
        self.folder = folder
        """Folder that the repository's address named, "" being the topmost."""
        self.named_file = named_file
        """File that the address named; "": none."""

    @classmethod
    async def fetched(cls, objects: Objects, *, limit: int, path: str = "") -> Commit:
        """The commit that was fetched last, at the file or folder `path`. Raises `NoCommitError`,
        `NoPathError`."""
        found = await objects.get("FETCH_HEAD^{commit}", most=_COMMIT_LIMIT)
        if found.kind != "commit":
            raise NoCommitError
        if not path:
            return cls(objects, found.oid, limit=limit)
        entry = await objects.get(f"FETCH_HEAD:{path}", most=0)
        if entry.kind == "tree":
            return cls(objects, found.oid, limit=limit, folder=path)
        if entry.kind == "blob":
            folder, _, _ = path.rpartition("/")
            return cls(objects, found.oid, limit=limit, folder=folder, named_file=path)
        raise NoPathError

    async def file(self, path: str) -> File | None:
        """None when there is no file at this path. Raises `FileTooLargeError` and
        `NotTextError`."""
        blob = await self._objects.get(f"FETCH_HEAD:{path}", most=self._limit)
        if blob.kind != "blob":
            return None
        if blob.size > self._limit:
            raise FileTooLargeError(path, blob.size, self._limit)
        try:
            return File(path, blob.data.decode())
        except UnicodeDecodeError as error:
            raise NotTextError(path) from error

    async def missing(self) -> tuple[Missing, ...]:
        """What a clone of it leaves out, by the files at its top."""
        top = await self.names()
        found: list[Missing] = []
        if ".gitattributes" in top:
            try:
                attributes = await self.file(".gitattributes")
            except (FileTooLargeError, NotTextError):
                attributes = None
            if attributes is not None and _LFS.search(attributes.text):
                found.append(Missing.LFS)
        return tuple(found)

    async def names(self, folder: str = "") -> frozenset[str]:
        """Names of the files and folders in a folder, "" being the topmost; none when there is no
        such folder."""
        tree = f"FETCH_HEAD:{folder}" if folder else "FETCH_HEAD^{tree}"
        entry = await self._objects.get(tree, most=_TREE_LIMIT)
        return _names_in(entry.data, len(entry.oid) // 2) if entry.kind == "tree" else frozenset()


Choose = Callable[[Commit], Awaitable[Sequence[File]]]
"""Reads the files that are wanted, which may depend on what stands in the first ones; raises what
says that they are not there."""


def _names_in(data: bytes, width: int) -> frozenset[str]:
    """Names in a tree object: `<mode> <name>` NUL, and `width` bytes (Git, "Tree objects")."""
    names, place = set(), 0
    while place < len(data):
        space, end = data.find(b" ", place), data.find(b"\0", place)
        if not place < space < end:
            break  # no tree, whatever its host says
        name = data[space + 1 : end].decode(errors="replace")
        if name.isprintable():  # a line of its own for Git, and to be shown
            names.add(name)
        place = end + 1 + width
    return frozenset(names)
