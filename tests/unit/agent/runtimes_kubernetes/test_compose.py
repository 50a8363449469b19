from __future__ import annotations

from pathlib import Path

import pytest

from moorage.agent.runtimes.kubernetes import compose
from moorage.agent.settings import AgentSettings
from moorage.kernel.errors import InvalidInput, Misconfigured


def test_agents_settings_fill_what_the_file_leaves_out(tmp_path: Path) -> None:
    """Proxies of `[agent]` hold for workspaces unless the workspaces' own settings name some."""
    file = tmp_path / "config.yaml"
    file.write_text("remote_development: {storage: {size: 9Gi}}\n")
    chosen = AgentSettings(workspace_settings=str(file), https_proxy="http://p:3128")
    found = compose.workspace_settings(chosen)
    assert (found.storage.size, found.proxy.https) == ("9Gi", "http://p:3128")
    file.write_text('remote_development: {proxy: {http: "http://other:1"}}\n')
    assert compose.workspace_settings(chosen).proxy.https == ""


def test_an_unusable_file_is_named(tmp_path: Path) -> None:
    """A file that is not there, or not usable, is named."""
    with pytest.raises(Misconfigured, match="cannot be read"):
        compose.workspace_settings(AgentSettings(workspace_settings=str(tmp_path / "none")))
    file = tmp_path / "config.yaml"
    file.write_text("remote_development: {storag: {}}\n")
    with pytest.raises(InvalidInput, match=r"config\.yaml, line 1"):
        compose.workspace_settings(AgentSettings(workspace_settings=str(file)))
