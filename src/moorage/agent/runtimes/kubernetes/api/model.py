"""The parts of Kubernetes objects that the agent reads, as the API server's JSON has them.

Fields have the names of the API reference (https://kubernetes.io/docs/reference/kubernetes-api/),
and unknown ones are ignored. What the API server leaves out has the default of its type in Go.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar

import msgspec


class Part(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A table within an object."""


def seconds(time: datetime | None) -> float | None:
    """Seconds since the epoch; None: there is no such time."""
    return time.timestamp() if time is not None else None


# ------------------------------------------------------------------------------------ what all have
class OwnerReference(Part, frozen=True):
    kind: str = ""
    name: str = ""


class Metadata(Part, frozen=True):
    name: str = ""
    namespace: str = ""
    """"": the object is in none."""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    owner_references: tuple[OwnerReference, ...] = ()

    @property
    def created_at(self) -> float | None:
        """Seconds since the epoch; None: not known."""
        return seconds(self.creation_timestamp)

    @property
    def deleted(self) -> bool:
        """Whether its end has been asked for, which finalizers and nodes may put off."""
        return self.deletion_timestamp is not None


class Condition(Part, frozen=True):
    type: str
    status: str = ""
    """`True`, `False` or `Unknown`."""
    reason: str = ""
    message: str = ""
    last_transition_time: datetime | None = None

    @property
    def holds(self) -> bool:
        return self.status == "True"

    @property
    def changed_at(self) -> float | None:
        """Seconds since the epoch; None: not known."""
        return seconds(self.last_transition_time)


