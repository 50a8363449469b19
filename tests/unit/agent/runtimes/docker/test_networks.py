"""Networks out of the pool."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.agent.runtimes.docker import objects
from moorage.agent.runtimes.docker.networks import free_subnet, mtu_of, subnets, uplink_mtu

POOL = "10.213.0.0/24"
ALL = [str(network) for network in ipaddress.ip_network(POOL).subnets(new_prefix=28)]


@given(st.sets(st.sampled_from(ALL)), st.text())
def test_free_subnet(used: set[str], seed: str) -> None:
    """A subnet lies in the pool and overlaps none in use, as long as there is one."""
    found = free_subnet(POOL, used, seed)
    if len(used) == len(ALL):
        assert found is None
    else:
        assert found in set(ALL) - used


def test_other_networks_sizes() -> None:
    """Networks of any size that overlap the pool are kept clear of; others, and IPv6, do not
    matter."""
    assert free_subnet(POOL, ["10.213.0.0/25", "10.213.0.129/32", "10.0.0.0/16", "fd00::/64"], "x") not in (
        None, *ALL[:9],
    )  # fmt: skip
    assert free_subnet(POOL, ["10.0.0.0/8"], "x") is None


def test_subnets_of_networks() -> None:
    """Networks without addresses of their own have no subnets."""
    listed = [
        {"IPAM": {"Config": [{"Subnet": "10.0.0.0/24"}, {"Gateway": "x"}]}},
        {"IPAM": {"Config": None}},
        {"IPAM": None},
        {},
    ]
    assert subnets(listed) == ["10.0.0.0/24"]


ROUTES = """Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT
eth0 00000000 0101A8C0 0003 0 0 100 00000000 0 0 0
{more}docker0 0000110A 00000000 0001 0 0 0 0000FFFF 0 0 0
"""


@pytest.mark.parametrize(
    ("more", "mtu"),
    [("", 1450), ("tun0 00000080 00000000 0003 0 0 0 00000080 0 0 0\n", 1380)],
    ids=["a default route", "a VPN's half"],
)
def test_the_uplinks_packets(tmp_path: Path, more: str, mtu: int) -> None:
    """Of several ways out of the machine, the one with the smallest packets counts; the engine's
    own bridge is none."""
    for name, size in (("eth0", 1450), ("tun0", 1380), ("docker0", 1300)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mtu").write_text(f"{size}\n")
    (tmp_path / "route").write_text(ROUTES.format(more=more))
    assert uplink_mtu(tmp_path / "route", tmp_path) == mtu
    assert uplink_mtu(tmp_path / "none", tmp_path) == 0


@pytest.mark.parametrize(
    ("bridge", "setting", "uplink", "mtu"),
    [
        ({}, 0, 1500, 0),
        ({}, 0, 9000, 0),
        ({}, 0, 1400, 1400),
        ({objects.MTU: "1450"}, 0, 1500, 1450),
        ({objects.MTU: "1450"}, 0, 1400, 1400),
        ({objects.MTU: "9000"}, 0, 9000, 9000),
        ({objects.MTU: "x"}, 0, 0, 0),
        ({objects.MTU: "1450"}, 1300, 1400, 1300),
    ],
)
def test_a_networks_packets(bridge: dict[str, str], setting: int, uplink: int, mtu: int) -> None:
    """A workspace's network takes what the setting says, else the smaller of what the engine's own
    network and the uplink take, reported of clones that hung behind a VPN."""
    networks = [
        {"Name": "other", "Options": {objects.MTU: "1"}},
        {"Name": "bridge", "Options": bridge},
    ]
    assert mtu_of(networks, setting, uplink) == mtu
