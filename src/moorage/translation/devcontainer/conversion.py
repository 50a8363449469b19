"""The object of a devcontainer.json → Devfile, key by key."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from moorage.devfile import Devfile, Problem, parse, to_yaml
from moorage.devfile.attributes import INJECT_EDITOR
from moorage.documents.limits import MAX_NODES, MOST_PROBLEMS
from moorage.documents.problems import short
from moorage.documents.tree import count
from moorage.translation.devcontainer.commands import COMPONENT, Commands, slug
from moorage.translation.devcontainer.reading import FILE_NAMES, MAX_CHARACTERS, read, refused
from moorage.translation.devcontainer.variables import substituted
from moorage.translation.editor import VSCODE

_WORKSPACES = "/workspaces"
"""Where other tools put the sources."""
_ONE_LEVEL = re.compile(r"/workspaces/[^/]+/?")
_FOLDER = "$(PROJECT_SOURCE)"
_MEMORY = re.compile(r"([0-9]+)\s*([kmgt]?)b?", re.IGNORECASE)
_QUIET = ("$schema", "shutdownAction", "waitFor", "userEnvProbe", "updateRemoteUserUID", "init")
"""Keys without a warning: nothing of what a person asked for is lost."""
_WHY = {
    "build": "the image is not built: name one that is, in 'image'",
    "dockerFile": "the image is not built: name one that is, in 'image'",
    "context": "the image is not built: name one that is, in 'image'",
    "features": "features are not installed: put them into the image",
    "overrideFeatureInstallOrder": "features are not installed: put them into the image",
    "dockerComposeFile": "Compose files are not read: write a devfile with a container for each service",
    "service": "Compose files are not read: write a devfile with a container for each service",
    "runServices": "Compose files are not read: write a devfile with a container for each service",
    "initializeCommand": "nothing runs on the machine outside of the workspace",
    "postAttachCommand": "nothing runs when a person connects: use postStartCommand",
    "runArgs": "options of 'docker run' are not passed on",
    "privileged": "a workspace has no privileges",
    "capAdd": "a workspace has no capabilities",
    "securityOpt": "the security options are the installation's",
    "containerUser": "a workspace runs under a user id of its own, with group 0",
    "remoteUser": "a workspace runs under a user id of its own, with group 0",
    "workspaceFolder": "projects lie in /projects",
    "workspaceMount": "projects lie in /projects",
    "otherPortsAttributes": "every port has its URL already",
}


@dataclass
class Converted:
    devfile: Devfile
    warnings: tuple[Problem, ...] = ()


def from_devcontainer(text: str | bytes, *, source: str = FILE_NAMES[0]) -> Converted:
    """The devfile that says the same. Raises `DevfileError` when the text is no devcontainer.json
    or names no image."""
    work = _Conversion(source)
    tree = work.convert(read(text, source))
    if count(tree) > MAX_NODES:  # before it is written out, which takes longer
        raise refused(
            "too-many-values",
            f"The devcontainer.json asks for more than {MAX_NODES:,} values.",
            source,
            hint="Put what is that long into the image.",
        )
    return Converted(parse(to_yaml(tree)), tuple(work.warnings))


@dataclass
class _Conversion:
    source: str
    warnings: list[Problem] = field(default_factory=list)
    container: dict[str, Any] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=lambda: {INJECT_EDITOR: True})
    volumes: dict[str, dict[str, Any]] = field(default_factory=dict)
    volume_names: dict[str, str] = field(default_factory=dict)
    """By their source."""
    commands: Commands = field(default_factory=Commands)
    known_env: dict[str, str] = field(default_factory=dict)
    of_image: set[str] = field(default_factory=set)
    """Names of variables that name the image's."""
    ports: set[int] = field(default_factory=set)
    endpoint_names: set[str] = field(default_factory=set)
    room: int = MAX_CHARACTERS
    """Characters that variables may still put in: each may stand for many others."""

    def convert(self, given: dict[str, Any]) -> dict[str, Any]:
        self._image(given)
        steps: dict[str, Callable[[Any], None]] = {
            "image": lambda _: None,
            "name": lambda _: None,
            "portsAttributes": lambda _: None,
            "containerEnv": lambda value: self._env("containerEnv", value),
            "remoteEnv": lambda value: self._env("remoteEnv", value),
            "forwardPorts": lambda value: self._ports("forwardPorts", value, given),
            "appPort": lambda value: self._ports("appPort", value, given),
            "onCreateCommand": lambda value: self._command("on-create", value, once=True),
            "updateContentCommand": lambda value: self._command("update-content", value, once=True),
            "postCreateCommand": lambda value: self._command("post-create", value, once=True),
            "postStartCommand": lambda value: self._command("post-start", value, once=False),
            "mounts": self._mounts,
            "hostRequirements": self._requirements,
            "overrideCommand": self._override_command,
            "customizations": self._customizations,
            "extensions": lambda value: self._vscode({"extensions": value}),
            "settings": lambda value: self._vscode({"settings": value}),
        }
        for key in sorted(
            given, key=lambda key: list(steps).index(key) if key in steps else len(steps)
        ):
            if key in steps:
                steps[key](given[key])
            elif key not in _QUIET and not _is_usual_place(key, given[key]):
                self._warn(key, _WHY.get(key, "this is not known here"))
        if _WORKSPACES in json.dumps(given):
            self.container["sourceMapping"] = _WORKSPACES
        return self._tree(given)

    def _tree(self, given: dict[str, Any]) -> dict[str, Any]:
        name = given.get("name")
        volumes = [{"name": volume, "volume": body} for volume, body in self.volumes.items()]
        tree: dict[str, Any] = {
            "schemaVersion": "2.2.0",
            "metadata": {"name": name} if isinstance(name, str) and name else {},
            "components": [
                {"name": COMPONENT, "attributes": self.attributes, "container": self.container},
                *volumes,
            ],
            "commands": self.commands.commands,
            "events": {"postStart": self.commands.post_start} if self.commands.post_start else {},
        }
        return {key: value for key, value in tree.items() if value}

    def _image(self, given: dict[str, Any]) -> None:
        image = given.get("image")
        if isinstance(image, str) and image.strip():
            self.container["image"] = image.strip()
            return
        for key in ("dockerComposeFile", "build", "dockerFile"):
            if key in given:
                raise refused(
                    "devcontainer-no-image",
                    f"The devcontainer.json names no image, but {key}: a workspace builds none.",
                    self.source,
                    path=key,
                    hint="Build the image in a pipeline and name it in 'image', or add a .devfile.yaml.",
                )
        raise refused(
            "devcontainer-no-image",
            "The devcontainer.json names no image.",
            self.source,
            path="image",
            hint='Add a line \'"image": "…"\'.',
        )

    def _env(self, key: str, value: Any) -> None:
        for name, text in self._object(key, value).items():
            if name in ("PROJECT_SOURCE", "PROJECTS_ROOT") or not isinstance(text, str):
                self._warn(
                    f"{key}.{name}",
                    "the workspace sets it" if isinstance(text, str) else "it is no text",
                )
                continue
            replaced = self._replaced(f"{key}.{name}", text, variable=name)
            if replaced is None:
                continue
            self.known_env.pop(name, None)  # the later one counts, in its place
            self.known_env[name] = replaced
        self.container["env"] = [
            {"name": name, "value": text} for name, text in self.known_env.items()
        ]

    def _replaced(self, path: str, text: str, *, variable: str = "") -> str | None:
        """The text with the specification's variables replaced; None, with a warning, when one is
        not known here. `variable`: whose text it is, so that it may name the image's."""
        unknown: list[str] = []
        of_image: list[str] = []

        def value(match: re.Match[str]) -> str:
            found, name = self._value(match), match[2] or ""
            if match[1] == "containerEnv" and variable:
                if found is None or name in self.of_image:
                    of_image.append(name)
                if found is None or (name in self.of_image and name != variable):
                    found = _of_image(name, match[3])
            elif found is None and match[1] == "localEnv" and match[0] != text.strip():
                self._warn(
                    path, f"{short(match[0])} is not known in a workspace", "is empty in part"
                )
                found = ""
            if found is None:
                unknown.append(match[0])
                return ""
            self.room -= len(found)
            if self.room < 0:
                raise refused(
                    "too-large",
                    "The variables make this devcontainer.json too large.",
                    self.source,
                    path=short(path),
                    hint="Use fewer or shorter ones.",
                )
            return found

        replaced = substituted(value, text, _literal)
        if unknown:
            self._warn(path, f"{short(unknown[0])} is not known in a workspace")
            return None
        if of_image:
            self.of_image.add(variable)
        return replaced

    def _value(self, match: re.Match[str]) -> str | None:
        kind, name, default = match[1], match[2], match[3]
        if kind in ("containerWorkspaceFolder", "localWorkspaceFolder"):
            return _FOLDER
        if kind == "containerEnv" and name in self.known_env:
            return self.known_env[name]
        if kind == "localEnv" and default is not None:
            return str(default)
        return None

    def _ports(self, key: str, value: Any, given: dict[str, Any]) -> None:
        endpoints = self.container.setdefault("endpoints", [])
        about = given.get("portsAttributes")
        for item in value if isinstance(value, list) else [value]:
            port = _port(item, published=key == "appPort")
            if port is None:
                self._warn(key, f"{short(repr(item))} is no port of this container")
                continue
            if port in self.ports:
                continue
            self.ports.add(port)
            attributes = about.get(str(port)) if isinstance(about, dict) else None
            attributes = attributes if isinstance(attributes, dict) else {}
            protocol = attributes.get("protocol")
            name = _endpoint_name(attributes.get("label"), port, self.endpoint_names)
            self.endpoint_names.add(name)
            endpoint = {"name": name, "targetPort": port}
            if protocol in ("http", "https"):
                endpoint["protocol"] = protocol
            if attributes.get("onAutoForward") == "ignore":
                endpoint["exposure"] = "none"
            endpoints.append(endpoint)

    def _command(self, name: str, value: Any, *, once: bool) -> None:
        self.commands.uses_sudo = False
        if not self.commands.add(name, value, once=once):
            self._warn(name, "it is no command")
        if self.commands.uses_sudo and len(self.warnings) < MOST_PROBLEMS:
            self.warnings.append(
                Problem(
                    "devcontainer-sudo",
                    f"The command {name} uses sudo, and nobody is root in a workspace: it is likely to fail.",
                    name,
                    source=self.source,
                    hint="Put what it installs into the image.",
                )
            )

    def _mounts(self, value: Any) -> None:
        for index, item in enumerate(value if isinstance(value, list) else []):
            mount = _mount(item)
            place = re.sub(
                rf"^{_WORKSPACES}/[^/]+(?=/)",
                "${containerWorkspaceFolder}",
                str(mount.get("target", "")),
            )
            target = self._replaced(f"mounts[{index}]", place)
            if mount.get("type") != "volume" or not target:
                self._warn(
                    f"mounts[{index}]", "only volumes are mounted, not folders of the machine"
                )
                continue
            name = self._volume(str(mount.get("source") or target), index)
            self.container.setdefault("volumeMounts", []).append({"name": name, "path": target})

    def _volume(self, source: str, index: int) -> str:
        """The name of the volume for a source: each has its own, also where two differ in what a
        name cannot have."""
        if source not in self.volume_names:
            wanted = slug(substituted(lambda _: "", source))[:56].strip("-") or f"volume-{index}"
            name, number = wanted, 1
            while name in self.volumes:
                number += 1
                name = f"{wanted}-{number}"
            self.volume_names[source] = name
            self.volumes[name] = {}
        return self.volume_names[source]

    def _requirements(self, value: Any) -> None:
        for key, amount in self._object("hostRequirements", value).items():
            memory = _MEMORY.fullmatch(str(amount).strip())
            if key == "cpus" and isinstance(amount, int | float) and amount > 0:
                self.container["cpuRequest"] = str(amount)
            elif key == "memory" and memory is not None:
                unit = {"": "", "k": "Ki", "m": "Mi", "g": "Gi", "t": "Ti"}[memory[2].lower()]
                self.container["memoryRequest"] = f"{memory[1]}{unit}"
            else:
                self._warn(f"hostRequirements.{key}", "it cannot be asked for")

    def _override_command(self, value: Any) -> None:
        if isinstance(value, bool):
            self.attributes["overrideCommand"] = value

    def _customizations(self, value: Any) -> None:
        for key, part in self._object("customizations", value).items():
            if key == "vscode":
                self._vscode(part)
            else:
                self._warn(f"customizations.{key}", "the editor here is VS Code")

    def _vscode(self, value: Any) -> None:
        vscode = self.attributes.setdefault(VSCODE, {})
        for key, part in self._object("customizations.vscode", value).items():
            if key == "extensions" and isinstance(part, list):
                wanted = (
                    *vscode.get("extensions", ()),
                    *(item for item in part if isinstance(item, str)),
                )
                vscode["extensions"] = list(dict.fromkeys(wanted))
            elif key == "settings" and isinstance(part, dict):
                vscode.setdefault("settings", {}).update(part)
            else:
                self._warn(f"customizations.vscode.{key}", "it is not known here")
        if not vscode:
            del self.attributes[VSCODE]

    def _object(self, key: str, value: Any) -> dict[str, Any]:
        if isinstance(value, dict):
            return value
        self._warn(key, "it is no object")
        return {}

    def _warn(self, path: str, why: str, what: str = "has no effect") -> None:
        if len(self.warnings) < MOST_PROBLEMS:
            path = short(path)
            self.warnings.append(
                Problem(
                    "devcontainer-not-carried",
                    f"{path} {what}: {why}.",
                    path,
                    source=self.source,
                )
            )


