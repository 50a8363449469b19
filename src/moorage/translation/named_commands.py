"""The devfile's commands → what people run by its name, in the editor or by `moor run`.

Nothing here refuses a devfile: what cannot be run says why.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from msgspec import structs

from moorage.contract.spec import Command, NamedCommand
from moorage.devfile import Devfile
from moorage.devfile import model as devfile_model
from moorage.documents.limits import MAX_TEXT
from moorage.documents.problems import short
from moorage.translation.events import LONGEST_PATH, Translator

LONGEST_SCRIPT = 64 * 1024
"""Characters of a composite's script: it is one argument of a program, of which Linux takes twice
as much."""


def translate(devfile: Devfile, translator: Translator) -> tuple[NamedCommand, ...]:
    """Those of the kinds exec, composite and apply, in the devfile's order, each id once."""
    work = _Work(translator, _events(devfile), {})
    return tuple(
        made
        for command_id in dict.fromkeys(c.id for c in devfile.commands)
        if (made := work.named(command_id)) is not None
    )


@dataclass
class _Work:
    translator: Translator
    events: Mapping[str, str]
    made: dict[str, NamedCommand | None]
    """By id; None: of a kind that is not for people."""
    room: int = MAX_TEXT
    """Characters that folders and scripts may still have in all: each may stand for many."""

    def named(self, command_id: str) -> NamedCommand | None:
        if command_id not in self.made:
            self._make(command_id)
        return self.made[command_id]

    def _make(self, command_id: str) -> None:
        """Members first, with a stack of its own: a chain may be as long as the document."""
        commands = self.translator.commands
        stack, on_way = [(command_id, self._members(command_id))], {command_id}
        while stack:
            current, members = stack[-1]
            member = next((m for m in members if m not in self.made and m not in on_way), None)
            if member is None:
                self.made[current] = self._named(commands[current])
                stack.pop()
            else:
                on_way.add(member)
                stack.append((member, self._members(member)))

    def _members(self, command_id: str) -> Iterator[str]:
        commands = self.translator.commands
        composite = commands[command_id].composite
        return (m for m in (composite.commands if composite else ()) if m in commands)

    def _named(self, command: devfile_model.Command) -> NamedCommand | None:
        body = command.exec or command.composite or command.apply
        if body is None:
            return None
        made = NamedCommand(
            id=command.id,
            label=body.label or "",
            group=(body.group.kind or "") if body.group is not None else "",
            is_default=body.group is not None and bool(body.group.is_default),
            event=self.events.get(command.id, ""),
        )
        if command.exec is not None:
            return self._exec(made, command.exec)
        if command.composite is not None:
            return self._composite(made, command.composite)
        assert command.apply is not None
        return _unable(made, self._application(command.apply.component))

    def _exec(self, made: NamedCommand, body: devfile_model.ExecCommand) -> NamedCommand:
        component = self.translator.components.get(body.component or "")
        if component is None or component.container is None:
            return _unable(made, f"No container is named {short(body.component or '')!r}.")
        if not body.command_line:
            return _unable(made, "It has no commandLine.")
        run = self.translator.exec_command(made.id, body)
        if len(run.command_line.encode(errors="replace")) > LONGEST_SCRIPT:
            return _unable(made, f"Its commandLine has more than {LONGEST_SCRIPT:,} bytes.")
        if len(run.working_dir) > LONGEST_PATH:
            return _unable(made, f"Its workingDir has more than {LONGEST_PATH:,} characters.")
        self.room -= len(run.working_dir)
        return structs.replace(made, run=run) if self.room >= 0 else _unable(made, _NO_ROOM)

    def _application(self, name: str | None) -> str:
        component = self.translator.components.get(name or "")
        if component is None:
            return f"No component is named {short(name or '')!r}."
        if component.container is not None:
            return f"It applies the container {short(component.name)!r}, which only preStart does."
        return f"It applies the {component.kind} component {short(component.name)!r}, which a workspace does not do."

    def _composite(self, made: NamedCommand, body: devfile_model.CompositeCommand) -> NamedCommand:
        made = structs.replace(made, members=body.commands, parallel=bool(body.parallel))
        members = [self.made.get(member) for member in body.commands]
        for name, member in zip(body.commands, members, strict=True):
            if member is None:
                return _unable(made, f"Its command {short(name)!r} is none that a workspace runs.")
        known = [member for member in members if member is not None]
        able = [member for member in known if not member.unable]
        if not able:
            return _unable(made, known[0].unable if known else "It has no commands.")
        runs = [member.run for member in able if member.run is not None]
        containers = {run.container for run in runs}
        if len(runs) < len(able) or len(containers) > 1:
            return made
        text = _script(known, parallel=made.parallel)
        self.room -= len(text)
        if len(text.encode(errors="replace")) > LONGEST_SCRIPT or self.room < 0:
            return _unable(made, _NO_ROOM)
        run = Command(id=made.id, container=containers.pop(), command_line=text, label=made.label)
        return structs.replace(made, run=run)


_NO_ROOM = "It comes to more text than a workspace takes for its commands."


def _unable(made: NamedCommand, why: str) -> NamedCommand:
    return structs.replace(made, unable=why)


def _events(devfile: Devfile) -> dict[str, str]:
    """By the ids of the commands that are bound to one; a command of several has the last."""
    events = devfile.events
    return {
        command_id: event
        for event, ids in (
            ("postStop", events.post_stop),
            ("preStop", events.pre_stop),
            ("preStart", events.pre_start),
            ("postStart", events.post_start),
        )
        for command_id in ids
    }


def _script(members: Sequence[NamedCommand], *, parallel: bool) -> str:
    """For `sh -c`: the commands one after the other until one fails, or beside each other, until
    all have ended."""
    parts = [_part(member) for member in members]
    if not parallel:
        return " &&\n".join(parts)
    # What a shell without job control runs behind is kept from Ctrl-C.
    lines = ["trap 'trap \"\" TERM; kill 0; exit 130' INT TERM HUP", "running="]
    for part in parts:
        lines += [f"{part} &", 'running="$running $!"']
    lines += ["code=0", 'for each in $running; do wait "$each" || code=$?; done', 'exit "$code"']
    return "\n".join(lines)


def _part(member: NamedCommand) -> str:
    if member.run is None:
        return f"echo {shlex.quote(f'{member.id} is not run: {member.unable}')} >&2"
    if member.members:
        return f"(\n{member.run.command_line}\n)"
    return f"( {in_folder(member.run)} )"


def in_folder(command: Command) -> str:
    """Shell: the command in its folder, with its variables."""
    words = ["env", *(f"{name}={value}" for name, value in command.env.items())]
    start = shlex.join([*(words if command.env else []), "sh", "-c", command.command_line])
    folder = f"cd -- {shlex.quote(command.working_dir)} || exit; " if command.working_dir else ""
    return f"{folder}exec {start}"
