"""The Devfile as types: frozen, complete for every version, named as the specification names
things.

None means that the devfile says nothing; what then holds is the business of whoever uses the model
(a workspace, a build tool). Lists that say nothing are empty.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

Attributes = Mapping[str, Any]
"""Free-form: JSON values by key."""
Exposure = Literal["public", "internal", "none"]
Protocol = Literal["http", "https", "ws", "wss", "tcp", "udp"]
GroupKind = Literal["build", "run", "test", "debug", "deploy"]


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """Base of all parts: keyword arguments only, compared by value, camelCase when written."""


class EnvVar(Part, frozen=True):
    name: str
    value: str | None = None
    """None in an override only."""


class Endpoint(Part, frozen=True):
    name: str
    target_port: int | None = None
    """None in an override only."""
    exposure: Exposure | None = None
    protocol: Protocol | None = None
    secure: bool | None = None
    path: str | None = None
    annotation: Mapping[str, str] = {}
    attributes: Attributes = {}


class VolumeMount(Part, frozen=True):
    name: str
    path: str | None = None
    """None: `/` and the volume's name."""


class Annotation(Part, frozen=True):
    deployment: Mapping[str, str] = {}
    service: Mapping[str, str] = {}


class ContainerComponent(Part, frozen=True):
    image: str | None = None
    """None in an override only."""
    memory_limit: str | None = None
    memory_request: str | None = None
    cpu_limit: str | None = None
    cpu_request: str | None = None
    command: tuple[str, ...] | None = None
    args: tuple[str, ...] | None = None
    env: tuple[EnvVar, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    volume_mounts: tuple[VolumeMount, ...] = ()
    mount_sources: bool | None = None
    source_mapping: str | None = None
    dedicated_pod: bool | None = None
    annotation: Annotation | None = None


class VolumeComponent(Part, frozen=True):
    size: str | None = None
    ephemeral: bool | None = None


class CheckoutFrom(Part, frozen=True):
    remote: str | None = None
    revision: str | None = None


class DockerfileGit(Part, frozen=True):
    remotes: Mapping[str, str] = {}
    checkout_from: CheckoutFrom | None = None
    file_location: str | None = None


class DockerfileRegistry(Part, frozen=True):
    id: str | None = None
    registry_url: str | None = None


class Dockerfile(Part, frozen=True):
    uri: str | None = None
    git: DockerfileGit | None = None
    devfile_registry: DockerfileRegistry | None = None
    build_context: str | None = None
    args: tuple[str, ...] = ()
    root_required: bool | None = None


class ImageComponent(Part, frozen=True):
    image_name: str | None = None
    dockerfile: Dockerfile | None = None
    auto_build: bool | None = None


class KubernetesComponent(Part, frozen=True):
    """Also an `openshift` component: both have the same fields."""

    uri: str | None = None
    inlined: str | None = None
    deploy_by_default: bool | None = None
    endpoints: tuple[Endpoint, ...] = ()


class CustomComponent(Part, frozen=True):
    component_class: str
    embedded_resource: Attributes


class KubernetesReference(Part, frozen=True):
    name: str
    namespace: str | None = None


class PluginComponent(Part, frozen=True):
    uri: str | None = None
    id: str | None = None
    kubernetes: KubernetesReference | None = None
    registry_url: str | None = None
    version: str | None = None
    commands: tuple[Command, ...] = ()
    components: tuple[Component, ...] = ()


class Component(Part, frozen=True):
    """Exactly one of the kinds is set."""

    name: str
    container: ContainerComponent | None = None
    volume: VolumeComponent | None = None
    image: ImageComponent | None = None
    kubernetes: KubernetesComponent | None = None
    openshift: KubernetesComponent | None = None
    plugin: PluginComponent | None = None
    custom: CustomComponent | None = None
    attributes: Attributes = {}

    @property
    def kind(self) -> str:
        """`container`, `volume`, `image`, `kubernetes`, `openshift`, `plugin` or `custom`."""
        return next((kind for kind in COMPONENT_KINDS if getattr(self, kind) is not None), "")


COMPONENT_KINDS = ("container", "volume", "image", "kubernetes", "openshift", "plugin", "custom")


class Group(Part, frozen=True):
    kind: GroupKind | None = None
    is_default: bool | None = None


class ExecCommand(Part, frozen=True):
    component: str | None = None
    command_line: str | None = None
    working_dir: str | None = None
    env: tuple[EnvVar, ...] = ()
    hot_reload_capable: bool | None = None
    label: str | None = None
    group: Group | None = None


class ApplyCommand(Part, frozen=True):
    component: str | None = None
    label: str | None = None
    group: Group | None = None


class CompositeCommand(Part, frozen=True):
    commands: tuple[str, ...] = ()
    parallel: bool | None = None
    label: str | None = None
    group: Group | None = None


class VscodeCommand(Part, frozen=True):
    """`vscodeTask` and `vscodeLaunch` of 2.0.0."""

    uri: str | None = None
    inlined: str | None = None
    group: Group | None = None


class CustomCommand(Part, frozen=True):
    command_class: str
    embedded_resource: Attributes
    label: str | None = None
    group: Group | None = None


class Command(Part, frozen=True):
    """Exactly one of the kinds is set."""

    id: str
    exec: ExecCommand | None = None
    apply: ApplyCommand | None = None
    composite: CompositeCommand | None = None
    vscode_task: VscodeCommand | None = None
    vscode_launch: VscodeCommand | None = None
    custom: CustomCommand | None = None
    attributes: Attributes = {}

    @property
    def kind(self) -> str:
        """The set field's name: `exec`, `apply`, `composite`, `vscode_task`, `vscode_launch` or
        `custom`."""
        return next((kind for kind in COMMAND_KINDS if getattr(self, kind) is not None), "")


COMMAND_KINDS = ("exec", "apply", "composite", "vscode_task", "vscode_launch", "custom")


class Events(Part, frozen=True):
    pre_start: tuple[str, ...] = ()
    post_start: tuple[str, ...] = ()
    pre_stop: tuple[str, ...] = ()
    post_stop: tuple[str, ...] = ()


class GitSource(Part, frozen=True):
    remotes: Mapping[str, str] = {}
    checkout_from: CheckoutFrom | None = None

    @property
    def remote(self) -> str:
        """The remote to check out from: `checkoutFrom`'s, else the only one, else ""."""
        if self.checkout_from is not None and self.checkout_from.remote:
            return self.checkout_from.remote
        return next(iter(self.remotes)) if len(self.remotes) == 1 else ""

    @property
    def revision(self) -> str:
        return (self.checkout_from.revision or "") if self.checkout_from is not None else ""


class ZipSource(Part, frozen=True):
    location: str | None = None


class CustomSource(Part, frozen=True):
    project_source_class: str
    embedded_resource: Attributes


class Project(Part, frozen=True):
    """Also a dependent project. Exactly one of git, github (2.0.0), zip and custom is set."""

    name: str
    git: GitSource | None = None
    github: GitSource | None = None
    zip: ZipSource | None = None
    custom: CustomSource | None = None
    clone_path: str | None = None
    sparse_checkout_dirs: tuple[str, ...] = ()
    attributes: Attributes = {}


class StarterProject(Part, frozen=True):
    name: str
    git: GitSource | None = None
    github: GitSource | None = None
    zip: ZipSource | None = None
    custom: CustomSource | None = None
    description: str | None = None
    sub_dir: str | None = None
    attributes: Attributes = {}


class Metadata(Part, frozen=True):
    name: str | None = None
    version: str | None = None
    display_name: str | None = None
    description: str | None = None
    language: str | None = None
    project_type: str | None = None
    tags: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ()
    icon: str | None = None
    global_memory_limit: str | None = None
    provider: str | None = None
    support_url: str | None = None
    website: str | None = None
    attributes: Attributes = {}
    extra: Attributes = {}
    """Keys that the specification does not know; it allows them here."""


class Parent(Part, frozen=True):
    """Where the parent is (one of uri, id, kubernetes), and what is overridden in it."""

    uri: str | None = None
    id: str | None = None
    kubernetes: KubernetesReference | None = None
    registry_url: str | None = None
    version: str | None = None
    components: tuple[Component, ...] = ()
    commands: tuple[Command, ...] = ()
    projects: tuple[Project, ...] = ()
    starter_projects: tuple[StarterProject, ...] = ()
    dependent_projects: tuple[Project, ...] = ()
    variables: Mapping[str, str] = {}
    attributes: Attributes = {}


@dataclass(frozen=True, kw_only=True)
class Devfile:
    """A devfile that its version's schema accepts. Two are equal when they say the same."""

    schema_version: str
    metadata: Metadata = field(default_factory=Metadata)
    parent: Parent | None = None
    components: tuple[Component, ...] = ()
    commands: tuple[Command, ...] = ()
    events: Events = field(default_factory=Events)
    projects: tuple[Project, ...] = ()
    starter_projects: tuple[StarterProject, ...] = ()
    dependent_projects: tuple[Project, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    attributes: Attributes = field(default_factory=dict)
    source: Any = field(default=None, init=False, compare=False, repr=False)
    """The tree it was read from, for the places of problems; None when it was made otherwise, also
    as a changed copy."""

    @property
    def version(self) -> str:
        """`schema_version` without its suffix: one of `VERSIONS`."""
        return self.schema_version.partition("-")[0]

    @property
    def is_flat(self) -> bool:
        """Whether it needs nothing else: no parent, no plugin."""
        return self.parent is None and all(
            component.plugin is None for component in self.components
        )

    def component(self, name: str) -> Component | None:
        return next((component for component in self.components if component.name == name), None)

    def command(self, command_id: str) -> Command | None:
        return next((command for command in self.commands if command.id == command_id), None)

    def containers(self) -> Iterator[tuple[Component, ContainerComponent]]:
        """The container components, in their order."""
        for component in self.components:
            if component.container is not None:
                yield component, component.container
