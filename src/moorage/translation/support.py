"""The support table of `docs/devfile.md`: for every field of the specification, what becomes of it.

The list of fields is the published schemas' own; tests put each field into a devfile and see that
the table tells the truth.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from moorage.devfile import VERSIONS, schema

Status = Literal["supported", "kept", "warning", "refused"]
MEANING: dict[Status, str] = {
    "supported": "does what the specification says",
    "kept": "read, checked and kept for people and tools; a workspace has nothing to do with it",
    "warning": "ignored, with a warning that the person sees",
    "refused": "an error that says what to do",
}

STATUS: dict[str, tuple[Status, str]] = {
    "": ("supported", ""),
    "metadata": ("kept", ""),
    "metadata.globalMemoryLimit": ("warning", "set `memoryLimit` on the containers"),
    "attributes": ("supported", "`pod-overrides`: labels and annotations"),
    "parent": (
        "supported",
        "from where the administrator allows; overrides included; parents of parents, too",
    ),
    "parent.kubernetes": ("refused", "no cluster is asked; a resolver of one's own may"),
    "components[].attributes": (
        "supported",
        "`gl/inject-editor`, `overrideCommand`, `pod-overrides`, `container-overrides`, `moorage.dev/vscode`",
    ),
    "components[].container.dedicatedPod": ("warning", "runs beside the others"),
    "components[].container.annotation.deployment": ("supported", "but those that a cluster reads"),
    "components[].container.annotation.service": ("warning", ""),
    "components[].container.endpoints[].annotation": ("warning", ""),
    "components[].container.endpoints[].attributes": ("warning", ""),
    "components[].container.endpoints[].protocol": (
        "supported",
        "`tcp` and `udp` have no URL: a warning; `https` and `wss`: the port is spoken to by TLS",
    ),
    "components[].container.command": (
        "supported",
        "replaced in the container with the editor, but for `overrideCommand: false`",
    ),
    "components[].container.args": ("supported", "as `command`"),
    "components[].image": ("warning", "nothing is built"),
    "components[].kubernetes": ("warning", "nothing is deployed"),
    "components[].openshift": ("warning", "nothing is deployed"),
    "components[].plugin": ("supported", "as `parent`"),
    "components[].plugin.kubernetes": ("refused", "as `parent.kubernetes`"),
    "commands[].attributes": ("kept", ""),
    "commands[].exec.group": ("supported", "tasks of the editor, `moor run`"),
    "commands[].exec.hotReloadCapable": ("kept", ""),
    "commands[].apply": ("supported", "of a container, at preStart"),
    "commands[].vscodeTask": ("warning", "keep tasks in `.vscode/tasks.json`"),
    "commands[].vscodeLaunch": ("warning", "keep launches in `.vscode/launch.json`"),
    "events.postStop": ("warning", "use preStop"),
    "projects[].attributes": ("kept", ""),
    "projects[].zip": ("warning", "fetch it with a postStart command"),
    "projects[].sparseCheckoutDirs": ("warning", "cloned as a whole"),
    "dependentProjects[].attributes": ("kept", ""),
    "dependentProjects[].zip": ("warning", "fetch it with a postStart command"),
    "starterProjects": ("kept", "a workspace is for a repository that is there"),
}
"""By the longest beginning of a field's path: what becomes of it, and a remark."""

GITLAB_REFUSES = (
    "parent",
    "projects",
    "starterProjects",
    "dependentProjects",
    "components[].kubernetes",
    "components[].openshift",
    "components[].image",
    "components[].plugin",
    "components[].container.dedicatedPod",
    "components[].container.sourceMapping",
    "components[].container.mountSources",
    "commands[].composite",
    "commands[].exec.env",
    "commands[].exec.group",
    "commands[].exec.hotReloadCapable",
    "events.preStop",
    "events.postStop",
)
"""Fields of 2.2.0 that GitLab Workspaces refuses, with some value at least; it refuses all that
2.2.0 does not have."""

OTHERS: dict[str, tuple[str, str]] = {
    "": ("", ""),
    "parent": ("uri, id, kubernetes; no grandparent", "yes"),
    "projects": ("git, zip", "at init"),
    "starterProjects": ("git, zip", "at init"),
    "components[].image": ("ignored with a warning", "builds"),
    "components[].kubernetes": ("inlined, if deployByDefault", "yes"),
    "components[].openshift": ("inlined, if deployByDefault", "yes"),
    "components[].container.dedicatedPod": ("ignored", "no"),
    "components[].attributes": ("pod- and container-overrides", "pod- and container-overrides"),
    "attributes": ("pod- and container-overrides", "pod- and container-overrides"),
    "commands[].composite": ("not in events", "yes"),
    "events.preStop": ("exec", "yes"),
    "events.postStop": ("ignored", "no"),
}
"""Where Che and odo are known to differ: by the longest beginning of a field's path."""


@dataclass(frozen=True, slots=True)
class Row:
    field: str
    versions: str
    status: Status
    gitlab: bool
    """Whether GitLab takes it."""
    che: str
    odo: str
    """"": as here."""
    note: str


def rows() -> Iterator[Row]:
    """One for every field of any version, in the newest schema's order; what may be overridden in a
    parent or plugin is not repeated."""
    known = {version: schema.fields(version) for version in VERSIONS}
    in_order = dict.fromkeys(field for version in reversed(VERSIONS) for field in known[version])
    for field in sorted(in_order, key=_order):
        if _is_override(field):
            continue
        having = [version for version in VERSIONS if field in known[version]]
        status, note = STATUS[_longest(field, STATUS)]
        che, odo = OTHERS[_longest(field, OTHERS)]
        gitlab = "2.2.0" in having and not any(
            _within(field, refused) for refused in GITLAB_REFUSES
        )
        yield Row(
            field, _versions(having), status, gitlab, che, odo, note if field in STATUS else ""
        )


def table() -> str:
    """The rows in Markdown."""
    lines = [
        "| field | versions | Moorage | GitLab | Che | odo | remark |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows():
        gitlab = "yes" if row.gitlab else "refused"
        cells = (f"`{row.field}`", row.versions, row.status, gitlab, row.che, row.odo, row.note)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


_TOP = (
    "schemaVersion",
    "metadata",
    "parent",
    "components",
    "commands",
    "events",
    "projects",
    "starterProjects",
)


def _order(field: str) -> tuple[int, str]:
    top = field.partition(".")[0].partition("[")[0]
    return (_TOP.index(top) if top in _TOP else len(_TOP), field)


def _is_override(field: str) -> bool:
    for prefix in ("parent.", "components[].plugin."):
        if field.startswith(prefix):
            return field.removeprefix(prefix).partition("[")[0].partition(".")[0] in (
                *("components", "commands", "projects", "starterProjects", "dependentProjects"),
                *("variables", "attributes"),
            )
    return False


def _longest(field: str, table: Mapping[str, object]) -> str:
    return max((prefix for prefix in table if _within(field, prefix)), key=len)


def _within(field: str, prefix: str) -> bool:
    return not prefix or field == prefix or field.startswith((f"{prefix}.", f"{prefix}["))


def _versions(having: list[str]) -> str:
    if having == list(VERSIONS):
        return "all"
    if having[-1] == VERSIONS[-1]:
        return f"{having[0]} and later"
    return having[0] if len(having) == 1 else f"{having[0]} to {having[-1]}"
