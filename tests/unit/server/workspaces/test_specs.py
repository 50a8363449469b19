"""What the server adds to a spec."""

from __future__ import annotations

import pytest

from moorage.contract import Container, WorkspaceSpec
from moorage.server.workspaces import specs

NAME = "workspace-1-1-abc123"
SPEC = WorkspaceSpec(
    containers=(
        Container(name="py", image="i:1"),
        Container(name="web", image="i:1", env={"RAILS_DEVELOPMENT_HOSTS": "example.com"}),
    ),
    main_container="py",
)


def hosts(spec: WorkspaceSpec, container: str) -> list[str]:
    return [spec.container(container).env.get(name, "") for name in specs.HOSTS_VARIABLES]


@pytest.mark.parametrize(
    ("zone_url", "allowed"),
    [
        ("http://moorage.localhost:8080", ".moorage.localhost"),
        ("https://dev.example.com", ".dev.example.com"),
    ],
)
def test_development_servers_take_the_zones_hosts(zone_url: str, allowed: str) -> None:
    """Vite and Rails refuse hosts that they do not know: those of the zone they are told, in every
    container. What the devfile says stays."""
    made = specs.for_workspace(
        SPEC, name=NAME, zone_url=zone_url, origin=zone_url, owner="ann", env={}
    )
    assert hosts(made, "py") == [allowed, allowed]
    assert hosts(made, "web") == [allowed, "example.com"]


def test_allowed_hosts_move_with_the_zone() -> None:
    """A start in another zone allows that one's; a workspace of before gets what it lacks."""
    first, second = "http://moorage.localhost:8080", "https://dev.example.com"
    made = specs.for_workspace(SPEC, name=NAME, zone_url=first, origin=first, owner="ann", env={})
    for before in (made, SPEC):
        moved = specs.moved_to(before, name=NAME, zone_url=second, origin=second)
        assert hosts(moved, "py") == [".dev.example.com"] * 2
        assert hosts(moved, "web") == [".dev.example.com", "example.com"]


@pytest.mark.parametrize(
    ("owner", "zone_url", "email"),
    [
        ("ann", "http://moorage.localhost:8080", "ann@users.noreply.moorage.localhost"),
        ("ann@example.com", "https://dev.example.com", "ann@example.com"),
        ("Ann B <x>", "https://dev.example.com", "AnnBx@users.noreply.dev.example.com"),
    ],
)
def test_whose_commits_they_are(owner: str, zone_url: str, email: str) -> None:
    """The owner's, with an address of nobody else's; what the devfile sets stays, and containers
    beside the main one are told nothing."""
    made = specs.for_workspace(
        SPEC, name=NAME, zone_url=zone_url, origin=zone_url, owner=owner, env={}
    )
    main = made.container(made.main_container)
    assert (main.env["MOORAGE_GIT_NAME"], main.env["MOORAGE_GIT_EMAIL"]) == (owner, email)
    others = [each for each in made.containers if each.name != made.main_container]
    assert not any("MOORAGE_GIT_NAME" in each.env for each in others)
