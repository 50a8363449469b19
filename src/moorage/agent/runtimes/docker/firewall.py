"""Who on this machine may connect to workspaces: rules of the kernel's packet filter (iptables(8),
for IPv4 and IPv6).

An engine keeps its networks apart from each other, but whatever runs on the machine itself reaches
every one by its bridge. The rules let the users through that the setting `reachable_by` names,
HAProxy's above all, and nobody else; answers to what workspaces ask for pass. They name bridges,
not addresses, so that no family of addresses is left out, and one name for all bridges of an
installation, so that they hold before a bridge is there.

They stay when the agent ends, as workspaces do, and go with the last of the installation's
networks.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from moorage.agent.runtimes.docker import objects
from moorage.agent.runtimes.port import Identity
from moorage.kernel import log

LOOK_EVERY = 30.0
"""Seconds: another program may load rules of its own, and ours are gone."""
_CHAIN = "MOORAGE-"
_WAIT = "5"
"""Seconds that another program may have the packet filter."""
_SYSTEM_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"
_IPV6 = Path("/proc/net/if_inet6")
_ANSWERS = "-m conntrack --ctstate RELATED,ESTABLISHED"

_log = log.get(part="agent.docker.firewall")


class Family(NamedTuple):
    """The packet filter for one family of addresses."""

    program: str
    """Its `-save` and `-restore` are beside it."""
    refusal: str


FAMILIES = (
    Family("iptables", "icmp-admin-prohibited"),
    Family("ip6tables", "icmp6-adm-prohibited"),
)


class Plan(NamedTuple):
    """The rules that are to hold on this machine for one installation."""

    key: str
    allowed: tuple[str, ...]
    bridges: tuple[str, ...]
    """Their names; a `+` at the end stands for whatever follows."""


def key_of(identity: Identity) -> str:
    """Five characters for an agent of an installation: they begin the names of its bridges, and end
    that of its chains. Pure."""
    return hashlib.sha256(f"{identity.installation}/{identity.agent}".encode()).hexdigest()[:5]


def bridge_of(identity: Identity, workspace: str) -> str:
    """The name of a workspace's bridge: 15 characters, as many as an interface's may have. Pure."""
    return f"mo{key_of(identity)}{hashlib.sha256(workspace.encode()).hexdigest()[:8]}"


def plan_of(
    identity: Identity, allowed: Iterable[str], networks: Iterable[Mapping[str, Any]]
) -> Plan:
    """`networks`: the installation's own, as the engine lists them; those of earlier versions have
    bridges named by the engine. Pure."""
    key = key_of(identity)
    named = [
        ((net.get("Options") or {}).get(objects.BRIDGE_NAME), str(net.get("Id", "")))
        for net in networks
    ]
    others = {name or f"br-{id_[:12]}" for name, id_ in named}
    return Plan(
        key,
        tuple(allowed),
        (f"mo{key}+", *sorted(name for name in others if not name.startswith(f"mo{key}"))),
    )


def rules(plan: Plan, family: Family) -> dict[str, list[str]]:
    """The chains, as `iptables-save` writes them: which bridge leads where, and what holds there.

    Pure.
    """
    out, into, through = (f"{_CHAIN}{plan.key}{part}" for part in ("", "-IN", "-FWD"))
    users = [user.partition(":")[::2] for user in plan.allowed]
    owners = [f"--uid-owner {uid}" + (f" --gid-owner {gid}" if gid else "") for uid, gid in users]
    return {
        out: [f"-A {out} -o {bridge} -j {into}" for bridge in plan.bridges],
        into: [
            f"-A {into} {_ANSWERS} -j RETURN",
            *(f"-A {into} -m owner {owner} -j RETURN" for owner in owners),
            f"-A {into} -j REJECT --reject-with {family.refusal}",
        ],
        through: [
            rule
            for bridge in plan.bridges
            for rule in (
                f"-A {through} -o {bridge} {_ANSWERS} -j RETURN",
                f"-A {through} -o {bridge} -j DROP",
            )
        ],
    }


def repair(saved: str, plan: Plan, family: Family, comment: str) -> str:
    """The input of `iptables-restore --noflush` that makes the plan's rules of the present ones.
    Pure.

    `saved`: the output of `iptables-save -t filter`. "": they are those of the plan. Our jumps
    stand before all other programs' rules, among those of other installations.
    """
    lines = saved.splitlines()
    wanted = rules(plan, family)
    filled = all(
        _has(lines, chain)
        and [line for line in lines if line.startswith(f"-A {chain} ")] == expected
        for chain, expected in wanted.items()
    )
    forward = "DOCKER-USER" if _has(lines, "DOCKER-USER") else "FORWARD"
    jumps = [
        change
        for parent, chain in (
            ("OUTPUT", f"{_CHAIN}{plan.key}"),
            (forward, f"{_CHAIN}{plan.key}-FWD"),
        )
        for change in _jump(lines, parent, f'-m comment --comment "{comment}" -j {chain}')
    ]
    if filled and not jumps:
        return ""
    # To declare a chain empties it.
    declared = [f":{chain} - [0:0]" for chain in wanted]
    return "\n".join(
        [
            "*filter",
            *declared,
            *(rule for chain in wanted.values() for rule in chain),
            *jumps,
            "COMMIT",
            "",
        ]
    )


def _jump(lines: list[str], parent: str, jump: str) -> list[str]:
    """The changes that make this jump stand once in `parent`, with nothing before it but jumps of
    Moorage's."""
    present = [line for line in lines if line.startswith(f"-A {parent} ")]
    leading = next(
        (n for n, line in enumerate(present) if f" -j {_CHAIN}" not in line), len(present)
    )
    ours = [n for n, line in enumerate(present) if line.endswith(jump[jump.rindex(" -j ") :])]
    if len(ours) == 1 and ours[0] < leading and present[ours[0]] == f"-A {parent} {jump}":
        return []
    return [*(present[n].replace("-A ", "-D ", 1) for n in ours), f"-I {parent} 1 {jump}"]


