"""The rules as text, and what makes the present ones into them."""

from __future__ import annotations

import pytest

from moorage.agent.runtimes.docker import guard
from moorage.agent.runtimes.docker.firewall import (
    FAMILIES,
    Plan,
    bridge_of,
    key_of,
    plan_of,
    removal,
    repair,
    rules,
)
from moorage.agent.runtimes.docker.objects import BRIDGE_NAME
from moorage.agent.runtimes.port import Identity

ME = Identity("abc", 1)
KEY = key_of(ME)
PLAN = Plan(KEY, ("994", "0:992"), (f"mo{KEY}+", "br-0123456789ab"))
V4 = FAMILIES[0]
COMMENT = "Moorage abc"
JUMP = f'-A OUTPUT -m comment --comment "{COMMENT}" -j MOORAGE-{KEY}'
FORWARD_JUMP = f'-A DOCKER-USER -m comment --comment "{COMMENT}" -j MOORAGE-{KEY}-FWD'


def saved(*jumps: str, plan: Plan | None = PLAN, docker: bool = True) -> str:
    """As `iptables-save` writes it, with these rules in the built-in chains."""
    lines = [
        "# Generated",
        "*filter",
        ":INPUT ACCEPT [0:0]",
        ":FORWARD DROP [0:0]",
        ":OUTPUT ACCEPT [10:600]",
    ]
    lines += [":DOCKER-USER - [0:0]"] if docker else []
    chains = rules(plan, V4) if plan else {}
    lines += [f":{chain} - [0:0]" for chain in chains]
    return "\n".join(
        [*lines, *jumps, *(rule for chain in chains.values() for rule in chain), "COMMIT", ""]
    )


def test_names_have_the_length_that_the_kernel_takes() -> None:
    """An interface's name has 15 characters at most; two installations have different ones."""
    name = bridge_of(ME, "workspace-1-1-abcdef")
    assert len(name) == 15
    assert name.startswith(f"mo{KEY}")
    assert bridge_of(ME, "workspace-1-1-abcdeg") != name
    assert key_of(Identity("abd", 1)) != KEY != key_of(Identity("abc", 2))


def test_a_plan_names_the_bridges_of_earlier_versions_too() -> None:
    """What has no name of ours is called as the engine calls it."""
    networks = [
        {"Id": "0123456789abcdef", "Options": {}},
        {"Id": "f" * 64, "Options": {BRIDGE_NAME: bridge_of(ME, "w")}},
        {"Id": "e" * 64, "Options": None},
    ]
    assert plan_of(ME, ("994",), networks) == Plan(
        KEY, ("994",), (f"mo{KEY}+", "br-0123456789ab", f"br-{'e' * 12}")
    )
    assert plan_of(ME, (), []).bridges == (f"mo{KEY}+",)


def test_who_passes() -> None:
    """Answers, and those who may; the rest is told so at once.

    What is forwarded to a workspace is dropped.
    """
    chains = rules(PLAN, V4)
    assert chains[f"MOORAGE-{KEY}"] == [
        f"-A MOORAGE-{KEY} -o mo{KEY}+ -j MOORAGE-{KEY}-IN",
        f"-A MOORAGE-{KEY} -o br-0123456789ab -j MOORAGE-{KEY}-IN",
    ]
    assert chains[f"MOORAGE-{KEY}-IN"] == [
        f"-A MOORAGE-{KEY}-IN -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN",
        f"-A MOORAGE-{KEY}-IN -m owner --uid-owner 994 -j RETURN",
        f"-A MOORAGE-{KEY}-IN -m owner --uid-owner 0 --gid-owner 992 -j RETURN",
        f"-A MOORAGE-{KEY}-IN -j REJECT --reject-with icmp-admin-prohibited",
    ]
    assert chains[f"MOORAGE-{KEY}-FWD"][1] == f"-A MOORAGE-{KEY}-FWD -o mo{KEY}+ -j DROP"


@pytest.mark.parametrize(
    ("present", "changed"),
    [
        pytest.param(saved(JUMP, FORWARD_JUMP), False, id="all there"),
        pytest.param(
            saved(JUMP, "-A OUTPUT -j ACCEPT", FORWARD_JUMP, "-A DOCKER-USER -j RETURN"),
            False,
            id="first",
        ),
        pytest.param(
            saved("-A OUTPUT -j MOORAGE-fffff", JUMP, FORWARD_JUMP),
            False,
            id="behind another of Moorage's",
        ),
        pytest.param(
            saved("-A OUTPUT -j ACCEPT", JUMP, FORWARD_JUMP), True, id="behind another program's"
        ),
        pytest.param(saved(JUMP, JUMP, FORWARD_JUMP), True, id="twice"),
        pytest.param(saved(JUMP), True, id="no forwarding"),
        pytest.param(saved(plan=None), True, id="nothing"),
        pytest.param(
            saved(JUMP, FORWARD_JUMP, plan=PLAN._replace(allowed=("994", "0"))),
            True,
            id="others may",
        ),
        pytest.param(
            saved(JUMP, FORWARD_JUMP, plan=PLAN._replace(bridges=())), True, id="no bridges"
        ),
    ],
)
def test_what_is_repaired(present: str, changed: bool) -> None:
    """Whatever is not as it should be, and nothing that is."""
    assert bool(repair(present, PLAN, V4, COMMENT)) == changed


def test_a_repair_moves_our_jump_to_the_front() -> None:
    """The old one goes, the new one is first; where Docker has no chain for it, forwarding has."""
    lines = repair(saved("-A OUTPUT -j ACCEPT", JUMP, docker=False), PLAN, V4, COMMENT).splitlines()
    assert lines[0] == "*filter"
    assert lines[-1] == "COMMIT"
    assert JUMP.replace("-A", "-D", 1) in lines
    assert JUMP.replace("-A OUTPUT", "-I OUTPUT 1") in lines
    assert FORWARD_JUMP.replace("-A DOCKER-USER", "-I FORWARD 1") in lines
    assert f":MOORAGE-{KEY} - [0:0]" in lines


def test_removal_takes_ours_and_no_others() -> None:
    """All chains and jumps of one installation; nothing where there is none."""
    other = "-A OUTPUT -j MOORAGE-fffff"
    lines = removal(saved(other, JUMP, FORWARD_JUMP), KEY).splitlines()
    assert [line for line in lines if line.startswith("-D")] == [
        each.replace("-A", "-D", 1) for each in (JUMP, FORWARD_JUMP)
    ]
    assert [line for line in lines if line.startswith("-X")] == [
        f"-X MOORAGE-{KEY}{part}" for part in ("", "-IN", "-FWD")
    ]
    assert removal(saved(other, plan=None), KEY) == ""


@pytest.mark.parametrize(
    ("reachable_by", "host", "podman", "said"),
    [
        (("994",), "unix:///run/docker.sock", False, ""),
        ((), "unix:///run/docker.sock", False, "where root starts it"),
        (("994",), "tcp://10.0.0.1:2376", False, "the engine tcp://10.0.0.1:2376"),
        (("994",), "unix:///run/podman/podman.sock", True, "Docker's bridges alone"),
    ],
)
def test_where_there_can_be_no_rules(
    reachable_by: tuple[str, ...], host: str, podman: bool, said: str
) -> None:
    """It is said which, and never nothing."""
    found = guard.obstacle(reachable_by, host, podman=podman)
    assert said in found
    assert bool(found) == bool(said)
