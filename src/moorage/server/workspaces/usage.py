"""What the containers of a workspace use now, of what they may: asked of their own control groups,
by a command in each, and only while somebody looks.

Any agent that runs commands can be asked, on any engine. The programs that are run are Moorage's
own, and the files that they read are the kernel's: what runs in the workspace writes to neither.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from moorage.contract import ActualState, ContainerState
from moorage.contract import agent as contract
from moorage.contract.spec import TOOLS_ROOT
from moorage.kernel.errors import MoorageError, Unavailable
from moorage.server.agents.hub import Elsewhere
from moorage.server.authorization import Action, Person
from moorage.server.core import Core
from moorage.server.workspaces import channels, schemas, services

SECONDS = 8.0
"""For the answer of a container; one that has no processor left may take longer, and is passed
over."""
AT_ONCE = 3
"""Containers that are asked at the same time."""
_LONGEST = 4096
_NO_LIMIT = 1 << 60
"""Control groups of version 1 say that there is none by a number beyond any machine's memory."""

BUSYBOX = f"{TOOLS_ROOT}/bin/busybox"
SCRIPT = f"""
b={BUSYBOX}
cd /sys/fs/cgroup || exit 3
if [ -e memory.current ]; then
  cpu() {{ echo "cpu $($b sed -n 's/^usage_usec //p' cpu.stat) $($b cut -d ' ' -f 1 /proc/uptime)"; }}
  echo "memory $($b cat memory.current) $($b sed -n 's/^inactive_file //p' memory.stat) $($b cat memory.max)"
  echo "quota $($b cat cpu.max)"
  echo "killed $($b sed -n 's/^oom_kill //p' memory.events)"
else
  cpu() {{ echo "cpu $(($($b cat cpuacct/cpuacct.usage) / 1000)) $($b cut -d ' ' -f 1 /proc/uptime)"; }}
  echo "memory $($b cat memory/memory.usage_in_bytes) $($b sed -n 's/^total_inactive_file //p' memory/memory.stat) $($b cat memory/memory.limit_in_bytes)"
  echo "quota $($b cat cpu/cpu.cfs_quota_us) $($b cat cpu/cpu.cfs_period_us)"
  echo "killed $($b sed -n 's/^oom_kill //p' memory/memory.oom_control)"
fi 2>/dev/null
cpu 2>/dev/null; $b sleep 0.5; cpu 2>/dev/null
[ ! -d /projects ] || $b df -kP /projects 2>/dev/null | $b awk 'END {{ print "disk", $3, $2 }}'
"""


async def read_usage(core: Core, actor: Person, name: str) -> schemas.Usage:
    """Of the containers that run; of one that cannot be asked, the reason. Nothing while the
    workspace does not run, or its agent is away, which the workspace itself says.

    Raises `NotFound`, `Forbidden`, `Elsewhere`.
    """
    try:
        await channels.reach(core, actor, name, "", Action.READ_LOGS)
    except Elsewhere:
        raise
    except Unavailable:
        return schemas.Usage()
    workspace = await services.get_workspace(core, actor, name)
    if workspace.state is not ActualState.RUNNING:
        return schemas.Usage()
    running = [c.name for c in workspace.containers if c.state is ContainerState.RUNNING]
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(container: str) -> schemas.ContainerUsage:
        async with turns:
            return await _ask(core, actor, name, container)

    found = await asyncio.gather(*map(one, running))
    disks = [item for item in found if item.disk_total]
    return schemas.Usage(
        containers=list(found),
        disk_used=disks[0].disk_used if disks else None,
        disk_total=disks[0].disk_total if disks else None,
    )


async def _ask(core: Core, actor: Person, name: str, container: str) -> schemas.ContainerUsage:
    try:
        async with asyncio.timeout(SECONDS):
            target = await channels.reach(core, actor, name, container, Action.READ_LOGS)
            channel = await channels.open_exec(target, argv=(BUSYBOX, "sh", "-c", SCRIPT))
            try:
                said = b""
                while isinstance(output := await channel.next(), contract.ChannelOutput):
                    if output.stream == "stdout" and len(said) < _LONGEST:
                        said += output.data
            finally:
                await channel.close()
    except TimeoutError:
        return schemas.ContainerUsage(name=container, unknown="It does not answer in time.")
    except MoorageError as error:
        return schemas.ContainerUsage(name=container, unknown=error.message)
    return understood(container, said.decode(errors="replace"))


def understood(container: str, said: str) -> schemas.ContainerUsage:
    """What a container's control group says. Pure."""
    words = [line.split() for line in said.splitlines()]
    samples = [_numbers(line[1:]) for line in words if line[:1] == ["cpu"]]
    rest = {line[0]: line[1:] for line in words if line}
    memory, disk = _numbers(rest.get("memory", [])), _numbers(rest.get("disk", []))
    if len(memory) < 2 or len(samples) < 2 or not all(len(sample) == 2 for sample in samples):
        why = "Its engine does not show it what it uses."
        return schemas.ContainerUsage(name=container, unknown=why)
    (used_before, before), (used, now) = samples[0], samples[-1]
    spent = (used - used_before) / 1000 / (now - before) if now > before else 0.0
    quota = _numbers(rest.get("quota", []))
    killed = _numbers(rest.get("killed", []))
    return schemas.ContainerUsage(
        name=container,
        cpu=max(0, round(spent)),
        cpu_limit=round(quota[0] / quota[1] * 1000) if len(quota) == 2 and quota[0] > 0 else None,
        memory=max(0, int(memory[0] - memory[1])),
        memory_limit=int(memory[2]) if len(memory) > 2 and memory[2] < _NO_LIMIT else None,
        out_of_memory=int(killed[0]) if killed else 0,
        disk_used=int(disk[0]) * 1024 if len(disk) == 2 else None,
        disk_total=int(disk[1]) * 1024 if len(disk) == 2 else None,
    )


def _numbers(words: Sequence[str]) -> list[float]:
    """Those at the beginning: `max` is none."""
    found = []
    for word in words:
        try:
            found.append(float(word))
        except ValueError:
            break
    return found
