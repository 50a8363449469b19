"""Container components → containers, with resources, environment, endpoints, volumes and the overrides that are safe."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from moorage.contract.images import parse_image
from moorage.contract.spec import (
    EDITOR_PORT,
    PROJECTS_ROOT,
    SSH_PORT,
    TOOLS_ROOT,
    Container,
    Endpoint,
    Resources,
    Volume,
    VolumeMount,
    is_reserved,
)
from moorage.devfile import Devfile
from moorage.devfile.model import Component, ContainerComponent
from moorage.documents.limits import MAX_TEXT
from moorage.documents.problems import Path
from moorage.documents.reporting import Report
from moorage.kernel import quantities

OVERRIDES = ("pod-overrides", "container-overrides")
OVERRIDE_COMMAND = "overrideCommand"
_KEEP_ALIVE = re.compile(r"tail -f /dev/null|sleep inf")
_ENV_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
_LABEL_KEY = re.compile(
    r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
)
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
MANY_CORES = 64
"""From so many whole processors on, a `cpuRequest` is more likely thousandths without their `m`."""
MOST = 1 << 53
"""Bytes, or thousandths of a processor: beyond that, not every program reads the number as it is."""
LEAST_MEMORY = 6 << 20
"""Bytes: container engines start nothing with less."""
_SYSTEM_PATHS = ("/", "/proc", "/sys", "/dev", "/etc", "/bin", "/lib", "/usr", "/sbin", "/run")
"""Nothing is mounted over these; below /etc, /usr and /run it may be."""
_CLOSED_PATHS = ("/proc", "/sys", "/dev", TOOLS_ROOT)


def truth(value: Any) -> bool | None:
    """An attribute's truth value, `true` or `"true"`; None when it says neither."""
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value.lower()) if isinstance(value, str) else None


