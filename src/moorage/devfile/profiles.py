"""Profiles: what other readers of devfiles refuse although the specification allows it.

`full` is all that this engine can make something of: what the specification forbids and leaves no
doubt about what is meant is a warning, as most readers of devfiles take it. `strict` refuses that,
too. `gitlab` is GitLab Workspaces, so that one repository can serve both.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Literal, get_args

from moorage.devfile.attributes import INJECT_EDITOR, OVERRIDES
from moorage.devfile.errors import DevfileError
from moorage.devfile.loading import Source
from moorage.devfile.model import Component, ContainerComponent, Devfile
from moorage.devfile.schema import NEWEST
from moorage.documents.problems import Path, Problem, short
from moorage.documents.reporting import Report

TOLERATED = frozenset(
    {
        *("key-case", "newer-key", "older-key", "newer-version", "parent-newer", "long-name"),
        *("group-without-default", "group-defaults", "reserved-env"),
        *("unknown-component", "wrong-component", "unknown-command"),
    }
)
"""Codes of the warnings about what the specification forbids."""
Profile = Literal["full", "strict", "gitlab"]
PROFILES: tuple[Profile, ...] = get_args(Profile)

GITLAB_VERSION = "2.2.0"
_LONGEST_VOLUME_NAME = 27


def refusals(devfile: Devfile, profile: Profile) -> tuple[Problem, ...]:
    """All that the profile refuses in a devfile as it was written, that is before flattening; ()
    when it accepts it."""
    if profile == "full":
        return ()
    if profile == "strict":
        return against_specification(
            devfile.source.warnings if isinstance(devfile.source, Source) else ()
        )
    report = (
        devfile.source.report() if isinstance(devfile.source, Source) else Report({}, DevfileError)
    )
    _gitlab(devfile, report)
    return tuple(sorted(report.problems, key=lambda problem: (problem.line, problem.column)))


def against_specification(warnings: Iterable[Problem]) -> tuple[Problem, ...]:
    """Those that tell of what the specification forbids, in their order."""
    return tuple(warning for warning in warnings if warning.code in TOLERATED)


def _gitlab(devfile: Devfile, report: Report) -> None:
    if devfile.schema_version != GITLAB_VERSION:
        # A DevWorkspace has no schemaVersion of its own: it counts as the newest.
        report.add(
            "gitlab-version",
            f"GitLab takes schemaVersion {GITLAB_VERSION} only, not {devfile.schema_version or NEWEST}.",
            ("schemaVersion",),
            hint=f"Write 'schemaVersion: {GITLAB_VERSION}'.",
        )
    if devfile.parent is not None:
        report.add(
            "gitlab-parent",
            "GitLab takes no parent.",
            ("parent",),
            hint="'moor devfile flatten' writes it out.",
        )
    for key, elements in (
        ("projects", devfile.projects),
        ("starterProjects", devfile.starter_projects),
        ("dependentProjects", devfile.dependent_projects),
    ):
        if elements:
            report.add(
                "gitlab-projects",
                f"GitLab takes no {key}.",
                (key,),
                hint="It clones the project itself.",
            )
    _overrides(devfile.attributes.keys(), ("attributes",), report)
    for index, component in enumerate(devfile.components):
        _component(component, ("components", index), report)
    _editor(devfile, report)
    _commands(devfile, report)
    for path, name in _names(devfile):
        if name.startswith("gl-") or (path[0] == "variables" and name.startswith("gl_")):
            report.add(
                "gitlab-reserved-name",
                f"GitLab keeps names such as {short(name)!r} for itself.",
                path,
                hint="Rename it.",
            )


def _component(component: Component, path: Path, report: Report) -> None:
    if component.kind not in ("container", "volume"):
        report.add(
            "gitlab-component",
            f"GitLab takes no {component.kind} components.",
            (*path, component.kind),
            of_key=True,
        )
    _overrides(component.attributes.keys(), (*path, "attributes"), report)
    if component.container is not None:
        _container(component.container, (*path, "container"), report)
    if component.volume is not None and len(component.name) > _LONGEST_VOLUME_NAME:
        report.add(
            "gitlab-volume-name",
            f"GitLab takes volume names of at most {_LONGEST_VOLUME_NAME} characters; this has {len(component.name)}.",
            (*path, "name"),
        )


def _container(container: ContainerComponent, path: Path, report: Report) -> None:
    for key, value in (
        ("dedicatedPod", container.dedicated_pod),
        ("sourceMapping", container.source_mapping),
        ("mountSources", container.mount_sources),
    ):
        if value is not None:
            report.add(
                "gitlab-field",
                f"GitLab takes no {key}.",
                (*path, key),
                of_key=True,
                hint="Remove the line.",
            )


def _overrides(keys: Collection[str], path: Path, report: Report) -> None:
    for key in OVERRIDES:
        if key in keys:
            report.add("gitlab-overrides", f"GitLab takes no {key}.", (*path, key), of_key=True)


def _commands(devfile: Devfile, report: Report) -> None:
    for index, command in enumerate(devfile.commands):
        if command.composite is not None:
            path = ("commands", index, "composite")
            report.add("gitlab-composite", "GitLab takes no composite commands.", path, of_key=True)
    for key, bound in (
        ("preStop", devfile.events.pre_stop),
        ("postStop", devfile.events.post_stop),
    ):
        if bound:
            report.add("gitlab-event", f"GitLab takes no {key} events.", ("events", key))


def _editor(devfile: Devfile, report: Report) -> None:
    marked = [
        index
        for index, component in enumerate(devfile.components)
        if component.attributes.get(INJECT_EDITOR) in (True, "true")
    ]
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
            f"GitLab wants the attribute {INJECT_EDITOR} on one component only.",
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
