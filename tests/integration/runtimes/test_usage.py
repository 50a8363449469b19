"""What containers say of what they use, on a real engine."""

from __future__ import annotations

import pytest

from integration.runtimes.worlds import DockerWorld, desired_of, docker, simple_spec
from moorage.agent.runtimes.port import ExecRequest
from moorage.contract import Container
from moorage.contract.spec import Resources
from moorage.server.workspaces import usage

pytestmark = pytest.mark.docker


async def test_what_a_container_uses(docker_world: DockerWorld) -> None:
    """Its limits are those of its spec, its figures those of what runs in it: a program that takes
    memory and a whole core is seen in both."""
    limits = Resources(cpu_limit=1000, memory_limit=256 << 20)
    busy = "x=$(head -c 40000000 /dev/zero | tr '\\0' x); while :; do :; done"
    main = Container(name="py", image=docker_world.image, override_command=True, resources=limits)
    side = Container(name="side", image=docker_world.image, command=("sh", "-c", busy))
    spec = simple_spec(docker_world, containers=(main, side), projects=())
    agent = await docker_world.agent()
    desired = desired_of(docker_world, spec=spec)
    assert (await agent.start(desired)).ready
    argv = (usage.BUSYBOX, "sh", "-c", usage.SCRIPT)
    said = {}
    for name in ("py", "side"):
        request = ExecRequest(argv=argv, container=name)
        async with agent.runtime.execute(desired.name, request, spec) as session:
            text = b"".join([chunk.data async for chunk in session.output()]).decode()
        said[name] = usage.understood(name, text)
    assert (said["py"].unknown, said["side"].unknown) == ("", "")
    assert (said["py"].cpu_limit, said["py"].memory_limit) == (1000, 256 << 20)
    assert 0 < (said["py"].memory or 0) < 256 << 20
    assert (said["side"].cpu or 0) > 20
    assert (said["side"].memory or 0) > 30_000_000
    assert (said["py"].disk_total or 0) > (said["py"].disk_used or 0) > 0
    assert docker("inspect", "-f", "{{.HostConfig.Memory}}", f"{desired.name}.py") == str(256 << 20)
