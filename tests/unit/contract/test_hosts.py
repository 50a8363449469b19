"""Host names of workspaces."""

import pytest

from moorage.contract.hosts import WorkspaceHost, host_of, parse_host, workspace_name

NAME = workspace_name(1, 27, "2vxdxq")


def test_a_host_is_built_and_read_back():
    """What `host_of` builds, `parse_host` reads, with or without the gateway's port, in any case."""
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
