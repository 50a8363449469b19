"""Devfiles from folders."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from moorage.devfile import FILE_NAMES, Reference, ResolutionError, Resolved, Resolver
from moorage.documents.limits import MAX_BYTES

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(?:/[A-Za-z0-9][A-Za-z0-9._-]*)*")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]*")
NOT_MINE = ("not-a-file", "not-by-id")
"""Codes of a resolver for references of another kind."""
_NUMBERS = re.compile(r"[0-9]+")


class RegistryFolder:
    """A registry on disk: `<folder>/<id>/<version>/devfile.yaml`.

    It stands for the registries at `urls`, and for every one when `urls` is empty.
    """

    def __init__(self, folder: Path, urls: Sequence[str] = ()) -> None:
        self.folder = folder
        self.urls = frozenset(url.rstrip("/") for url in urls)

    def resolve(self, reference: Reference) -> Resolved:
        """The devfile of that id and version (without one: the newest). Raises
        `ResolutionError`."""
        if not reference.id:
            raise ResolutionError(
                "not-by-id",
                f"The registry has devfiles by id only, not by {reference}.",
                "Name it by its id.",
            )
        if (
            self.urls
            and reference.registry_url
            and reference.registry_url.rstrip("/") not in self.urls
        ):
            raise ResolutionError(
                "registry-unknown",
                f"The registry {reference.registry_url} is not among those kept here.",
                f"Kept are: {', '.join(sorted(self.urls))}.",
            )
        version = self._version(reference)
        stack = self.folder / reference.id / version
        for name in FILE_NAMES:
            if (stack / name).is_file():
                return Resolved(read_file(stack / name), f"{reference.id}/{version}")
        raise ResolutionError(
            "not-in-registry", f"The registry's {reference.id} {version} has no devfile."
        )

    def stacks(self) -> list[tuple[str, str]]:
        """All ids with their newest version, by name."""
        if not self.folder.is_dir():
            return []
        return [
            (folder.name, versions[0])
            for folder in sorted(self.folder.iterdir())
            if (versions := _versions(folder))
        ]

    def _version(self, reference: Reference) -> str:
        if not _ID.fullmatch(reference.id) or (
            reference.version and not _VERSION.fullmatch(reference.version)
        ):
            raise ResolutionError(
                "bad-reference", f"{reference.id[:60]} {reference.version[:60]} names no devfile."
            )
        versions = _versions(self.folder / reference.id)
        if not versions:
            known = ", ".join(name for name, _ in self.stacks()[:30])
            raise ResolutionError(
                "not-in-registry",
                f"The registry has no devfile with the id {reference.id!r}.",
                f"It has: {known}.",
            )
        if reference.version in ("", "latest"):
            return versions[0]
        if reference.version not in versions:
            raise ResolutionError(
                "not-in-registry",
                f"The registry has no version {reference.version} of {reference.id!r}.",
                f"It has: {', '.join(versions)}.",
            )
        return reference.version


class LocalFiles:
    """Files that a devfile names relative to itself, in `root` and below; for a command line, never
    for a server."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    def resolve(self, reference: Reference) -> Resolved:
        """The file. Raises `ResolutionError`, too, when it lies outside of the folder."""
        if not reference.uri or "://" in reference.uri:
            raise ResolutionError("not-a-file", f"{reference} is no file beside the devfile.")
        start = Path(reference.base).parent if reference.base.startswith("/") else self.root
        file = (start / reference.uri).resolve()
        if not file.is_relative_to(self.root):
            raise ResolutionError(
                "outside-folder",
                f"{reference.uri} lies outside of the devfile's folder.",
                "Move it inside.",
            )
        if not file.is_file():
            raise ResolutionError("file-not-found", f"There is no file {reference.uri}.")
        return Resolved(read_file(file), str(file))


class FirstOf:
    """Asks one resolver after the other; when none has it, the one counts that the reference was
    meant for."""

    def __init__(self, *resolvers: Resolver) -> None:
        self.resolvers = resolvers

    def resolve(self, reference: Reference) -> Resolved:
        """The answer of the first resolver that has one. Raises `ResolutionError`."""
        failed: ResolutionError | None = None
        for resolver in self.resolvers:
            try:
                return resolver.resolve(reference)
            except ResolutionError as error:
                failed = _weightier(failed, error)
        raise failed or ResolutionError("not-found", f"Nothing here knows {reference}.")


def _weightier(failed: ResolutionError | None, error: ResolutionError) -> ResolutionError:
    """The error of the first resolver that could have had it; where each says "that is not my
    kind", the last one's."""
    return error if failed is None or failed.code in NOT_MINE else failed


def read_file(file: Path) -> bytes:
    """At most one byte more than a devfile may have. Raises `ResolutionError`."""
    try:
        with file.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ResolutionError(
            "not-readable", f"{file.name} cannot be read: {error.strerror}."
        ) from error


def _versions(stack: Path) -> list[str]:
    """Versions of a stack, the newest first."""
    if not stack.is_dir():
        return []
    found = [
        folder.name
        for folder in stack.iterdir()
        if any((folder / name).is_file() for name in FILE_NAMES)
    ]
    return sorted(found, key=_order, reverse=True)


def _order(version: str) -> tuple[list[int], bool, str]:
    """Sorts versions; one with a suffix comes before the one without."""
    numbers, _, suffix = version.partition("-")
    return [int(number) for number in _NUMBERS.findall(numbers)], not suffix, suffix
