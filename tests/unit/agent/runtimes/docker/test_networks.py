"""Networks out of the pool."""

from __future__ import annotations

import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from moorage.agent.runtimes.docker.networks import free_subnet, subnets

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
