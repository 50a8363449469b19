"""Container components → containers, with their environment, endpoints and volumes."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping
from typing import Any

from moorage.contract.images import parse_image
from moorage.contract.spec import (
    EDITOR_PORT,
    HOME,
    PROJECTS_ROOT,
    SSH_PORT,
    TOOLS_ROOT,
    Container,
    Endpoint,
    Resources,
    Volume,
    VolumeMount,
)
from moorage.devfile import Devfile
from moorage.devfile.attributes import OVERRIDE_COMMAND
from moorage.devfile.model import Component, ContainerComponent
from moorage.documents.limits import MAX_TEXT
from moorage.documents.problems import Path, short
from moorage.documents.reporting import Report
from moorage.kernel import quantities
from moorage.kernel.references import expanded, left_over
from moorage.translation import resources
from moorage.translation.overrides import metadata

_KEEP_ALIVE = re.compile(r"tail -f /dev/null|sleep inf")
_ENV_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
_SYSTEM_PATHS = ("/", "/proc", "/sys", "/dev", "/etc", "/bin", "/lib", "/usr", "/sbin", "/run")
"""Nothing is mounted over these; below /etc, /usr and /run it may be."""
_CLOSED_PATHS = ("/proc", "/sys", "/dev", TOOLS_ROOT)
_PLACE = re.compile(r"\$[({]?(PROJECT_SOURCE|PROJECTS_ROOT)[)}]?(?![A-Za-z0-9_])")
"""The places of the sources, in the ways that a shell and Kubernetes write them."""
_OWN_PLACE = re.compile(_PLACE.pattern + "(/.*)?")
_IN_HOME = re.compile(r"(?:~|\$HOME|\$[({]HOME[)}])(/.+)")


def _of_itself(name: str, text: str) -> str:
    """A variable's text that names the variable itself, in the ways of a shell: what the image sets
    is meant, as in `PATH: $PATH:/opt/bin`."""
    called = re.escape(name)
    return re.sub(rf"\$\{{{called}\}}|\${called}(?![A-Za-z0-9_])", f"$({name})", text)


def truth(value: Any) -> bool | None:
    """An attribute's truth value, `true` or `"true"`; None when it says neither."""
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value.lower()) if isinstance(value, str) else None


