"""What GitLab Workspaces refuses, by its own validator (`RestrictionsEnforcer`, version 18): of a
devfile as it was written, since some of its rules ask only whether a key is there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from moorage.devfile.attributes import (
    CONTAINER_OVERRIDES,
    INJECT_EDITOR,
    OVERRIDE_COMMAND,
    POD_OVERRIDES,
)
from moorage.devfile.model import Component, Devfile
from moorage.devfile.schema import NEWEST
from moorage.documents.problems import Path, short
from moorage.documents.reporting import Report
from moorage.documents.tree import maps_in

VERSION = "2.2.0"
TOLERATED = frozenset({"group-without-default", "newer-version"})
"""What the specification forbids, and GitLab's library for it does not refuse, or this one says
itself."""
_LONGEST_VOLUME_NAME = 27
_EXEC_KEYS = ("commandLine", "component", "label", "hotReloadCapable", "workingDir")


def check(devfile: Devfile, tree: Mapping[str, Any], report: Report) -> None:
    """Adds a problem for all that GitLab refuses. `tree`: what the devfile was read from."""
    _top(devfile, tree, report)
    _overrides(devfile.attributes, (POD_OVERRIDES,), ("attributes",), report)
    for index, component in enumerate(devfile.components):
        _component(component, ("components", index), report)
    _editor(devfile, report)
    _commands(devfile, tree, report)
    for path, name in _names(devfile):
        reserved = ("gl-", "gl_") if path[0] == "variables" else ("gl-",)
        if name.lower().startswith(reserved):
            report.add(
                "gitlab-reserved-name",
                f"GitLab keeps names such as {short(name)!r} for itself.",
                path,
                hint="Rename it.",
            )


def _top(devfile: Devfile, tree: Mapping[str, Any], report: Report) -> None:
    if devfile.schema_version != VERSION:
        # A DevWorkspace has no schemaVersion of its own: it counts as the newest.
        report.add(
            "gitlab-version",
            f"GitLab takes schemaVersion {VERSION} only, not {devfile.schema_version or NEWEST}.",
            ("schemaVersion",),
            hint=f"Write 'schemaVersion: {VERSION}'.",
        )
    if "parent" in tree:
        report.add(
            "gitlab-parent",
            "GitLab takes no parent.",
            ("parent",),
            hint="'moor devfile flatten' writes it out.",
        )
    for key in ("projects", "starterProjects", "dependentProjects"):
        if key in tree:
            report.add(
                "gitlab-projects",
                f"GitLab takes no {key}, not even an empty list.",
                (key,),
                hint="It clones the project itself.",
            )


def _component(component: Component, path: Path, report: Report) -> None:
    if component.kind not in ("container", "volume"):
        report.add(
            "gitlab-component",
            f"GitLab takes no {component.kind} components.",
            (*path, component.kind),
            of_key=True,
        )
    overrides = (CONTAINER_OVERRIDES, POD_OVERRIDES)
    _overrides(component.attributes, overrides, (*path, "attributes"), report)
    if component.container is not None:
        _container(component, (*path, "container"), report)
        _command(component, path, report)
    if component.volume is not None and len(component.name) > _LONGEST_VOLUME_NAME:
        report.add(
            "gitlab-volume-name",
            f"GitLab takes volume names of at most {_LONGEST_VOLUME_NAME} characters; this has {len(component.name)}.",
            (*path, "name"),
        )


def _container(component: Component, path: Path, report: Report) -> None:
    container = component.container
    assert container is not None
    for key, refused in (
        ("dedicatedPod", bool(container.dedicated_pod)),
        ("sourceMapping", container.source_mapping is not None),
        ("mountSources", bool(container.mount_sources)),
    ):
        if refused:
            report.add(
                "gitlab-field",
                f"GitLab takes no {key}.",
                (*path, key),
                of_key=True,
                hint="Remove the line.",
            )


def _command(component: Component, path: Path, report: Report) -> None:
    container = component.container
    assert container is not None
    overrides = component.attributes.get(OVERRIDE_COMMAND, _is_marked(component))
    if not isinstance(overrides, bool):
        report.add(
            "gitlab-override-command",
            f"GitLab takes true or false for {OVERRIDE_COMMAND}, without quotes.",
            (*path, "attributes", OVERRIDE_COMMAND),
            hint="Write true or false.",
        )
    elif overrides and (container.command or container.args):
        report.add(
            "gitlab-command",
            f"GitLab replaces the command of {component.name!r}, and so takes neither command nor args.",
            (*path, "container", "command" if container.command else "args"),
            of_key=True,
            hint=f"Remove them, or set the attribute '{OVERRIDE_COMMAND}: false'.",
        )


def _overrides(
    attributes: Mapping[str, Any], refused: tuple[str, ...], path: Path, report: Report
) -> None:
    for key in refused:
        if _is_truthy(attributes.get(key)):
            report.add("gitlab-overrides", f"GitLab takes no {key}.", (*path, key), of_key=True)


def _commands(devfile: Devfile, tree: Mapping[str, Any], report: Report) -> None:
    for path, command in maps_in(tree, "commands"):
        if "composite" in command:
            report.add(
                "gitlab-composite",
                "GitLab takes no composite commands.",
                (*path, "composite"),
                of_key=True,
            )
        body = command.get("exec")
        if isinstance(body, Mapping):
            _exec(body, (*path, "exec"), report)
    for key, bound in (
        ("preStop", devfile.events.pre_stop),
        ("postStop", devfile.events.post_stop),
    ):
        if bound:
            report.add("gitlab-event", f"GitLab takes no {key} events.", ("events", key))


def _exec(body: Mapping[str, Any], path: Path, report: Report) -> None:
    for key in body:
        if key not in _EXEC_KEYS:
            report.add(
                "gitlab-exec",
                f"GitLab takes no {key} of an exec command.",
                (*path, key),
                of_key=True,
                hint=f"It takes {', '.join(_EXEC_KEYS)}.",
            )
    if body.get("hotReloadCapable", False) is not False:
        report.add(
            "gitlab-exec",
            "GitLab takes hotReloadCapable only when it is false.",
            (*path, "hotReloadCapable"),
            hint="Remove the line.",
        )


def _is_marked(component: Component) -> bool:
    """As GitLab's Ruby sees it, where all but null and false is true."""
    return _is_truthy(component.attributes.get(INJECT_EDITOR))


