"""Lifecycle commands of a devcontainer.json → commands of a devfile, which run when a workspace
starts."""

from __future__ import annotations

import re
from typing import Any

from moorage.translation.devcontainer.variables import in_shell, in_words

_SUDO = re.compile(r"(?:^|[\s;&|(`])sudo\s", re.MULTILINE)
COMPONENT = "dev"
"""The component that all of them run in."""


class Commands:
    def __init__(self) -> None:
        self.commands: list[dict[str, Any]] = []
        self.post_start: list[str] = []
        """Ids of those that run at each start, in their order."""
        self.uses_sudo = False
        """Whether one of them asks for root by `sudo`."""
        self._ids: dict[str, int] = {}
        """Each id, and how often another command wanted it."""

    def add(self, name: str, value: Any, *, once: bool) -> bool:
        """A text for the shell, a list of arguments, or several of these by name, which run side by
        side.

        `once`: it does nothing after it has succeeded in this workspace. False when it is no
        command.
        """
        if isinstance(value, dict):
            members: list[str] = []
            for key, part in value.items():
                line = _command_line(part)
                if line is not None:
                    members.append(
                        self._exec(f"{name}-{slug(key) or len(members)}", line, key, once=once)
                    )
            if members:
                self.commands.append(
                    {"id": name, "composite": {"commands": members, "parallel": True}}
                )
                self.post_start.append(name)
            return True
        line = _command_line(value)
        if line is not None:
            self.post_start.append(self._exec(name, line, "", once=once))
        return line is not None or not value

    def _exec(self, command_id: str, line: str, label: str, *, once: bool) -> str:
        command_id = self._free(command_id[:60].rstrip("-"))
        self.uses_sudo = self.uses_sudo or _SUDO.search(line) is not None
        if once:
            mark = f'"$HOME/.moorage/done/{command_id}"'
            line = f'test -e {mark} || {{ ( {line}\n) && mkdir -p "$HOME/.moorage/done" && touch {mark}; }}'
        body = {"component": COMPONENT, "commandLine": line, **({"label": label} if label else {})}
        self.commands.append({"id": command_id, "exec": body})
        return command_id

    def _free(self, command_id: str) -> str:
        """The id, or one like it that no command has yet."""
        wanted = command_id
        while command_id in self._ids:
            self._ids[wanted] += 1
            command_id = f"{wanted[:56]}-{self._ids[wanted]}"
        self._ids[command_id] = 1
        return command_id


def slug(text: str) -> str:
    """The text as a name: small letters, digits, and dashes between them."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _command_line(value: Any) -> str | None:
    if isinstance(value, str) and value.strip():
        return in_shell(value)
    if isinstance(value, list) and value and all(isinstance(part, str) for part in value):
        return in_words(value)
    return None
