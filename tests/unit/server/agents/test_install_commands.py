"""What is pasted where a new agent is to run."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from moorage.kernel.errors import Misconfigured
from moorage.server.agents import install_commands
from moorage.server.settings import load_helm_values

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\nEOF\n-----END CERTIFICATE-----\n"


def command(
    given: dict[str, Any] | None, agent: str | None = "a", gateway: str | None = "g"
) -> str:
    return install_commands.helm_command(
        chart="chart",
        origin="https://moorage.test",
        zone_url="https://dev.test",
        agent_token=agent,
        gateway_token=gateway,
        given=given,
    )


def values_of(text: str) -> Any:
    """What Helm reads when a shell runs the command."""
    run = ["bash", "-c", f"helm() {{ cat; }}\n{text}"]
    return yaml.safe_load(subprocess.run(run, capture_output=True, text=True, check=True).stdout)


def test_the_images_are_where_the_servers_are() -> None:
    """What is known comes with it, beneath what the agent itself needs."""
    given = {
        "image": {"registry": "registry.test", "tag": "1"},
        "imagePullSecrets": [{"name": "pull"}, {"name": "other"}],
        "caBundle": CERTIFICATE,
        "server": {"enabled": True, "replicas": 1},
        "auth": {"token": "another"},
    }
    text = command(given)
    values = values_of(text)
    for key in ("image", "imagePullSecrets", "caBundle"):
        assert values[key] == given[key]
    assert values["server"] == {"enabled": False, "replicas": 1}
    assert values["auth"] == {"host": "https://moorage.test", "token": "g"}
    assert "# Secret pull, Secret other: of type kubernetes.io/dockerconfigjson" in text
    assert "<registry>" not in text
    assert "\n  MIIB\n" in text, "a certificate is readable"


def test_nothing_is_known_of_images() -> None:
    """The reader is told to write the registry, in the place where it belongs."""
    text = command(None)
    assert values_of(text)["image"] == {"registry": install_commands.REGISTRY}
    assert f"# {install_commands.REGISTRY}: write the registry here" in text
    assert values_of(command({})).keys() == {"server", "config", "auth", "ingress"}
    assert "#" not in command({}).replace("# moorage-tls", "").replace("# cert-manager", "")


@pytest.mark.parametrize("given", [None, {"image": {"registry": "registry.test"}}])
def test_a_new_token_changes_nothing_else(given: dict[str, Any] | None) -> None:
    """A running release keeps its images."""
    assert values_of(command(given, gateway=None)) == {"config": {"token": "a"}}
    assert values_of(command(given, agent=None)) == {"auth": {"token": "g"}}


@pytest.mark.parametrize("text", [None, "- image", "image: {", "\t\x00"])
def test_a_file_that_holds_no_values(tmp_path: Path, text: str | None) -> None:
    """The server does not start with it, and says what it should hold."""
    file = tmp_path / "values.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(Misconfigured, match="helm_values under \\[server\\]"):
        load_helm_values(str(file))
    file.write_text("image: {registry: registry.test}")
    assert load_helm_values(str(file)) == {"image": {"registry": "registry.test"}}
    assert load_helm_values("") is None
