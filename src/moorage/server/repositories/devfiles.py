"""The devfile of a repository: the one that is named, or the first of the usual names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from moorage.devfile import FILE_NAMES, FOLDER
from moorage.kernel.errors import InvalidInput
from moorage.server.repositories import errors, rules
from moorage.server.repositories.commits import (
    Commit,
    File,
    FileTooLargeError,
    NotTextError,
    Reading,
)
from moorage.server.repositories.default_devfile import DefaultDevfile
from moorage.server.repositories.refs import Ref
from moorage.server.repositories.services import RepositoryReader
from moorage.server.repositories.web_addresses import read_address
from moorage.translation.devcontainer import FILE_NAMES as DEVCONTAINER_NAMES
from moorage.translation.devcontainer import FOLDER as DEVCONTAINERS
from moorage.translation.devcontainer import is_devcontainer

_LOOKED_FOR = (
    *FILE_NAMES,
    f"{FOLDER}/*.yaml",
    *DEVCONTAINER_NAMES,
    f"{DEVCONTAINERS}/*/devcontainer.json",
)
_MOST_FOLDERS = 20
"""Folders of `.devcontainer` that are looked into."""


async def read_devfile(
    repositories: RepositoryReader,
    url: str,
    ref: str = "",
    path: str = "",
    *,
    named: str = "",
    default: DefaultDevfile | None = None,
    person: str = "",
) -> Reading:
    """`path` "": the first of the usual names that is there, else `default`. `named`: as for
    `RepositoryReader.read`. Raises as that does, `InvalidInput` with the field `devfile` when there
    is none, and `TooLarge`."""
    rules.check_path(path)
    chosen = ""

    async def choose(commit: Commit) -> Sequence[File]:
        nonlocal chosen
        try:
            for candidate in [path] if path else await _candidates_near(commit):
                if (file := await commit.file(candidate)) is not None:
                    return [file]
        except FileTooLargeError as error:
            raise errors.devfile_too_large(error.path, error.size, error.limit) from error
        except NotTextError as error:
            raise errors.no_text(error.path) from error
        if default is not None and not path:
            text, chosen = await default.of(commit)
            return [File("", text)]
        raise errors.no_devfile(path, _LOOKED_FOR, ref)

    try:
        reading = await repositories.read(url, ref, choose, named=named, person=person)
    except InvalidInput as error:
        if error.code != "repository-empty" or default is None or path or ref:
            raise
        return _of_nothing(url, default, error)
    return replace(reading, chosen=chosen)


def _of_nothing(url: str, default: DefaultDevfile, error: InvalidInput) -> Reading:
    """The reading of a repository that has no commit yet. Raises `error` when its address asked for
    a ref."""
    address = read_address(url)
    if address.ref or address.tail:
        raise error
    text, chosen = default.of_nothing()
    repository = rules.check_repository(address.repository)
    return Reading(repository.url, Ref(""), commit="", files=(File("", text),), chosen=chosen)


async def _candidates_near(commit: Commit) -> list[str]:
    """The devfile that the repository's address names; else those of the folder that it names, then
    those at the top."""
    if _is_devfile_name(commit.named_file):
        return [commit.named_file]
    near = await candidates(commit, commit.folder) if commit.folder else []
    return [*near, *await candidates(commit)]


async def candidates(commit: Commit, folder: str = "") -> list[str]:
    """The devfile's usual names that are there, in the folder itself, then in its folder
    `.devfile`; then a devcontainer's, those in folders of `.devcontainer` last."""
    base = f"{folder}/" if folder else ""
    top = await commit.names(folder)
    if found := [base + name for name in FILE_NAMES if name in top]:
        return found
    inside = await commit.names(base + FOLDER) if FOLDER in top else frozenset()
    devfiles = [f"{FOLDER}/{name}" for name in sorted(inside) if name.endswith((".yaml", ".yml"))]
    others = [name for name in DEVCONTAINER_NAMES if name.partition("/")[0] in top]
    if not devfiles and DEVCONTAINERS in top:
        below = sorted(await commit.names(base + DEVCONTAINERS))
        others += [f"{DEVCONTAINERS}/{name}/devcontainer.json" for name in below[:_MOST_FOLDERS]]
    return [base + name for name in (*devfiles, *others)]


def _is_devfile_name(path: str) -> bool:
    """Whether a file is by its name what a workspace is made from, as far from the top as it may
    be."""
    folder, _, name = path.rpartition("/")
    return (
        name in FILE_NAMES
        or is_devcontainer(path)
        or (folder.rpartition("/")[2] == FOLDER and name.endswith((".yaml", ".yml")))
    )