def _is_usual_place(key: str, value: Any) -> bool:
    """Whether a folder is asked for that the sources have: one below /workspaces."""
    return key == "workspaceFolder" and isinstance(value, str) and bool(_ONE_LEVEL.fullmatch(value))


def _of_image(name: str, default: str | None) -> str | None:
    """A devfile's reference to a variable that the image may set; None: that is no name, or a
    default that would end the reference."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) or re.search(r"[()$]", default or ""):
        return default
    return f"$({name}:-{default or ''})"


def _literal(text: str) -> str:
    """Text in which a devfile's `env` replaces nothing."""
    return text.replace("$$", "$$$$").replace("$(", "$$(")


def _port(item: Any, *, published: bool) -> int | None:
    """The container's port; `published`: written as Docker publishes ports, the machine's before
    it."""
    if isinstance(item, str):
        host, _, port = item.removesuffix("/tcp").rpartition(":")
        here = published or host in ("", "localhost", "127.0.0.1")
        item = int(port) if port.isascii() and port.isdigit() and len(port) < 6 and here else None
    return (
        item
        if isinstance(item, int) and not isinstance(item, bool) and 1 <= item <= 65535
        else None
    )


def _endpoint_name(label: Any, port: int, taken: set[str]) -> str:
    """The label as a name, when it is short enough and free; else the port."""
    name = slug(label) if isinstance(label, str) else ""
    return name if name and len(name) <= 15 and name not in taken else f"port-{port}"


def _mount(item: Any) -> dict[str, Any]:
    """A mount as an object: given as one, or as `type=volume,source=…,target=…`."""
    if isinstance(item, dict):
        return item
    names = {"src": "source", "dst": "target", "destination": "target"}
    parts = (part.partition("=") for part in item.split(",")) if isinstance(item, str) else ()
    return {names.get(key.strip(), key.strip()): value.strip() for key, _, value in parts}
