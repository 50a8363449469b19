"""Whoever may create a workspace tries to read the credential that its repository is cloned with,
on a real cluster."""

from __future__ import annotations

import msgspec
import pytest

from cluster.worlds import KubernetesWorld
from integration.runtimes import attacks
from integration.runtimes.git_server import GitServer
from integration.runtimes.worlds import Agent, desired_of, simple_spec
from moorage.agent.runtimes.kubernetes.api import commands
from moorage.agent.runtimes.kubernetes.observed import containers
from moorage.contract import Container, DesiredWorkspace, Project
from moorage.kernel.errors import NotFound


async def sh(agent: Agent, desired: DesiredWorkspace, script: str) -> str:
    """What it says in the main container."""
    place = containers.place(agent.runtime.connection.store, desired.name, "")  # type: ignore[attr-defined]
    code, text = await commands.run(agent.runtime.client, place, ["sh", "-c", script])  # type: ignore[attr-defined]
    assert code == 0, text
    return text.strip()


async def test_nobody_in_the_workspace_learns_the_credential(
    world: KubernetesWorld, git: GitServer
) -> None:
    """A side container plants hooks, settings and links while the company's project is cloned;
    later the owner plants hooks in the clone, notes that it is not complete, and restarts. Nothing
    of it runs in the sandbox, and the credential is in no file."""
    attacks.add_deep(git)
    host = world.cluster.address()
    side = Container(
        name="side",
        image=world.image,
        command=("/bin/sh", "-c", attacks.SABOTAGE),
        env={
            "LEAK": attacks.LEAK,
            "MODE": "hooks",
            "EVIL": f"http://{host}:9",
            "HOST": f"http://{host}",
        },
    )
    main = Container(name="py", image=world.image, override_command=True)
    project = Project(
        name="app",
        clone_path="app",
        url=git.url("private-deep", host),
        credential=world.credential(),
    )
    agent = await world.agent()
    search = f"grep -r -l -s -e {attacks.FORMS[0]} -e {attacks.FORMS[1]} /projects; ls -d /projects/leak /clone/* 2>/dev/null; true"
    meddled = desired_of(
        world, spec=simple_spec(world, containers=(main, side), projects=(project,))
    )
    await agent.start(meddled)
    assert await sh(agent, meddled, search) == ""

    desired = desired_of(world, spec=simple_spec(world, containers=(main,), projects=(project,)))
    progress = await agent.start(desired)
    assert progress.ready, progress.fault
    for container in ("sandbox", "clone", "moorage-sandbox"):
        with pytest.raises(NotFound):
            containers.place(agent.runtime.connection.store, desired.name, container)  # type: ignore[attr-defined]
    plant = f"printf '#!/bin/sh\\n{attacks.LEAK}\\n' >/projects/evil; chmod 755 /projects/evil; cd /projects/app; {attacks.HOOKS}"
    settings = "git config core.fsmonitor /projects/evil; git config http.proxy http://127.0.0.1:9"
    await sh(
        agent,
        desired,
        f"set -e; {plant}; echo mine >work.txt; touch .git/moorage-incomplete; {settings}",
    )
    desired = msgspec.structs.replace(desired, restarts=1, generation=2)
    progress = await agent.start(desired)
    assert progress.ready, progress.fault
    assert await sh(agent, desired, search) == ""
    there = "cd /projects/app; git status --porcelain; ls deep | wc -l; cat /projects/.moorage/set-aside/*/work.txt"
    assert await sh(agent, desired, there) == "20\nmine"
