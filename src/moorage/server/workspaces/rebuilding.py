"""Makes a workspace anew from the devfile that its repository has now: shows the difference, and
takes what was agreed to.

Home and projects stay: the volume is not touched, nor is the clone's working tree.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass

import msgspec

from moorage.contract import ActualState, DesiredState, WorkspaceSpec
from moorage.contract.spec import PROJECTS_ROOT
from moorage.kernel.errors import Conflict
from moorage.server import audit
from moorage.server.audit import Target
from moorage.server.authorization import Action, Kind, Person
from moorage.server.core import Core
from moorage.server.storage.database import announce
from moorage.server.workspaces import asked, intents, loading, schemas, specs
from moorage.server.workspaces import differences as differing
from moorage.server.workspaces.basis import Basis, basis_of, completed, spec_from
from moorage.server.workspaces.changes import DesiredChanged
from moorage.server.workspaces.decisions import next_intent
from moorage.server.workspaces.making import Made, make
from moorage.server.workspaces.models import Workspace
from moorage.server.workspaces.ports import PortGrants
from moorage.server.workspaces.view import view

CLONE_STAYS = "clone-stays"
"""Code of the warning that the devfile is of another ref than the clone."""


@dataclass(frozen=True)
class Proposal:
    """What a workspace would be made from, and how that differs."""

    basis: Basis
    made: Made
    asked: asked.Asked
    spec: WorkspaceSpec
    desired: DesiredState

    @property
    def digest(self) -> str:
        """Stands for what there is and what would come; a commit that changes nothing of it does
        not count."""
        then = specs.encoded(differing.without_commit(self.spec))
        said = msgspec.json.encode((self.basis.stored, then, self.made.flat))
        return hashlib.sha256(said).hexdigest()[:32]

    @property
    def changed(self) -> bool:
        now, then = map(differing.without_commit, (self.basis.spec, self.spec))
        return now != then or (bool(self.basis.flat) and self.basis.flat != self.made.flat)

    @property
    def clone(self) -> tuple[str, str]:
        """See `asked.clone_words`."""
        project = self.spec.projects[0]
        folder = f"{PROJECTS_ROOT}/{project.clone_path}"
        return asked.clone_words(self.asked.cloned, self.made.reading, folder, project.remote)

    def warnings(self) -> list[schemas.Warning]:
        message, command = self.clone
        if not message:
            return self.made.warnings
        hint = f"To work on that one: {command} (a private repository asks you for a credential)."
        said = schemas.Warning(code=CLONE_STAYS, message=message, hint=hint)
        return [said, *self.made.warnings]


async def propose(
    core: Core, actor: Person, name: str, *, ref: str | None = None, devfile: str | None = None
) -> schemas.Rebuild:
    """Reads the devfile as it is now. `ref`, `devfile`: another one; None: as before, "": the usual
    one.

    Raises what reading at a creation does, and `Conflict` for a workspace that is being deleted.
    """
    proposal = await _proposal(core, actor, name, ref=ref, devfile=devfile)
    return await _shown(proposal)


async def rebuild(
    core: Core, actor: Person, name: str, body: schemas.RebuildWorkspace
) -> schemas.Workspace:
    """Takes what was shown, of which `digest` is the name: one that runs is restarted, one that is
    stopped stays so. Where nothing differs, nothing is done.

    Raises as `propose`, and `Conflict` (`devfile-changed`) when it would be something else by now.
    """
    proposal = await _proposal(core, actor, name, ref=body.ref, devfile=body.devfile)
    if proposal.digest != body.digest:
        raise _changed_again()
    now = core.clock.now()
    async with core.database.write() as session:
        row = await loading.find(session, actor, name, Action.REBUILD_WORKSPACE)
        await session.refresh(row.workspace, with_for_update=True)
        workspace = row.workspace
        if not proposal.basis.same(workspace):
            raise _changed_again()
        if proposal.changed:
            _take(workspace, proposal, now)
            gone = differing.gone_ports(proposal.basis.spec, proposal.spec)
            await core.part(PortGrants).withdraw(session, workspace.id, gone)
            target = Target(Kind.WORKSPACE, workspace.name)
            audit.record(
                session, actor, Action.REBUILD_WORKSPACE, target, detail=_audited(proposal)
            )
            announce(session, DesiredChanged(workspace=workspace.name, agent=workspace.agent_id))
    return view(row, actor, now)


def clone_anew(workspace: Workspace) -> None:
    """Its files are lost: the next clone is of the ref that its devfile is of."""
    kept = asked.decode(workspace.asked)
    if kept is not None:
        workspace.asked = asked.encode(msgspec.structs.replace(kept, cloned=workspace.ref))
    warnings = schemas.decoded_warnings(workspace.warnings)
    workspace.warnings = schemas.encoded_warnings([w for w in warnings if w.code != CLONE_STAYS])


async def _shown(proposal: Proposal) -> schemas.Rebuild:
    reading = proposal.made.reading
    basis = proposal.basis
    found = differing.differences(basis.spec, proposal.spec, kept=basis.volumes)
    diff = await asyncio.to_thread(differing.lines, proposal.basis.flat, proposal.made.flat)
    return schemas.Rebuild(
        digest=proposal.digest,
        changed=proposal.changed,
        ref=reading.ref.name,
        full_ref=reading.ref.full_name,
        commit=reading.commit,
        devfile_path=reading.file.path,
        changes=[
            schemas.Change(kind=each.kind, what=each.what, name=each.name, message=each.message)
            for each in found
        ],
        diff=diff,
        warnings=proposal.warnings(),
        restarts=proposal.desired is DesiredState.RUNNING,
    )


async def _proposal(
    core: Core, actor: Person, name: str, *, ref: str | None, devfile: str | None
) -> Proposal:
    async with core.database.read() as session:
        row = await loading.find(session, actor, name, Action.REBUILD_WORKSPACE)
        basis = await basis_of(session, row)
    desired = DesiredState(row.workspace.desired)
    if desired is DesiredState.TERMINATED:
        raise Conflict("The workspace is being deleted.", code="workspace-terminating")
    basis = await completed(core, basis)
    wanted = asked.changed(basis.asked, ref=ref, devfile=devfile)
    made = await make(core, wanted, person=str(actor.user_id), folder=basis.folder)
    return Proposal(basis, made, *spec_from(core, basis, made), desired)


def _take(workspace: Workspace, proposal: Proposal, now: float) -> None:
    reading = proposal.made.reading
    workspace.repository = reading.url
    workspace.ref = reading.ref.name
    workspace.commit = reading.commit
    workspace.devfile_path = reading.file.path
    workspace.devfile = reading.file.text
    workspace.spec = specs.encoded(proposal.spec)
    workspace.asked = asked.encode(proposal.asked)
    workspace.flat = proposal.made.flat
    workspace.warnings = schemas.encoded_warnings(proposal.warnings())
    workspace.looked_at, workspace.look = now, ""
    workspace.rescue = False
    intent = next_intent(
        intents.intent_of(workspace), "rebuild", state=ActualState(workspace.state)
    )
    assert intent is not None
    if intent.desired is DesiredState.RUNNING:
        intents.apply(workspace, intent, now)
    else:  # how long it has been stopped, and why, is as it was
        workspace.generation, workspace.updated_at = intent.generation, now


def _audited(proposal: Proposal) -> str:
    reading = proposal.made.reading
    words = [reading.file.path or "a default devfile"]
    words += [f"of {reading.ref.name}"] if reading.ref.name else []
    words += [f"at {reading.commit[:12]}"] if reading.commit else []
    return " ".join(words)


def _changed_again() -> Conflict:
    return Conflict(
        "What the workspace would be made from is no longer what was shown.",
        code="devfile-changed",
        hint="Look at the difference again, and agree to that.",
    )