class ClusterObject(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Any object. Its subclasses are the kinds; see `resources` for where the API server keeps
    them."""

    kind: ClassVar[str] = ""
    metadata: Metadata = Metadata()

    @property
    def name(self) -> str:
        return self.metadata.name

    @property
    def namespace(self) -> str:
        return self.metadata.namespace

    @property
    def key(self) -> tuple[str, str, str]:
        """(kind, namespace, name)."""
        return self.kind, self.metadata.namespace, self.metadata.name


# --------------------------------------------------------------------------------------------- pods
class Running(Part, frozen=True):
    started_at: datetime | None = None


class Waiting(Part, frozen=True):
    reason: str = ""
    message: str = ""


class Terminated(Part, frozen=True):
    exit_code: int = 0
    reason: str = ""
    message: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None


class StateOfContainer(Part, frozen=True):
    """`ContainerState` of the API: one of the three, or none, which is waiting."""

    running: Running | None = None
    waiting: Waiting | None = None
    terminated: Terminated | None = None

    @property
    def started_at(self) -> float | None:
        """When the run began that goes on or has ended, in seconds since the epoch; None: there is
        none."""
        run = self.running or self.terminated
        return seconds(run.started_at) if run is not None else None


class ContainerStatus(Part, frozen=True):
    name: str
    image: str = ""
    image_id: str = msgspec.field(default="", name="imageID")
    """"": the node does not have the image yet."""
    restart_count: int = 0
    started: bool | None = None
    """Whether it has passed its startup probe."""
    state: StateOfContainer = StateOfContainer()
    last_state: StateOfContainer = StateOfContainer()

    @property
    def running(self) -> Running | None:
        return self.state.running

    @property
    def waiting(self) -> Waiting:
        """Why it waits; without a reason when it does not."""
        return self.state.waiting or Waiting()

    @property
    def ended(self) -> Terminated | None:
        """The end of the container, if it ended and does not run (again)."""
        if self.state.terminated is not None:
            return self.state.terminated
        return self.last_state.terminated if self.state.waiting is not None else None

    @property
    def awaits_restart(self) -> bool:
        """Whether it has run, and waits to be started again."""
        return self.state.waiting is not None and self.last_state.terminated is not None


class PodStatus(Part, frozen=True):
    phase: str = ""
    reason: str = ""
    message: str = ""
    pod_ip: str = msgspec.field(default="", name="podIP")
    conditions: tuple[Condition, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()


class PodPlacement(Part, frozen=True):
    """The part of a pod's spec that the scheduler sets."""

    node_name: str = ""


class Pod(ClusterObject, frozen=True):
    kind = "Pod"
    spec: PodPlacement = PodPlacement()
    status: PodStatus = PodStatus()

    @property
    def containers(self) -> tuple[ContainerStatus, ...]:
        """The statuses of all containers, those of preStart first."""
        return self.status.init_container_statuses + self.status.container_statuses

    def container(self, name: str) -> ContainerStatus | None:
        """The status of a container that is no init container."""
        return next(
            (status for status in self.status.container_statuses if status.name == name), None
        )

    def condition(self, type_: str) -> Condition | None:
        return next(
            (condition for condition in self.status.conditions if condition.type == type_), None
        )


# -------------------------------------------------------------------------------------- deployments
class ContainerTemplate(Part, frozen=True):
    name: str
    image: str = ""
    restart_policy: str = ""
    """`Always` makes a sidecar of an init container."""


class ImageVolume(Part, frozen=True):
    reference: str = ""


class Volume(Part, frozen=True):
    name: str
    image: ImageVolume | None = None
    """None: the volume is of another kind."""


class TemplateSpec(Part, frozen=True):
    host_users: bool | None = None
    containers: tuple[ContainerTemplate, ...] = ()
    init_containers: tuple[ContainerTemplate, ...] = ()
    volumes: tuple[Volume, ...] = ()


class PodTemplate(Part, frozen=True):
    metadata: Metadata = Metadata()
    spec: TemplateSpec = TemplateSpec()


class DeploymentSpec(Part, frozen=True):
    template: PodTemplate = PodTemplate()


class DeploymentStatus(Part, frozen=True):
    observed_generation: int = 0
    conditions: tuple[Condition, ...] = ()


class Deployment(ClusterObject, frozen=True):
    kind = "Deployment"
    spec: DeploymentSpec = DeploymentSpec()
    status: DeploymentStatus = DeploymentStatus()

    @property
    def template(self) -> PodTemplate:
        return self.spec.template


# -------------------------------------------------------------------------- the rest of a workspace
class NamespaceStatus(Part, frozen=True):
    conditions: tuple[Condition, ...] = ()


class Namespace(ClusterObject, frozen=True):
    kind = "Namespace"
    status: NamespaceStatus = NamespaceStatus()


class ServiceAccount(ClusterObject, frozen=True):
    kind = "ServiceAccount"


class Secret(ClusterObject, frozen=True):
    kind = "Secret"
    type: str = "Opaque"
    data: Mapping[str, str] = {}
    """In base64."""


class ResourceQuota(ClusterObject, frozen=True):
    kind = "ResourceQuota"


class LimitRange(ClusterObject, frozen=True):
    kind = "LimitRange"


class NetworkPolicy(ClusterObject, frozen=True):
    kind = "NetworkPolicy"


class ClaimSpec(Part, frozen=True):
    storage_class_name: str = ""
    volume_name: str = ""
    """"": no volume has been bound to it."""


class ClaimStatus(Part, frozen=True):
    phase: str = ""
    """`Pending`, `Bound` or `Lost`."""


class VolumeClaim(ClusterObject, frozen=True):
    kind = "PersistentVolumeClaim"
    spec: ClaimSpec = ClaimSpec()
    status: ClaimStatus = ClaimStatus()


class Service(ClusterObject, frozen=True):
    kind = "Service"


# -------------------------------------------------------------------------------------- the cluster
class HandlerFeatures(Part, frozen=True):
    user_namespaces: bool = False


class RuntimeHandler(Part, frozen=True):
    features: HandlerFeatures | None = None


class NodeInfo(Part, frozen=True):
    kubelet_version: str = ""
    container_runtime_version: str = ""


class NodeSpec(Part, frozen=True):
    unschedulable: bool = False


class NodeStatus(Part, frozen=True):
    allocatable: Mapping[str, str] = {}
    """Quantities by resource."""
    node_info: NodeInfo = NodeInfo()
    runtime_handlers: tuple[RuntimeHandler, ...] = ()


class Node(ClusterObject, frozen=True):
    kind = "Node"
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()


class ObjectReference(Part, frozen=True):
    uid: str = ""
    field_path: str = ""


class EventSeries(Part, frozen=True):
    last_observed_time: datetime | None = None


class Event(ClusterObject, frozen=True):
    kind = "Event"
    type: str = ""
    """`Normal` or `Warning`."""
    reason: str = ""
    message: str = ""
    involved_object: ObjectReference = ObjectReference()
    last_timestamp: datetime | None = None
    event_time: datetime | None = None
    series: EventSeries | None = None

    @property
    def last_seen_at(self) -> float:
        """Seconds since the epoch, 0 when it is not known.

        Events are counted rather than repeated.
        """
        observed = self.series.last_observed_time if self.series is not None else None
        times = (self.last_timestamp, self.event_time, observed)
        return max((seconds(time) or 0.0 for time in times), default=0.0)


# ---------------------------------------------------------------------- answers that are no objects
class StatusCause(Part, frozen=True):
    reason: str = ""
    message: str = ""


class StatusDetails(Part, frozen=True):
    causes: tuple[StatusCause, ...] = ()


class Status(Part, frozen=True):
    """The API server's word about a request, or about a command that has ended."""

    kind: str = ""
    code: int = 0
    """As of HTTP."""
    status: str = ""
    """`Success` or `Failure`."""
    reason: str = ""
    message: str = ""
    details: StatusDetails | None = None


class Version(Part, frozen=True):
    git_version: str = ""


class ApiGroup(Part, frozen=True):
    name: str


class ApiGroups(Part, frozen=True):
    groups: tuple[ApiGroup, ...] = ()
