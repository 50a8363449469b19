"""What the agent's own settings add to those of the workspaces."""

from __future__ import annotations

from pathlib import Path

import pytest

from moorage.agent.runtimes.versioned_settings import completed
from moorage.agent.settings import AgentSettings
from moorage.kernel.errors import Misconfigured
from moorage.workspace_settings import Proxy, RemoteDevelopment


def test_they_fill_what_is_left_out(tmp_path: Path) -> None:
    """Proxies and CA bundle of `[agent]` hold for workspaces unless the workspaces' own settings
    name some."""
    bundle = tmp_path / "ca.pem"
    bundle.write_text("PEM")
    own = AgentSettings(https_proxy="http://p:3128", ca_bundle=str(bundle))
    assert completed(RemoteDevelopment(), own) == RemoteDevelopment(
        proxy=Proxy(https="http://p:3128"), ca_bundle="PEM"
    )
    named = RemoteDevelopment(proxy=Proxy(http="http://other:1"), ca_bundle="OTHER")
    assert completed(named, own) == named


def test_a_bundle_that_is_not_there(tmp_path: Path) -> None:
    """It is named, with the setting to correct."""
    with pytest.raises(Misconfigured, match="cannot be read") as refused:
        completed(RemoteDevelopment(), AgentSettings(ca_bundle=str(tmp_path / "none")))
    assert refused.value.hint == "Correct ca_bundle under [agent]."


def test_the_namespace_of_an_agent_that_has_rights_in_one() -> None:
    """An agent with rights in one namespace runs all workspaces in it, unless the settings say
    where."""
    own = AgentSettings(only_namespace="mine")
    assert completed(RemoteDevelopment(), own).shared_namespace == "mine"
    assert completed(RemoteDevelopment(shared_namespace="named"), own).shared_namespace == "named"
