"""Reads what a workspace is made from, and translates it: at its creation, and whenever it is read
again.

Must not be called inside a transaction: it asks hosts of repositories, and those of parents.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from moorage.contract import EditorSpec, WorkspaceSpec
from moorage.kernel.errors import InvalidInput
from moorage.server.core import Core
from moorage.server.repositories.commits import Reading
from moorage.server.repositories.default_devfile import DefaultDevfile
from moorage.server.repositories.devfiles import read_devfile
from moorage.server.repositories.services import RepositoryReader
from moorage.server.tasks import Gone, unless_gone
from moorage.server.workspaces import schemas, specs
from moorage.server.workspaces.asked import Asked, settled
from moorage.server.workspaces.editors import Editors
from moorage.server.workspaces.specs import DevfileParents


@dataclass(frozen=True)
class Made:
    """`spec`: without what depends on the workspace itself (`specs.for_workspace`)."""

    asked: Asked
    reading: Reading
    spec: WorkspaceSpec
    flat: str
    warnings: list[schemas.Warning] = field(default_factory=list)


async def make(
    core: Core, asked: Asked, *, person: str, folder: str = "", gone: Gone | None = None
) -> Made:
    """`person`: whose turn it is; `folder`: where the repository is cloned to, if that is settled.
    Reading ends when `gone` does.

    Raises what `read_devfile` does, `DevfileError`, and `InvalidInput` for an editor that there is
    not.
    """
    editor = editor_named(core, asked.editor)
    read = read_devfile(
        core.part(RepositoryReader),
        asked.repository,
        asked.ref,
        asked.devfile,
        named=asked.named,
        default=core.part(DefaultDevfile),
        person=person,
    )
    reading = await (unless_gone(gone, read) if gone else read)
    made = await translated(core, reading, editor, folder)
    return Made(settled(asked, reading), reading, made.spec, made.flat, made.warnings)


async def translated(
    core: Core, reading: Reading, editor: EditorSpec, folder: str = ""
) -> specs.Translated:
    """Raises `DevfileError`."""
    resolver = core.part(DevfileParents).resolver
    image = core.part(DefaultDevfile).image
    return await asyncio.to_thread(
        specs.translate, reading, editor, resolver, folder=folder, default_image=image
    )


def editor_named(core: Core, name: str) -> EditorSpec:
    """ "" for the first one. Raises `InvalidInput`."""
    editors = core.part(Editors)
    if not name:
        return editors.default
    if name not in editors:
        raise InvalidInput(
            f"There is no editor {name}.",
            code="editor-unknown",
            hint=f"There are: {', '.join(editors)}.",
            field="editor",
        )
    return editors[name]
