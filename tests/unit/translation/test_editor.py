"""Extensions and settings that a repository wants of the editor."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from moorage.contract import EditorSpec
from moorage.devfile import flatten, parse, to_yaml
from moorage.translation import Translation, to_workspace_spec

EDITOR = EditorSpec(
    name="vscode",
    command=("code",),
    install_extension=("{tools}/code", "--install-extension"),
    settings_file="{home}/data/Machine/settings.json",
)


def _translated(wanted: Any, editor: EditorSpec | None = EDITOR) -> Translation:
    component = {
        "name": "a",
        "attributes": {"moorage.dev/vscode": wanted},
        "container": {"image": "i"},
    }
    command = {"id": "own", "exec": {"component": "a", "commandLine": "x"}}
    tree = {
        "schemaVersion": "2.2.0",
        "components": [component],
        "commands": [command],
        "events": {"postStart": ["own"]},
    }
    return to_workspace_spec(flatten(parse(to_yaml(tree))).devfile, editor=editor)


def test_extensions_and_settings_become_the_first_step() -> None:
    """They are set up in the main container before the devfile's own commands run."""
    translation = _translated(
        {"extensions": ["a.b", "c-d.e@1.2.3", "-not.wanted"], "settings": {"x.y": "it's"}}
    )
    assert translation.warnings == ()
    setup, own = translation.spec.post_start
    assert (setup.id, own.id) == ("editor-setup", "own")
    line = setup.commands[0].command_line
    assert setup.commands[0].container == "a"
    assert "/opt/moorage/code --install-extension a.b" in line
    assert "/opt/moorage/code --install-extension c-d.e@1.2.3" in line
    assert "not.wanted" not in line
    assert "/projects/.home/data/Machine/settings.json" in line


@pytest.mark.parametrize(
    "name", ["x", "a.b; rm -rf /", "$(id).x", "a.b c.d", 5, "--help.x", ["a.b"]]
)
def test_what_is_no_extension_is_warned_of(name: Any) -> None:
    """Nothing but an extension's id reaches the command line."""
    translation = _translated({"extensions": [name]})
    wanted = [] if isinstance(name, str) and name.startswith("-") else ["editor-extras-ignored"]
    assert [warning.code for warning in translation.warnings] == wanted
    assert [step.id for step in translation.spec.post_start] == ["own"]


@pytest.mark.parametrize("wanted", ["x", {}, {"settings": [1]}, {"settings": {"a": "x" * 70_000}}])
def test_what_the_editor_does_not_take_is_left_out(wanted: Any) -> None:
    """A wrong shape does no harm."""
    assert [step.id for step in _translated(wanted).spec.post_start] == ["own"]


def test_an_editor_without_extensions_says_so() -> None:
    """Another editor is configuration, too: what it lacks is a warning."""
    plain = EditorSpec(name="other", command=("x",))
    translation = _translated({"extensions": ["a.b"], "settings": {"a": 1}}, plain)
    assert [warning.code for warning in translation.warnings] == ["editor-extras-ignored"] * 2
    assert _translated({"extensions": ["a.b"]}, None).spec.post_start[0].id == "own"


def test_the_step_works_in_a_real_shell(tmp_path: Path) -> None:
    """Settings are written once and never again; one extension's failure fails the step and leaves
    the others."""
    settings = {"a": 'it\'s "quoted" $HOME\n', "b": [1, True]}
    line = (
        _translated({"extensions": ["bad.x", "good.y"], "settings": settings})
        .spec.post_start[0]
        .commands[0]
        .command_line
    )
    tool = tmp_path / "code"
    tool.write_text(f'#!/bin/sh\necho "$2" >>{tmp_path}/installed\n[ "$2" != bad.x ]\n')
    tool.chmod(0o755)
    line = line.replace("/opt/moorage/bin/busybox ", "").replace("/opt/moorage/code", str(tool))
    line = line.replace("/projects/.home", str(tmp_path / "home"))
    for _ in range(2):
        assert subprocess.run(["sh", "-c", line], check=False).returncode == 1
    written = tmp_path / "home/data/Machine/settings.json"
    assert json.loads(written.read_text()) == settings
    assert (tmp_path / "installed").read_text().split() == ["bad.x", "good.y"] * 2
    written.write_text("{}")
    subprocess.run(["sh", "-c", line], check=False)
    assert written.read_text() == "{}"
