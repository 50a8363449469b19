"""Host names of workspaces."""

import pytest

from moorage.contract.hosts import (
    WorkspaceHost,
    host_of,
    is_workspace_name,
    parse_host,
    port_pattern,
    port_url,
    workspace_name,
)
from moorage.kernel.ids import short_id

NAME = workspace_name(1, 27, "2vxdxq")


def test_a_host_is_built_and_read_back():
    """What `host_of` builds, `parse_host` reads, with or without the gateway's port, in any
    case."""
    host = host_of(NAME, 8080, "example.dev")
    assert host == "8080-workspace-1-27-2vxdxq.example.dev"
    for text in (host, f"{host}:8443", host.upper(), f"{host}."):
        assert parse_host(text, "example.dev") == WorkspaceHost(workspace=NAME, port=8080)


@pytest.mark.parametrize(
    "host",
    [
        "example.dev",
        "8080-workspace-1-27-2vxdxq.example.org",
        "8080-workspace-1-27-2vxdxq.evil-example.dev",
        "a.8080-workspace-1-27-2vxdxq.example.dev",
        "08080-workspace-1-27-2vxdxq.example.dev",
        "0-workspace-1-27-2vxdxq.example.dev",
        "65536-workspace-1-27-2vxdxq.example.dev",
        "8080-workspace-1-27-2vxdx.example.dev",
        "8080-workspace-1-2vxdxq.example.dev",
        "workspace-1-27-2vxdxq.example.dev",
        "",
        ":8080",
    ],
)
def test_other_hosts_are_no_workspaces(host):
    """A foreign zone, a port out of range or any other shape names no workspace."""
    assert parse_host(host, "example.dev") is None


@pytest.mark.parametrize(
    ("name", "given"),
    [
        pytest.param(workspace_name(12, 345, short_id()), True, id="a new one"),
        ("workspace-12-345-zzzzz9", True),
        ("workspace-1-345-zzzzz9", False),
        ("workspace-123-345-zzzzz9", False),
        ("workspace-12-345-zzzzz", False),
        ("workspace-12-345-zzzzz9\n", False),
        ("workspace-12-345-ZZZZZ9", False),
        ("workspace-12-345-zzzzz9/../kube-system", False),
        ("workspace-12-" + "9" * 40 + "-zzzzz9", False),
        ("kube-system", False),
        ("", False),
    ],
)
def test_names_of_an_agents_workspaces(name, given):
    """What the server calls a workspace names its agent; nothing else is a workspace's name to that
    agent."""
    assert is_workspace_name(name, 12) is given


def test_urls_of_ports() -> None:
    """One pattern stands for every port of a workspace, with the zone's own port; a path goes
    behind."""
    pattern = port_pattern("http://moorage.localhost:8080", NAME)
    assert pattern == f"http://{{port}}-{NAME}.moorage.localhost:8080/"
    assert port_url(pattern, 3000) == f"http://3000-{NAME}.moorage.localhost:8080/"
    assert port_url(pattern, 60001, "/?folder=/projects/x") == (
        f"http://60001-{NAME}.moorage.localhost:8080/?folder=/projects/x"
    )
