"""Events → init containers (preStart), and steps that run after the start and before the stop."""

from __future__ import annotations

import posixpath
import re

from moorage.contract.spec import PROJECTS_ROOT, Command, Step
from moorage.devfile import Devfile
from moorage.devfile import model as devfile_model
from moorage.devfile.problems import Path
from moorage.devfile.reporting import Report

_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


def init_components(devfile: Devfile, report: Report) -> tuple[str, ...]:
    """Names of the containers that preStart applies, in their order, each once."""
    names: dict[str, None] = {}
    for index, command_id in enumerate(devfile.events.pre_start):
        for command in _members(devfile, command_id):
            if command.apply is None or command.apply.component is None:
                continue
            component = devfile.component(command.apply.component)
            if component is not None and component.container is not None:
                names[component.name] = None
            elif component is not None:
                _not_applied(component, command, ("events", "preStart", index), report)
    return tuple(names)


def translate(devfile: Devfile, source: str, report: Report) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
    """The steps of postStart and of preStop. `source`: the main project's folder below the projects root."""
    for index, command_id in enumerate(devfile.events.post_stop):
        report.warn(
            "event-not-carried",
            f"postStop is not carried out: {command_id!r} does not run when the workspace has stopped.",
            ("events", "postStop", index),
            hint="Use preStop with an exec command.",
        )
    events = devfile.events
    post_start = tuple(_step(devfile, command_id, source) for command_id in events.post_start)
    pre_stop = tuple(_step(devfile, command_id, source) for command_id in events.pre_stop)
    return post_start, pre_stop


def _not_applied(
    component: devfile_model.Component, command: devfile_model.Command, path: Path, report: Report
) -> None:
    report.warn(
        "apply-not-carried",
        f"The command {command.id!r} applies the {component.kind} component {component.name!r}: not done by a workspace.",
        path,
    )


def _members(devfile: Devfile, command_id: str) -> list[devfile_model.Command]:
    command = devfile.command(command_id)
    if command is None:
        return []
    if command.composite is None:
        return [command]
    found = (devfile.command(member) for member in command.composite.commands)
    return [member for member in found if member is not None]


def _step(devfile: Devfile, command_id: str, source: str) -> Step:
    command = devfile.command(command_id)
    parallel = command is not None and command.composite is not None and bool(command.composite.parallel)
    commands = tuple(
        _command(devfile, member, member.exec, source)
        for member in _members(devfile, command_id)
        if member.exec is not None
    )
    return Step(id=command_id, commands=commands, parallel=parallel)


def _command(
    devfile: Devfile, command: devfile_model.Command, body: devfile_model.ExecCommand, source: str
) -> Command:
    component = devfile.component(body.component or "")
    container = component.container if component is not None else None
    root = (container.source_mapping if container is not None else None) or PROJECTS_ROOT
    project = f"{root}/{source}" if source else root
    env = {variable.name: variable.value or "" for variable in body.env}
    known = (
        {variable.name: variable.value or "" for variable in container.env} if container is not None else {}
    )
    return Command(
        id=command.id,
        container=body.component or "",
        command_line=body.command_line or "",
        working_dir=_folder(
            body.working_dir, {**known, **env, "PROJECTS_ROOT": root, "PROJECT_SOURCE": project}, project
        ),
        env=env,
        label=body.label or "",
    )


def _folder(text: str | None, env: dict[str, str], project: str) -> str:
    """An absolute path: variables of the container replaced, a relative one below the project."""
    if not text:
        return project
    replaced = _VARIABLE.sub(lambda match: env.get(match[1] or match[2], match[0]), text)
    return replaced if replaced.startswith(("/", "$", "~")) else posixpath.normpath(f"{project}/{replaced}")
