"""The translation as a whole: which containers there are, which is the main one, and what goes with
them."""

from __future__ import annotations

import msgspec

from moorage.contract.spec import EditorSpec, Project, Resources, WorkspaceSpec
from moorage.devfile import Devfile, DevfileError, Problem
from moorage.devfile.attributes import INJECT_EDITOR, MERGE_CONTRIBUTION, OVERRIDES
from moorage.devfile.loading import Source
from moorage.devfile.model import Component
from moorage.documents.reporting import Report
from moorage.translation import (
    containers,
    default_container,
    events,
    named_commands,
    overrides,
    projects,
)
from moorage.translation import editor as editor_setup


class Options(msgspec.Struct, frozen=True):
    """An installation's own decisions about the translation."""

    default_resources: Resources = Resources()
    """For what a container does not say itself."""
    default_image: str = ""
    """For a devfile without a container; "": one for its language."""


DEFAULTS = Options()


class Translation(msgspec.Struct, frozen=True):
    spec: WorkspaceSpec
    warnings: tuple[Problem, ...] = ()
    """Wishes that the workspace will not fulfil, for the person who has them."""


def to_workspace_spec(
    devfile: Devfile,
    *,
    project: Project | None = None,
    editor: EditorSpec | None = None,
    options: Options = DEFAULTS,
) -> Translation:
    """Translates `devfile`, which is flat, into the spec of a workspace.

    `project`: the repository that the workspace is for; it comes before the devfile's own projects.
    Raises `DevfileError`, with all that is wrong at once; `ValueError` when the devfile is not
    flat.
    """
    if not devfile.is_flat:
        raise ValueError("flatten the devfile first")
    report = (
        devfile.source.report() if isinstance(devfile.source, Source) else Report({}, DevfileError)
    )
    devfile = default_container.completed(devfile, report, options.default_image)
    cloned = projects.translate(devfile, project, report)
    source = cloned[0].clone_path if cloned else ""
    bound = events.Translator(devfile, source, report)
    init_names = bound.init_components()
    main = _main(devfile, init_names, report)
    made = containers.Maker(devfile, source, options.default_resources, report)
    places = {component.name: index for index, component in enumerate(devfile.components)}
    beside = _beside(devfile, init_names)
    running = tuple(
        made.container(index, is_main=component.name == main)
        for index, component in enumerate(devfile.components)
        if component.name in beside
    )
    initial = tuple(made.container(places[name], is_init=True) for name in init_names)
    post_start, pre_stop = bound.steps()
    setup = editor_setup.setup(devfile, main, editor, report)
    _warn_of_the_rest(devfile, report)
    report.raise_if_any()
    spec = WorkspaceSpec(
        containers=running,
        main_container=main,
        editor=editor,
        init_containers=initial,
        volumes=made.volumes((*running, *initial)),
        projects=cloned,
        post_start=(*setup, *post_start),
        pre_stop=pre_stop,
        commands=named_commands.translate(devfile, bound),
    )
    return Translation(spec, tuple(report.warnings))


def _beside(devfile: Devfile, init_names: tuple[str, ...]) -> frozenset[str]:
    """The containers that run beside each other: all but those that are only for a step before
    them."""
    targets = {command.exec.component for command in devfile.commands if command.exec is not None}
    before = set(init_names)
    return frozenset(
        component.name
        for component, _ in devfile.containers()
        if component.name not in before or is_marked(component) or component.name in targets
    )


def is_marked(component: Component) -> bool:
    """Whether the component asks for the editor."""
    return _is_marked(component, INJECT_EDITOR)


def _is_marked(component: Component, attribute: str) -> bool:
    value = component.attributes.get(attribute)
    return component.container is not None and containers.truth(value) is True


def _main(devfile: Devfile, init_names: tuple[str, ...], report: Report) -> str:
    """The main container's name; "" after adding the problem that there is none."""
    marked = [
        (index, component.name)
        for index, component in enumerate(devfile.components)
        if is_marked(component)
    ]
    if not marked:
        return _unmarked_main(devfile, init_names, report)
    index, name = marked[0]
    if name in init_names:
        report.add(
            "main-is-init",
            f"The container {name!r} has the editor, and cannot run before the workspace as well.",
            ("components", index),
            hint="Let the preStart command apply another container.",
        )
    for index, name in marked[1:]:
        report.add(
            "several-main-containers",
            f"{name!r} is marked for the editor, as {marked[0][1]!r} is; exactly one container can be.",
            ("components", index, "attributes", INJECT_EDITOR),
            hint=f"Remove the attribute {INJECT_EDITOR} from all containers but one.",
        )
    return marked[0][1]


def _unmarked_main(devfile: Devfile, init_names: tuple[str, ...], report: Report) -> str:
    """The container that Che would take: the one that it has a mark for, else the first with the
    sources in it."""
    beside = _beside(devfile, init_names)
    candidates = [component for component, _ in devfile.containers() if component.name in beside]
    if not candidates:
        report.add(
            "no-container",
            "The devfile has no container to work in.",
            ("components",),
            hint="Add a component with a 'container' and its image.",
        )
        return ""
    chosen = [each for each in candidates if _is_marked(each, MERGE_CONTRIBUTION)]
    if len(candidates) > 1 and len(chosen) != 1:
        names = ", ".join(each.name for each in candidates[:5])
        main = (chosen or sorted(candidates, key=_order_as_main))[0].name
        report.warn(
            "main-container-chosen",
            f"Of several containers ({names}{' and more' if len(candidates) > 5 else ''}), {main!r} has the"
            " editor, the first with the sources: none is marked for it.",
            ("components",),
            hint=f"To choose, add 'attributes: {{{INJECT_EDITOR}: true}}' to the component that people work in.",
        )
        return main
    return (chosen or candidates)[0].name


def _order_as_main(component: Component) -> tuple[bool, bool]:
    container = component.container
    return (
        container is None or container.mount_sources is False,
        bool(container and container.dedicated_pod),
    )


def _warn_of_the_rest(devfile: Devfile, report: Report) -> None:
    for index, component in enumerate(devfile.components):
        if component.kind not in ("container", "volume"):
            report.warn(
                "component-not-carried",
                f"The {component.kind} component {component.name!r} is not built or deployed by a workspace.",
                ("components", index),
                hint="Run it from the workspace's terminal, or in a pipeline.",
            )
    for index, command in enumerate(devfile.commands):
        if command.kind not in ("exec", "apply", "composite"):
            report.warn(
                "command-not-carried",
                f"The command {command.id!r} is not for a shell; it has no effect.",
                ("commands", index),
                hint="Keep VS Code's tasks in .vscode/tasks.json.",
            )
    for key in devfile.attributes:
        if key in OVERRIDES:
            overrides.warn_of_overrides(devfile.attributes[key], key, ("attributes", key), report)
    if devfile.metadata.global_memory_limit:
        report.warn(
            "memory-limit-ignored",
            "globalMemoryLimit is not applied to a workspace.",
            ("metadata", "globalMemoryLimit"),
            hint="Set memoryLimit on the containers.",
        )
