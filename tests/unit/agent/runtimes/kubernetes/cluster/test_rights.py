"""The one table of rights, and who repeats it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from moorage.agent.runtimes.kubernetes.api.resources import WATCHED
from moorage.agent.runtimes.kubernetes.cluster import rights

ROOT = Path(__file__).resolve().parents[6]


def allowed(resource: str, group: str = "") -> set[str]:
    return {
        verb
        for rule in rights.RULES
        if rule.group == group and resource in rule.resources
        for verb in rule.verbs
    }


def test_the_documentation_has_the_same_table() -> None:
    """The ClusterRole in docs/kubernetes.md is the one that the code needs."""
    text = (ROOT / "docs/kubernetes.md").read_text()
    blocks = [
        block
        for text in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
        for block in yaml.safe_load_all(text)
    ]
    roles = [block for block in blocks if block.get("kind") in ("ClusterRole", "Role")]
    assert roles == [
        rights.cluster_role("moorage-agent"),
        rights.sources_role("moorage-agent", "moorage"),
    ]


def test_everything_that_is_watched_may_be() -> None:
    """Every kind that the store follows may be listed and watched."""
    for kind in WATCHED:
        assert {"list", "watch"} <= allowed(kind.plural, rights.group_of(kind)), kind.name


def test_nothing_is_left_open() -> None:
    """No wildcard, no right over rights, and no way to change what belongs to the cluster
    itself."""
    for rule in rights.RULES:
        assert "*" not in (rule.group, *rule.resources, *rule.verbs)
        assert rule.group in ("", "apps", "networking.k8s.io")
        assert not {"update", "deletecollection", "impersonate", "bind", "escalate"} & set(
            rule.verbs
        )


@pytest.mark.parametrize("resource", ["nodes", "events", "pods/log"])
def test_these_are_only_read(resource: str) -> None:
    """Nodes, events and logs are read and nothing else."""
    assert allowed(resource) <= {"get", "list"}
