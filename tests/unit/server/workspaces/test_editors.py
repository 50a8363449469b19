"""Editors that workspaces may have."""

from __future__ import annotations

from pathlib import Path

import pytest

from moorage.kernel.errors import Misconfigured
from moorage.server.workspaces.editors import SHIPPED, load_editors


def test_the_shipped_editors(tmp_path: Path) -> None:
    """The file that comes with Moorage is usable; one in the state folder takes its place; a broken
    one is refused."""
    shipped = load_editors(tmp_path / "none.toml")
    assert SHIPPED.exists()
    assert next(iter(shipped)) == "code-server"
    assert shipped["code-server"].port == 60001
    own = tmp_path / "editors.toml"
    own.write_text('[other]\ncommand = ["x", "{port}"]\n')
    assert list(load_editors(own)) == ["other"]
    for broken in ("", "[x]\n", "x = 1\n", "[["):
        own.write_text(broken)
        with pytest.raises(Misconfigured):
            load_editors(own)
