"""Causes of holding still where files are lost, or will be. Pure.

`volumes`: as in `DesiredWorkspace.volumes`, at least one.
"""

from __future__ import annotations

from collections.abc import Collection

from moorage.contract import Cause


def files_lost(workspace: str, volumes: Collection[str]) -> Cause:
    """Volumes that were there are gone."""
    return Cause(
        code="files-lost",
        message=f"{_named(volumes, 'gone')}: removed by somebody outside of Moorage.",
        hint=f"Start it with empty volumes in their place if you agree: `moor start {workspace} --fresh-files`, or the button on"
        " its page. The repository is cloned anew; what was not pushed does not come back.",
    )


def files_going(volumes: Collection[str]) -> Cause:
    """Volumes are being deleted, and are there as long as something uses them."""
    return Cause(
        code="files-going",
        message=f"{_named(volumes, 'being deleted')} by somebody outside of Moorage: when the workspace stops, nothing is left.",
        hint="Push or copy what you need while it runs. It is not restarted before that, only stopped.",
    )


def _named(volumes: Collection[str], state: str) -> str:
    names = sorted(volume for volume in volumes if volume)
    parts = ["The workspace's files"] if "" in volumes else []
    if names:
        whose = "its" if parts else "The workspace's"
        parts.append(f"{whose} volume{'s' if len(names) > 1 else ''} {', '.join(names)}")
    verb = "is" if "" not in volumes and len(names) == 1 else "are"
    return f"{' and '.join(parts)} {verb} {state}"
