"""Events → init containers (preStart), and steps that run after the start and before the stop."""

from __future__ import annotations

import posixpath
import re
from collections import ChainMap
from collections.abc import Mapping

from moorage.contract.spec import PROJECTS_ROOT, Command, Step
from moorage.devfile import Devfile
from moorage.devfile import model as devfile_model
from moorage.documents.limits import MAX_NODES
from moorage.documents.problems import Path, short
from moorage.documents.reporting import Report

LONGEST_PATH = 4096
"""Characters: Linux takes no longer path."""
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


class Translator:
    """Translates one devfile's events. `source`: the main project's folder below the projects
    root."""

    def __init__(self, devfile: Devfile, source: str, report: Report) -> None:
        self.devfile = devfile
        self.source = source
        self.report = report
        # The first of a name counts, as everywhere.
        self.commands = {command.id: command for command in reversed(devfile.commands)}
        self.components = {component.name: component for component in reversed(devfile.components)}
        self.env = {
            component.name: {variable.name: variable.value or "" for variable in container.env}
            for component, container in devfile.containers()
        }
        self.carried = 0

    def init_components(self) -> tuple[str, ...]:
        """Names of the containers that preStart applies, in their order, each once."""
        names: dict[str, None] = {}
        for index, command_id in enumerate(self.devfile.events.pre_start):
            path: Path = ("events", "preStart", index)
            for command in self._members(command_id, path):
                if command.apply is None or command.apply.component is None:
                    continue
                component = self.components.get(command.apply.component)
                if component is not None and component.container is not None:
                    names[component.name] = None
                elif component is not None:
                    self.report.warn(
                        "apply-not-carried",
                        f"The command {command.id!r} applies the {component.kind} component {component.name!r}: not done by a workspace.",
                        path,
                    )
        return tuple(names)

    def steps(self) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
        """The steps of postStart and of preStop."""
        events = self.devfile.events
        for index, command_id in enumerate(events.post_stop):
            self.report.warn(
                "event-not-carried",
                f"postStop is not carried out: {command_id!r} does not run when the workspace has stopped.",
                ("events", "postStop", index),
                hint="Use preStop with an exec command.",
            )
        return self._steps("postStart", events.post_start), self._steps("preStop", events.pre_stop)

    def _steps(self, event: str, bound: tuple[str, ...]) -> tuple[Step, ...]:
        return tuple(
            self._step(command_id, ("events", event, index))
            for index, command_id in enumerate(bound)
        )

    def _step(self, command_id: str, path: Path) -> Step:
        command = self.commands.get(command_id)
        parallel = (
            command is not None
            and command.composite is not None
            and bool(command.composite.parallel)
        )
        commands = tuple(
            self._command(member, member.exec, path)
            for member in self._members(command_id, path)
            if member.exec is not None
        )
        return Step(id=command_id, commands=commands, parallel=parallel)

    def _members(self, command_id: str, path: Path) -> list[devfile_model.Command]:
        """The command, or a composite's: none when that makes too many in all, for an event may
        name one often."""
        command = self.commands.get(command_id)
        if command is None:
            return []
        members = (command_id,) if command.composite is None else command.composite.commands
        self.carried += len(members)
        if self.carried > MAX_NODES:
            self.report.add(
                "too-many-commands",
                f"The events run more than {MAX_NODES:,} commands.",
                path,
                hint="Name each command once.",
            )
            return []
        found = (self.commands.get(member) for member in members)
        return [member for member in found if member is not None]

    def _command(
        self, command: devfile_model.Command, body: devfile_model.ExecCommand, path: Path
    ) -> Command:
        made = self.exec_command(command.id, body)
        if len(made.working_dir) > LONGEST_PATH:
            self.report.add(
                "bad-working-dir",
                f"The workingDir of {short(command.id)!r} has more than {LONGEST_PATH} characters.",
                path,
                hint="Write a shorter path.",
            )
        return made

    def exec_command(self, command_id: str, body: devfile_model.ExecCommand) -> Command:
        """The command in its container. A folder that is longer than `LONGEST_PATH` is not
        whole."""
        component = self.components.get(body.component or "")
        container = component.container if component is not None else None
        root = (container.source_mapping if container is not None else None) or PROJECTS_ROOT
        project = f"{root}/{self.source}" if self.source else root
        env = {variable.name: variable.value or "" for variable in body.env}
        own = {"PROJECTS_ROOT": root, "PROJECT_SOURCE": project}
        known = ChainMap(own, env, self.env.get(body.component or "", {}))
        return Command(
            id=command_id,
            container=body.component or "",
            command_line=body.command_line or "",
            working_dir=_folder(body.working_dir, known, project),
            env=env,
            label=body.label or "",
        )


def _folder(text: str | None, env: Mapping[str, str], project: str) -> str:
    """An absolute path: variables of the container replaced, a relative one below the project. One
    that is too long is not whole."""
    if not text:
        return project
    room = LONGEST_PATH

    def value(match: re.Match[str]) -> str:
        nonlocal room
        found = env.get(match[1] or match[2], match[0])[: max(room, 0) + 1]
        room -= len(found)
        return found

    replaced = _VARIABLE.sub(value, text)
    return (
        replaced
        if replaced.startswith(("/", "$", "~"))
        else posixpath.normpath(f"{project}/{replaced}")
    )
