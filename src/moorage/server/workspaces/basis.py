"""What a workspace is made from at present: its row, and what older rows do not say."""

from __future__ import annotations

from dataclasses import dataclass, replace

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from moorage.contract import WorkspaceSpec
from moorage.devfile import DevfileError
from moorage.server.core import Core
from moorage.server.repositories.commits import File, Reading
from moorage.server.repositories.refs import Ref
from moorage.server.workspaces import asked, decisions, making, specs
from moorage.server.workspaces.editors import Editors
from moorage.server.workspaces.models import Workspace
from moorage.server.workspaces.view import Row, spec_of


@dataclass(frozen=True)
class Basis:
    """As it was loaded; `stored` tells whether it is still so."""

    name: str
    owner_id: int
    owner_name: str
    zone_url: str
    stored: str
    """The row's `spec`."""
    spec: WorkspaceSpec
    asked: asked.Asked
    flat: str
    """"": not known."""
    kept_env: bool
    """Whether `asked` holds the owner's variables; else they are told from the devfile's."""
    volumes: tuple[str, ...]
    """Those that it has had; see `Workspace.volumes`."""
    before: Reading
    """What it was made from."""

    @property
    def folder(self) -> str:
        """Where its repository is cloned to, from the folder of all projects on."""
        return self.spec.projects[0].clone_path if self.spec.projects else ""

    def same(self, workspace: Workspace) -> bool:
        """Whether a row is made from the same still."""
        return workspace.spec == self.stored


async def basis_of(session: AsyncSession, row: Row) -> Basis:
    """Reads the row's long columns, too."""
    workspace = row.workspace
    await session.refresh(workspace, ["flat", "devfile", "spec", "asked"])
    spec, kept = spec_of(workspace), asked.decode(workspace.asked)
    return Basis(
        name=workspace.name,
        owner_id=workspace.owner_id,
        owner_name=row.owner_name,
        zone_url=row.agent.zone_url,
        stored=workspace.spec,
        spec=spec,
        asked=kept
        or asked.Asked(
            repository=workspace.repository,
            ref=workspace.ref,
            devfile=workspace.devfile_path,
            editor=spec.editor.name if spec.editor else "",
            cloned=workspace.ref,
        ),
        flat=workspace.flat,
        kept_env=kept is not None,
        volumes=decisions.volumes_of(workspace.volumes),
        before=Reading(
            url=workspace.repository,
            ref=Ref(spec.projects[0].full_ref if spec.projects else "", workspace.commit),
            commit=workspace.commit,
            files=(File(workspace.devfile_path, workspace.devfile),),
        ),
    )


async def completed(core: Core, basis: Basis) -> Basis:
    """With what a row of an earlier version does not say, as far as its devfile tells it. Asks the
    hosts of its parents."""
    if basis.kept_env:
        return basis
    editors, wanted = core.part(Editors), basis.asked
    if wanted.editor not in editors:
        wanted = msgspec.structs.replace(wanted, editor="")
    basis = replace(basis, asked=wanted)
    if not basis.before.file.text:
        return basis
    try:
        made = await making.translated(core, basis.before, editors.default, basis.folder)
    except DevfileError:
        return basis
    env = asked.owners_variables(basis.spec, made.spec)
    known = msgspec.structs.replace(wanted, env=env)
    return replace(basis, asked=known, flat=basis.flat or made.flat, kept_env=True)


def spec_from(core: Core, basis: Basis, made: making.Made) -> tuple[asked.Asked, WorkspaceSpec]:
    """The spec that the workspace would have, made from what was read, and what it was asked
    for."""
    wanted = made.asked
    if not basis.kept_env:
        env = asked.owners_variables(basis.spec, made.spec)
        wanted = msgspec.structs.replace(wanted, env=env)
    spec = specs.for_workspace(
        made.spec,
        name=basis.name,
        zone_url=basis.zone_url,
        origin=core.settings.origin,
        owner=basis.owner_name,
        env=wanted.env,
    )
    return wanted, spec
