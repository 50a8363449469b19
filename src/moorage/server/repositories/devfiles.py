"""The devfile of a repository: the one that is named, or the first of the usual names."""

from __future__ import annotations

from collections.abc import Sequence

from moorage.devfile import FILE_NAMES, FOLDER
from moorage.server.repositories import errors, rules
from moorage.server.repositories.commits import (
    Commit,
    File,
    FileTooLargeError,
    NotTextError,
    Reading,
)
from moorage.server.repositories.services import RepositoryReader
from moorage.translation.devcontainer import FILE_NAMES as DEVCONTAINER_NAMES


async def read_devfile(
    repositories: RepositoryReader, url: str, ref: str = "", path: str = "", *, person: str = ""
) -> Reading:
    """`path` "": the first of the usual names that is there. Raises as `RepositoryReader.read`,
    `InvalidInput` with the field `devfile` when there is none, and `TooLarge`."""
    rules.check_path(path)

    async def choose(commit: Commit) -> Sequence[File]:
        try:
            for candidate in [path] if path else await candidates(commit):
                if (file := await commit.file(candidate)) is not None:
                    return [file]
        except FileTooLargeError as error:
            raise errors.devfile_too_large(error.path, error.size, error.limit) from error
        except NotTextError as error:
            raise errors.no_text(error.path) from error
        raise errors.no_devfile(path, (*FILE_NAMES, f"{FOLDER}/*.yaml", *DEVCONTAINER_NAMES), ref)

    return await repositories.read(url, ref, choose, person=person)


async def candidates(commit: Commit) -> list[str]:
    """The devfile's usual names that are there, at the top, then in the folder `.devfile`; then a
    devcontainer's."""
    top = await commit.names()
    if found := [name for name in FILE_NAMES if name in top]:
        return found
    inside = await commit.names(FOLDER) if FOLDER in top else frozenset()
    devfiles = [f"{FOLDER}/{name}" for name in sorted(inside) if name.endswith((".yaml", ".yml"))]
    return [*devfiles, *(name for name in DEVCONTAINER_NAMES if name.partition("/")[0] in top)]