class Maker:
    """Makes the containers of one devfile. `source`: the main project's folder below the projects
    root; "" for none."""

    def __init__(self, devfile: Devfile, source: str, defaults: Resources, report: Report) -> None:
        self.devfile = devfile
        self.source = source
        self.defaults = defaults
        self.report = report
        self.room = MAX_TEXT
        """Characters that the names of places may still put in: each may stand for a long path."""

    def container(self, index: int, *, is_main: bool = False, is_init: bool = False) -> Container:
        """The container of the component at `index`, which has one."""
        component = self.devfile.components[index]
        body = component.container
        assert body is not None
        path: Path = ("components", index, "container")
        self._image(body, path)
        mount_sources = self._mount_sources(body, path, is_main=is_main)
        mapping = self._source_mapping(body, path) if mount_sources else PROJECTS_ROOT
        # The main container has its sources in both places, and works in the usual one.
        root = PROJECTS_ROOT if is_main else mapping if mount_sources else None
        places = self._places(root, is_main=is_main)
        env, image_env = self._env(component, path, places, is_main=is_main)
        override = self._override_command(component, body, path, is_main=is_main, is_init=is_init)
        if body.dedicated_pod:
            self.report.warn(
                "dedicated-pod-ignored",
                f"{component.name!r} asks for a pod of its own; it runs beside the workspace's other containers.",
                (*path, "dedicatedPod"),
            )
        labels, annotations = metadata(self.devfile.attributes, component, index, self.report)
        return Container(
            name=component.name,
            image=body.image or "",
            command=body.command,
            args=body.args,
            override_command=override,
            env=env,
            image_env=image_env,
            endpoints=() if is_init else self._endpoints(body, path),
            resources=resources.of_component(component, index, self.defaults, self.report),
            volume_mounts=self._mounts(body, path, places, {root, mapping} if root else set()),
            mount_sources=mount_sources,
            source_mapping=mapping,
            labels=labels,
            annotations=annotations,
        )

    def volumes(self, containers: Iterable[Container]) -> tuple[Volume, ...]:
        """The volumes that some container mounts."""
        used = {mount.volume for container in containers for mount in container.volume_mounts}
        return tuple(
            Volume(
                name=component.name,
                size=quantities.to_bytes(component.volume.size) if component.volume.size else None,
                ephemeral=bool(component.volume.ephemeral),
            )
            for component in self.devfile.components
            if component.volume is not None and component.name in used
        )

    def _image(self, body: ContainerComponent, path: Path) -> None:
        if parse_image(body.image or "") is None:
            self.report.add(
                "bad-image",
                f"{(body.image or '')[:60]!r} names no image.",
                (*path, "image"),
                hint="An image is written registry.example.com/team/name:tag, its name in small letters.",
            )

    def _mount_sources(self, body: ContainerComponent, path: Path, *, is_main: bool) -> bool:
        if is_main and body.mount_sources is False:
            self.report.warn(
                "sources-mounted",
                "The container with the editor always has the sources; 'mountSources: false' is ignored.",
                (*path, "mountSources"),
            )
            return True
        return body.mount_sources is not False

    def _source_mapping(self, body: ContainerComponent, path: Path) -> str:
        """One that names its own outcome, as `$PROJECT_SOURCE` does, is the usual one."""
        mapping = body.source_mapping or PROJECTS_ROOT
        at = (*path, "sourceMapping")
        if _OWN_PLACE.fullmatch(mapping):
            self.report.warn(
                "source-mapping-ignored",
                f"sourceMapping {mapping!r} names the place that it is to say: the sources lie in"
                f" {PROJECTS_ROOT}.",
                at,
                hint=f"Remove the line, or write a path such as {PROJECTS_ROOT}.",
            )
            return PROJECTS_ROOT
        return self._mount_path(mapping, at, "sourceMapping")

    def _mount_path(self, text: str, path: Path, what: str) -> str:
        # normpath keeps two leading slashes.
        clean = "/" + posixpath.normpath(text).lstrip("/")
        if not text.startswith("/") or ".." in text.split("/"):
            self.report.add(
                "bad-path",
                f"{what} {text[:60]!r} is no absolute path.",
                path,
                hint="Begin it with '/'.",
            )
        elif clean in _SYSTEM_PATHS or any(
            clean == p or clean.startswith(f"{p}/") for p in _CLOSED_PATHS
        ):
            self.report.add(
                "reserved-path",
                f"{what} {text[:60]!r} belongs to the system.",
                path,
                hint="Choose another folder.",
            )
        return clean

    def _override_command(
        self,
        component: Component,
        body: ContainerComponent,
        path: Path,
        *,
        is_main: bool,
        is_init: bool,
    ) -> bool:
        if is_init:
            return False
        asked = truth(component.attributes.get(OVERRIDE_COMMAND))
        override = is_main if asked is None else asked
        command = " ".join((*(body.command or ()), *(body.args or ())))
        only_lives = bool(_KEEP_ALIVE.search(command))
        if override and asked is None and command and not only_lives:
            self.report.warn(
                "command-replaced",
                f"{component.name!r} has the editor: its command and args are not run.",
                (*path, "command" if body.command else "args"),
                hint=f"With the attribute '{OVERRIDE_COMMAND}: false' they are, beside the editor. Or bind an exec command to"
                " postStart that starts it.",
            )
        return override

    def _env(
        self, component: Component, path: Path, places: Mapping[str, str], *, is_main: bool
    ) -> tuple[dict[str, str], dict[str, str]]:
        """The variables in their order, each with those before it in the place of `$(NAME)`; and
        those in which others are named, which the image may set.

        `places` are those that the workspace sets; of them a devfile may set HOME, but not the main
        container's, which is kept.
        """
        env: dict[str, str] = {}
        image_env: dict[str, str] = {}
        known = dict(places)
        body = component.container
        assert body is not None
        for index, variable in enumerate(body.env):
            at: Path = (*path, "env", index)
            if not _ENV_NAME.fullmatch(variable.name):
                self.report.add(
                    "bad-env-name",
                    f"{variable.name[:60]!r} is no variable's name.",
                    (*at, "name"),
                )
            text = variable.value or ""
            if variable.name not in known:
                text = _of_itself(variable.name, text)
            value = self._expanded(text, known, (*at, "value"))
            of_image = self._of_image(text, known)
            if variable.name == "HOME" and is_main:
                self.report.warn(
                    "home-kept",
                    f"HOME of {component.name!r} is the workspace's own, which is kept when it stops: the"
                    " devfile's value is not used.",
                    (*at, "name"),
                    hint="Name the files that are needed from elsewhere by their own variables or paths.",
                )
            elif variable.name == "HOME" or variable.name not in places:
                env[variable.name] = known[variable.name] = value
                image_env.pop(variable.name, None)
                if of_image is not None:
                    image_env[variable.name] = of_image
                    del known[variable.name]
                    if f"$({variable.name})" in of_image:
                        del env[variable.name]
        places = {name: value for name, value in places.items() if name != "HOME"}
        return {**env, **places}, image_env

    def _of_image(self, text: str, known: Mapping[str, str]) -> str | None:
        """The text with what is known in its place, where more is left; None: nothing is."""
        if self.room < 0 or left_over(text, lambda name: "" if name in known else None) is None:
            return None

        def value(reference: str) -> str | None:
            self.room -= len(known.get(reference, ""))
            return known.get(reference) if self.room >= 0 else ""

        return left_over(text, value)

    def _places(self, root: str | None, *, is_main: bool) -> dict[str, str]:
        """The variables that the workspace sets in a container whose sources lie in `root`, or
        which has none (None)."""
        sources = root or PROJECTS_ROOT
        places = {
            "PROJECTS_ROOT": sources,
            "PROJECT_SOURCE": f"{sources}/{self.source}" if self.source else sources,
        }
        if is_main or root is not None:
            places["HOME"] = HOME.replace(PROJECTS_ROOT, sources, 1)
        return places

    def _expanded(self, text: str, known: Mapping[str, str], path: Path) -> str:
        """`$(NAME)` replaced by what is known, on any runtime alike."""

        def value(name: str) -> str | None:
            found = known.get(name)
            self.room -= len(found or "")
            return found if self.room >= 0 else ""

        replaced = expanded(text, value) if self.room >= 0 else text
        if self.room < 0:
            self.report.add(
                "too-much-text",
                f"What $(NAME) stands for comes to more than {MAX_TEXT:,} characters.",
                path,
                hint="Use such references less often, or for shorter texts.",
            )
            return text
        return replaced

    def _endpoints(self, body: ContainerComponent, path: Path) -> tuple[Endpoint, ...]:
        made = []
        for index, endpoint in enumerate(body.endpoints):
            at = (*path, "endpoints", index)
            port = endpoint.target_port or 0
            if port in (EDITOR_PORT, SSH_PORT):
                self.report.add(
                    "reserved-port",
                    f"The port {port} belongs to the workspace's {'editor' if port == EDITOR_PORT else 'SSH'}.",
                    (*at, "targetPort"),
                    hint="Let the application listen on another one.",
                )
            protocol = endpoint.protocol or "http"
            exposure = endpoint.exposure or "public"
            if protocol in ("tcp", "udp") and exposure == "public":
                self.report.warn(
                    "endpoint-inside-only",
                    f"The endpoint {endpoint.name!r} speaks {protocol}: it has no URL, and is reached through SSH"
                    " forwarding or from inside the workspace.",
                    (*at, "protocol"),
                )
            if endpoint.annotation or endpoint.attributes:
                self.report.warn(
                    "endpoint-extras-ignored",
                    f"Annotations and attributes of the endpoint {endpoint.name!r} have no effect.",
                    at,
                )
            made.append(
                Endpoint(
                    name=endpoint.name,
                    port=port,
                    exposure=exposure,
                    protocol=protocol,
                    secure=bool(endpoint.secure),
                    path=endpoint.path or "",
                )
            )
        return tuple(made)

    def _mounts(
        self, body: ContainerComponent, path: Path, places: Mapping[str, str], roots: set[str]
    ) -> tuple[VolumeMount, ...]:
        taken = dict.fromkeys(roots, "the sources")
        made = []
        for index, mount in enumerate(body.volume_mounts):
            at = (*path, "volumeMounts", index)
            wanted = self._mount_place(mount.path or f"/{mount.name}", places, (*at, "path"))
            where = self._mount_path(wanted, (*at, "path"), "The mount path")
            if where in taken:
                self.report.add(
                    "mount-twice",
                    f"{where} is the place of {taken[where]} already.",
                    at,
                    hint="Give the volume a path of its own.",
                )
            taken[where] = f"the volume {mount.name!r}"
            made.append(VolumeMount(volume=mount.name, path=where))
        return tuple(made)

    def _mount_place(self, text: str, places: Mapping[str, str], path: Path) -> str:
        """A mount path as a shell would read it: places by their variables, `~` the home folder;
        one that is not absolute lies below `/`, as container engines take it."""
        place = self._expanded(_PLACE.sub(r"$(\1)", text), places, path)
        if found := _IN_HOME.fullmatch(place):
            place = f"{places.get('HOME', HOME)}{found[1]}"
        if not place.startswith(("/", "$", "~")) and ".." not in place.split("/"):
            self.report.warn(
                "mount-path-relative",
                f"The mount path {short(text)!r} is no absolute path: it is taken as {short('/' + place)!r}.",
                path,
                hint="Begin it with '/'.",
            )
            return f"/{place}"
        return place