def removal(saved: str, key: str) -> str:
    """The input of `iptables-restore` that takes an installation's rules away; "": there are none.
    Pure."""
    lines = saved.splitlines()
    chains = [f"{_CHAIN}{key}{part}" for part in ("", "-IN", "-FWD")]
    there = [chain for chain in chains if _has(lines, chain)]
    if not there:
        return ""
    jumps = [
        line.replace("-A ", "-D ", 1)
        for line in lines
        if line.startswith("-A ") and line.endswith(tuple(f" -j {chain}" for chain in there))
    ]
    outside = [line for line in jumps if line.split()[1] not in there]
    return "\n".join(
        [
            "*filter",
            *outside,
            *(f"-F {chain}" for chain in there),
            *(f"-X {chain}" for chain in there),
            "COMMIT",
            "",
        ]
    )


def _has(lines: list[str], chain: str) -> bool:
    return any(line.startswith(f":{chain} ") for line in lines)


class Firewall:
    """Puts the rules up and keeps them.

    `problem` says why they do not hold, as a sentence; "" while they do.
    """

    def __init__(self, identity: Identity, allowed: tuple[str, ...]) -> None:
        self._identity = identity
        self._allowed = allowed
        self._lock = asyncio.Lock()
        self._held = False
        self.problem = ""

    async def ensure(self, networks: Iterable[Mapping[str, Any]]) -> None:
        """`networks`: the installation's own. Puts up what is missing; does not raise."""
        plan = plan_of(self._identity, self._allowed, networks)
        async with self._lock:
            try:
                for family in _families():
                    saved = await _run([f"{family.program}-save", "-t", "filter"])
                    if change := repair(
                        saved, plan, family, f"Moorage {self._identity.installation}"
                    ):
                        await _run([f"{family.program}-restore", "--noflush", "-w", _WAIT], change)
                        if self._held:
                            _log.warning("rules were gone; put up again", program=family.program)
                self._settled("")
            except OSError as error:
                self._settled(str(error))

    async def remove(self) -> None:
        """When the installation has no network any more."""
        async with self._lock:
            try:
                for family in _families():
                    saved = await _run([f"{family.program}-save", "-t", "filter"])
                    if change := removal(saved, key_of(self._identity)):
                        await _run([f"{family.program}-restore", "--noflush", "-w", _WAIT], change)
            except OSError as error:
                _log.warning("rules cannot be taken away", error=str(error))

    def _settled(self, problem: str) -> None:
        text = (
            f"Every account of this machine can connect to the workspaces' ports: the rules against that cannot be put up ({problem})."
            if problem
            else ""
        )
        if text and text != self.problem:
            _log.error("workspaces are open to this machine", error=problem)
        elif not text and not self._held:
            _log.info(
                "workspaces are closed to other accounts of this machine", open_to=self._allowed
            )
        self.problem, self._held = text, not text


def _families() -> tuple[Family, ...]:
    return FAMILIES if _IPV6.exists() else FAMILIES[:1]


async def _run(command: list[str], text: str = "") -> str:
    """Runs a command → its output. Raises `OSError`, with the command's own words."""
    program = shutil.which(command[0], path=f"{os.environ.get('PATH', '')}:{_SYSTEM_FOLDERS}")
    if program is None:
        raise FileNotFoundError(f"there is no program {command[0]}")
    process = await asyncio.create_subprocess_exec(
        program,
        *command[1:],
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate(text.encode())
    if process.returncode:
        said = [line for line in err.decode(errors="replace").splitlines() if line.strip()]
        raise OSError(f"{command[0]}: {said[0] if said else f'exit code {process.returncode}'}")
    return out.decode(errors="replace")
