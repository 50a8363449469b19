"""Devfiles from folders."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from moorage.devfile import (
    FILE_NAMES,
    DevfileError,
    Reference,
    ResolutionError,
    Resolved,
    Resolver,
)
from moorage.documents.limits import MAX_BYTES
from moorage.documents.reading import read

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(?:/[A-Za-z0-9][A-Za-z0-9._-]*)*")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]*")
NOT_MINE = ("not-a-file", "not-by-id")
"""Codes of a resolver for references of another kind."""
_NUMBERS = re.compile(r"[0-9]+")


class RegistryFolder:
    """A registry on disk: `<id>/<version>/devfile.yaml`, or `<id>/devfile.yaml` for a stack of one
    version, in `folder` or, as in a clone of the public registry, in its `stacks`.

    It stands for the registries at `urls`, and for every one when `urls` is empty.
    """

    def __init__(self, folder: Path, urls: Sequence[str] = ()) -> None:
        self.folder = folder
        self.urls = frozenset(url.rstrip("/") for url in urls)

    def resolve(self, reference: Reference) -> Resolved:
        """The devfile of that id and version (`latest`: the newest; without one: the stack's
        default). Raises `ResolutionError`."""
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
        version, file = self._found(reference)
        return Resolved(read_file(file), f"{reference.id}/{version}" if version else reference.id)

    def stacks(self) -> list[tuple[str, str]]:
        """All ids with their default version, by name."""
        return [
            (name, _default(stack, versions))
            for name, stack in sorted(self._folders().items())
            if (versions := _versions(stack))
        ]

    def _folders(self) -> dict[str, Path]:
        roots = (self.folder / "stacks", self.folder)
        return {
            stack.name: stack
            for root in roots
            if root.is_dir()
            for stack in root.iterdir()
            if stack != roots[0]
        }

    def _found(self, reference: Reference) -> tuple[str, Path]:
        """The version that a reference means, and its devfile."""
        if not _ID.fullmatch(reference.id) or (
            reference.version and not _VERSION.fullmatch(reference.version)
        ):
            raise ResolutionError(
                "bad-reference", f"{reference.id[:60]} {reference.version[:60]} names no devfile."
            )
        places = (self.folder / reference.id, self.folder / "stacks" / reference.id)
        stack, versions = next(
            ((place, found) for place in places if (found := _versions(place))), (places[0], {})
        )
        if not versions:
            known = ", ".join(name for name, _ in self.stacks()[:30])
            raise ResolutionError(
                "not-in-registry",
                f"The registry has no devfile with the id {reference.id!r}.",
                f"It has: {known}." if known else "It has none: look at the folder's path.",
            )
        version = reference.version
        if version == "latest":
            version = next(iter(versions))
        elif not version:
            version = _default(stack, versions)
        if version not in versions:
            raise ResolutionError(
                "not-in-registry",
                f"The registry has no version {version} of {reference.id!r}.",
                f"It has: {', '.join(versions)}.",
            )
        return version, versions[version]


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


def _versions(stack: Path) -> dict[str, Path]:
    """Versions of a stack, the newest first, with their devfiles."""
    if not stack.is_dir():
        return {}
    found = {
        folder.name: file
        for folder in stack.iterdir()
        if folder.is_dir() and (file := _devfile_in(folder)) is not None
    }
    if (single := _devfile_in(stack)) is not None:
        found.setdefault(_version_in(single), single)
    return dict(sorted(found.items(), key=lambda item: _order(item[0]), reverse=True))


def _devfile_in(folder: Path) -> Path | None:
    return next((folder / name for name in FILE_NAMES if (folder / name).is_file()), None)


def _version_in(file: Path) -> str:
    """The version that a devfile says it has; "" for none."""
    metadata = _tree(file).get("metadata")
    version = metadata.get("version") if isinstance(metadata, dict) else None
    return version if isinstance(version, str) and _VERSION.fullmatch(version) else ""


def _default(stack: Path, versions: dict[str, Path]) -> str:
    """The version that the stack's `stack.yaml` has as its default, else the newest."""
    file = stack / "stack.yaml"
    listed = _tree(file).get("versions") if file.is_file() else None
    for entry in listed if isinstance(listed, list) else ():
        if isinstance(entry, dict) and entry.get("default") is True:
            version = str(entry.get("version"))
            if version in versions:
                return version
    return next(iter(versions))


def _tree(file: Path) -> dict[str, Any]:
    """The file's mapping; an empty one when it has none."""
    try:
        return read(read_file(file), DevfileError)
    except (DevfileError, ResolutionError):
        return {}


def _order(version: str) -> tuple[list[int], bool, str]:
    """Sorts versions; one with a suffix comes before the one without."""
    numbers, _, suffix = version.partition("-")
    return [int(number) for number in _NUMBERS.findall(numbers)], not suffix, suffix
