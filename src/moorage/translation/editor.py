"""A repository's wishes for the editor (extensions, settings) → a step after the start."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from typing import Any

from moorage.contract.spec import HOME, TOOLS_ROOT, Command, EditorSpec, Step
from moorage.devfile import Devfile
from moorage.documents.problems import Path
from moorage.documents.reporting import Report

VSCODE = "moorage.dev/vscode"
"""Attribute of the main component: `{extensions: […], settings: {…}}`."""
STEP = "editor-setup"
_EXTENSION = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9-]{0,127}\.[A-Za-z0-9][A-Za-z0-9._-]{0,127}(@[A-Za-z0-9][A-Za-z0-9._-]{0,40})?"
)
_MOST_SETTINGS = 64 * 1024


def setup(
    devfile: Devfile, main: str, editor: EditorSpec | None, report: Report
) -> tuple[Step, ...]:
    """() when nothing is wanted. What the editor cannot do is warned of."""
    index = next(
        (i for i, component in enumerate(devfile.components) if component.name == main), None
    )
    if index is None or editor is None or VSCODE not in devfile.components[index].attributes:
        return ()
    wanted = devfile.components[index].attributes[VSCODE]
    path: Path = ("components", index, "attributes", VSCODE)
    if not isinstance(wanted, Mapping):
        _warn(report, path, "It is no mapping with extensions and settings")
        return ()
    lines = [
        *_settings(wanted.get("settings"), editor, path, report),
        *_extensions(wanted, editor, path, report),
    ]
    if not lines:
        return ()
    command = Command(
        id=STEP,
        container=main,
        command_line="\n".join(lines),
        working_dir="/",
        label="Set up the editor",
    )
    return (Step(id=STEP, commands=(command,)),)


def _settings(wanted: Any, editor: EditorSpec, path: Path, report: Report) -> list[str]:
    """Written once: later the file is the person's."""
    if not wanted:
        return []
    text = json.dumps(wanted, indent=2, ensure_ascii=False) if isinstance(wanted, Mapping) else ""
    if not editor.settings_file or not text or len(text) > _MOST_SETTINGS:
        _warn(report, path, "The editor does not take the settings")
        return []
    file = editor.settings_file.replace("{home}", HOME)
    folder, quoted = shlex.quote(file.rpartition("/")[0]), shlex.quote(file)
    busybox = f"{TOOLS_ROOT}/bin/busybox"
    write = f"{busybox} mkdir -p {folder} && printf '%s\\n' {shlex.quote(text)} >{quoted}"
    return [f"[ -e {quoted} ] || {{ {write}; }}"]


def _extensions(
    wanted: Mapping[str, Any], editor: EditorSpec, path: Path, report: Report
) -> list[str]:
    """Each by itself: one that cannot be had does not keep the others away, but fails the step."""
    names = wanted.get("extensions") or []
    lines = []
    for name in names if isinstance(names, list) else [names]:
        # A leading '-' means, in a devcontainer.json, that an extension is not wanted.
        if isinstance(name, str) and name.startswith("-"):
            continue
        if (
            not editor.install_extension
            or not isinstance(name, str)
            or not _EXTENSION.fullmatch(name)
        ):
            _warn(report, path, f"The editor cannot install the extension {str(name)[:60]!r}")
            continue
        install = [part.replace("{tools}", TOOLS_ROOT) for part in editor.install_extension]
        lines.append(f"{shlex.join([*install, name])} || failed=1")
    return [*lines, '[ -z "${failed:-}" ]'] if lines else []


def _warn(report: Report, path: Path, message: str) -> None:
    report.warn("editor-extras-ignored", f"{message}.", path)