def _is_truthy(value: Any) -> bool:
    return value is not None and value is not False


def _editor(devfile: Devfile, report: Report) -> None:
    marked = [index for index, component in enumerate(devfile.components) if _is_marked(component)]
    if not marked:
        report.add(
            "gitlab-editor",
            f"GitLab wants one component with the attribute {INJECT_EDITOR}.",
            ("components",),
            hint=f"Add 'attributes: {{{INJECT_EDITOR}: true}}' to the component that people work in.",
        )
    for index in marked[1:]:
        report.add(
            "gitlab-editor",
            f"GitLab wants the attribute {INJECT_EDITOR} on one component only, and takes every value but"
            " false for true.",
            ("components", index, "attributes"),
        )


def _names(devfile: Devfile) -> Iterator[tuple[Path, str]]:
    for index, component in enumerate(devfile.components):
        yield ("components", index, "name"), component.name
        for kind in ("container", "kubernetes", "openshift"):
            body = getattr(component, kind)
            for place, endpoint in enumerate(body.endpoints if body is not None else ()):
                yield ("components", index, kind, "endpoints", place, "name"), endpoint.name
    for index, command in enumerate(devfile.commands):
        yield ("commands", index, "id"), command.id
        for kind in ("exec", "apply", "composite"):
            body = getattr(command, kind)
            if body is not None and body.label:
                yield ("commands", index, kind, "label"), body.label
    events = devfile.events
    for key, bound in (
        ("preStart", events.pre_start),
        ("postStart", events.post_start),
        ("preStop", events.pre_stop),
        ("postStop", events.post_stop),
    ):
        for index, name in enumerate(bound):
            yield ("events", key, index), name
    for name in devfile.variables:
        yield ("variables", name), name