class Maker:
    """Makes the containers of one devfile. `source`: the main project's folder below the projects root; "" for none."""

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
        override = self._override_command(component, body, path, is_main=is_main, is_init=is_init)
        if body.dedicated_pod:
            self.report.warn(
                "dedicated-pod-ignored",
                f"{component.name!r} asks for a pod of its own; it runs beside the workspace's other containers.",
                (*path, "dedicatedPod"),
            )
        labels, annotations = self._metadata(component, body, index)
        return Container(
            name=component.name,
            image=body.image or "",
            command=body.command,
            args=body.args,
            override_command=override,
            env=self._env(body, path, mapping if mount_sources else None),
            endpoints=() if is_init else self._endpoints(body, path),
            resources=self._resources(component, body, index),
            volume_mounts=self._mounts(body, path, mapping if mount_sources else None),
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
        mapping = body.source_mapping or PROJECTS_ROOT
        return self._mount_path(mapping, (*path, "sourceMapping"), "sourceMapping")

    def _mount_path(self, text: str, path: Path, what: str) -> str:
        # normpath keeps two leading slashes.
        clean = "/" + posixpath.normpath(text).lstrip("/")
        if not text.startswith("/") or ".." in text.split("/"):
            self.report.add(
                "bad-path", f"{what} {text[:60]!r} is no absolute path.", path, hint="Begin it with '/'."
            )
        elif clean in _SYSTEM_PATHS or any(clean == p or clean.startswith(f"{p}/") for p in _CLOSED_PATHS):
            self.report.add(
                "reserved-path",
                f"{what} {text[:60]!r} belongs to the system.",
                path,
                hint="Choose another folder.",
            )
        return clean

    def _override_command(
        self, component: Component, body: ContainerComponent, path: Path, *, is_main: bool, is_init: bool
    ) -> bool:
        if is_init:
            return False
        asked = truth(component.attributes.get(OVERRIDE_COMMAND))
        override = is_main if asked is None else asked
        command = " ".join((*(body.command or ()), *(body.args or ())))
        if override and asked is None and command and not _KEEP_ALIVE.search(command):
            self.report.warn(
                "command-replaced",
                f"{component.name!r} has the editor: its command and args are not run.",
                (*path, "command" if body.command else "args"),
                hint=f"Set the attribute '{OVERRIDE_COMMAND}: false' to run them, or bind an exec command to postStart.",
            )
        return override

    def _env(self, body: ContainerComponent, path: Path, mapping: str | None) -> dict[str, str]:
        env: dict[str, str] = {}
        for index, variable in enumerate(body.env):
            if not _ENV_NAME.fullmatch(variable.name):
                self.report.add(
                    "bad-env-name",
                    f"{variable.name[:60]!r} is no variable's name.",
                    (*path, "env", index, "name"),
                )
            env[variable.name] = self._places(variable.value or "", mapping, (*path, "env", index, "value"))
        return {**env, **self._own_env(mapping)}

    def _own_env(self, mapping: str | None) -> dict[str, str]:
        root = mapping or PROJECTS_ROOT
        return {"PROJECTS_ROOT": root, "PROJECT_SOURCE": f"{root}/{self.source}" if self.source else root}

    def _places(self, text: str, mapping: str | None, path: Path) -> str:
        """`$(PROJECT_SOURCE)` and `$(PROJECTS_ROOT)` replaced, as Kubernetes would do it in env, on any runtime."""
        for name, value in self._own_env(mapping).items():
            self.room -= text.count(f"$({name})") * len(value)
            if self.room < 0:
                self.report.add(
                    "too-much-text",
                    f"The places in env and mounts come to more than {MAX_TEXT:,} characters.",
                    path,
                    hint="Use $(PROJECT_SOURCE) and $(PROJECTS_ROOT) less often, or a shorter sourceMapping.",
                )
                return text
            text = text.replace(f"$({name})", value)
        return text

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

    def _mounts(self, body: ContainerComponent, path: Path, mapping: str | None) -> tuple[VolumeMount, ...]:
        taken = {mapping: "the sources"} if mapping else {}
        made = []
        for index, mount in enumerate(body.volume_mounts):
            at = (*path, "volumeMounts", index)
            wanted = self._places(mount.path or f"/{mount.name}", mapping, (*at, "path"))
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

    def _resources(self, component: Component, body: ContainerComponent, index: int) -> Resources:
        asked = Resources(
            cpu_request=_millicores(body.cpu_request),
            cpu_limit=_millicores(body.cpu_limit),
            memory_request=_bytes(body.memory_request),
            memory_limit=_bytes(body.memory_limit),
        )
        wanted = component.attributes.get("container-overrides")
        if isinstance(wanted, Mapping):
            asked = _overridden(asked, wanted.get("resources"))
        self._check_resources(component.name, asked, ("components", index, "container"))
        return _with_defaults(asked, self.defaults)

    def _check_resources(self, name: str, asked: Resources, path: Path) -> None:
        """Amounts that nobody means: a number without its unit is the usual mistake."""
        for field, amount in (("cpuRequest", asked.cpu_request), ("cpuLimit", asked.cpu_limit)):
            if amount and amount >= MANY_CORES * 1000:
                number = f"{amount / 1000:g}"
                self.report.warn(
                    "many-processors",
                    f"{name!r} asks for {number} whole processors.",
                    (*path, field),
                    hint=f"If thousandths of one are meant, write {number}m.",
                )
        for field in ("cpu_request", "cpu_limit", "memory_request", "memory_limit"):
            if (getattr(asked, field) or 0) > MOST:
                words = field.partition("_")
                self.report.add(
                    "amount-too-large",
                    f"{name!r} asks for more than any machine has.",
                    (*path, words[0] + words[2].capitalize()),
                    hint="Write for instance 500m or 2 for processors, 512Mi or 2Gi for memory.",
                )
        if asked.memory_limit and asked.memory_limit < LEAST_MEMORY:
            self.report.add(
                "memory-too-small",
                f"With {asked.memory_limit} bytes of memory, {name!r} cannot even start.",
                (*path, "memoryLimit"),
                hint="A number alone means bytes: write 512Mi or 2Gi.",
            )

    def _metadata(
        self, component: Component, body: ContainerComponent, index: int
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Labels and annotations that the devfile asks for and that change nothing in a cluster."""
        labels: dict[str, str] = {}
        annotations: dict[str, str] = {}
        for attributes, path in (
            (self.devfile.attributes, ("attributes",)),
            (component.attributes, ("components", index, "attributes")),
        ):
            pod = attributes.get("pod-overrides")
            metadata = pod.get("metadata") if isinstance(pod, Mapping) else None
            if isinstance(metadata, Mapping):
                labels |= _allowed(metadata.get("labels"), _LABEL_VALUE)
                annotations |= _allowed(metadata.get("annotations"))
            if path != ("attributes",):
                for key in OVERRIDES:
                    if key in attributes:
                        warn_of_overrides(attributes[key], key, (*path, key), self.report)
        if body.annotation is not None:
            asked = body.annotation.deployment
            kept = _allowed(asked)
            annotations |= kept
            if len(kept) < len(asked) or body.annotation.service:
                self.report.warn(
                    "annotations-ignored",
                    f"Of the annotations of {component.name!r}, those of the service, and those that"
                    " Kubernetes or this installation reads, have no effect.",
                    ("components", index, "container", "annotation"),
                )
        return labels, annotations


def warn_of_overrides(value: Any, key: str, path: Path, report: Report) -> None:
    """Warns of all in an override attribute that is not on the allow-list."""
    ignored: list[str] = []
    if not isinstance(value, Mapping):
        ignored.append("all of it")
    elif key == "pod-overrides":
        ignored += [name for name in value if name != "metadata"]
        metadata = value.get("metadata")
        for part, asked in (metadata if isinstance(metadata, Mapping) else {}).items():
            pattern = _LABEL_VALUE if part == "labels" else None
            if part not in ("labels", "annotations") or not isinstance(asked, Mapping):
                ignored.append(f"metadata.{part}")
            else:
                ignored += [
                    f"metadata.{part}.{name}" for name in asked.keys() - _allowed(asked, pattern).keys()
                ]
    else:
        ignored += [name for name in value if name != "resources"]
        ignored += _ignored_resources(value.get("resources"))
    if ignored:
        report.warn(
            "override-ignored",
            f"Of {key}, this has no effect: {', '.join(ignored)[:300]}.",
            path,
            hint="Labels, annotations, and cpu and memory can be overridden; the rest is the administrator's to set.",
        )


def _ignored_resources(resources: Any) -> list[str]:
    if resources is None:
        return []
    if not isinstance(resources, Mapping):
        return ["resources"]
    ignored = [f"resources.{name}" for name in resources if name not in ("limits", "requests")]
    for part in ("limits", "requests"):
        asked = resources.get(part)
        for name, amount in (asked if isinstance(asked, Mapping) else {}).items():
            if name not in ("cpu", "memory") or quantities.amount(str(amount)) is None:
                ignored.append(f"resources.{part}.{name}")
    return ignored


def _overridden(asked: Resources, resources: Any) -> Resources:
    changes: dict[str, int | None] = {}
    for part, suffix in (("limits", "limit"), ("requests", "request")):
        amounts = resources.get(part) if isinstance(resources, Mapping) else None
        if isinstance(amounts, Mapping):
            if "cpu" in amounts:
                changes[f"cpu_{suffix}"] = _millicores(str(amounts["cpu"]))
            if "memory" in amounts:
                changes[f"memory_{suffix}"] = _bytes(str(amounts["memory"]))
    return msgspec.structs.replace(
        asked, **{key: value for key, value in changes.items() if value is not None}
    )


def _with_defaults(asked: Resources, defaults: Resources) -> Resources:
    """A default limit below what is requested gives way to the request, and a default request to the limit."""
    values: dict[str, int | None] = {"pids_limit": defaults.pids_limit}
    for kind in ("cpu", "memory"):
        request = getattr(asked, f"{kind}_request")
        limit = getattr(asked, f"{kind}_limit")
        default_request = getattr(defaults, f"{kind}_request")
        default_limit = getattr(defaults, f"{kind}_limit")
        if limit is None and default_limit is not None:
            limit = max(default_limit, request or 0)
        if request is None and default_request is not None:
            request = default_request if limit is None else min(default_request, limit)
        values |= {f"{kind}_request": request, f"{kind}_limit": limit}
    return Resources(**values)


def _allowed(asked: Any, value_pattern: re.Pattern[str] | None = None) -> dict[str, str]:
    if not isinstance(asked, Mapping):
        return {}
    return {
        key: value
        for key, value in asked.items()
        if isinstance(value, str)
        and len(value) <= 1024
        and _LABEL_KEY.fullmatch(key)
        and (value_pattern is None or value_pattern.fullmatch(value))
        and not is_reserved(key)
    }


def _millicores(text: str | None) -> int | None:
    """None, too, for `0`, which says "no limit"."""
    return (quantities.to_millicores(text) or None) if text else None


def _bytes(text: str | None) -> int | None:
    return (quantities.to_bytes(text) or None) if text else None
