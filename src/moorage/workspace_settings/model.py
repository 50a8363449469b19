"""The settings that a platform team has for the workspaces of an agent. Defaults are the
reference's.

Strict: a field that is not known is an error. Sizes and amounts are Kubernetes quantities, times
are hours.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

LabelValue = Annotated[
    str, msgspec.Meta(pattern=r"^([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?\Z")
]
DnsLabel = Annotated[str, msgspec.Meta(pattern=r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)?\Z")]
DnsName = Annotated[str, msgspec.Meta(pattern=r"^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?)?\Z")]
Quantity = str
Limit = Annotated[int, msgspec.Meta(ge=-1)]
Hours = Annotated[int, msgspec.Meta(ge=0, le=8760)]
"""0: never."""


class Strict(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Base of the settings' tables: a field that is not known is an error."""


class EgressRule(Strict, frozen=True):
    """Addresses that a workspace may reach: `allow`, but for `except`. Both are IP ranges."""

    allow: str
    except_: tuple[str, ...] = msgspec.field(default=(), name="except")


DEFAULT_EGRESS = (
    EgressRule(
        allow="0.0.0.0/0",
        except_=("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"),
    ),
)
"""The internet and nothing private; the link-local range holds the clouds' metadata services."""


class NetworkPolicySettings(Strict, frozen=True):
    enabled: bool = True
    egress: tuple[EgressRule, ...] = DEFAULT_EGRESS


class Gateway(Strict, frozen=True):
    """Where the gateway's pods are: only they reach a workspace's ports. `ranges`: further IP
    ranges (a gateway that runs outside of the cluster). `namespace` "": where the agent says that
    the gateway is (its `gateway_namespace`)."""

    namespace: DnsLabel = ""
    labels: dict[str, LabelValue] = msgspec.field(
        default_factory=lambda: {"app.kubernetes.io/name": "moorage-gateway"}
    )
    ranges: tuple[str, ...] = ()


class GitlabProxy(Strict, frozen=True):
    """The reference's own name for the gateway's place."""

    namespace: DnsLabel = ""
    http_enabled: bool = True
    ssh_enabled: bool = True


class Amounts(Strict, frozen=True):
    cpu: Quantity = ""
    memory: Quantity = ""


class ResourceSettings(Strict, frozen=True):
    requests: Amounts = Amounts()
    limits: Amounts = Amounts()

    @property
    def empty(self) -> bool:
        return self == ResourceSettings()


class PullSecret(Strict, frozen=True):
    """A Secret of the cluster that is copied into each workspace's namespace."""

    name: DnsName
    namespace: DnsLabel


class Toleration(Strict, frozen=True):
    key: str = ""
    operator: Literal["Exists", "Equal"] = "Equal"
    value: str = ""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute", ""] = ""
    toleration_seconds: int | None = None


class Storage(Strict, frozen=True):
    """`class_` "": the cluster's default StorageClass. Modes as PersistentVolumeClaims name
    them."""

    size: Quantity = "50Gi"
    class_: DnsName = msgspec.field(default="", name="class")
    access_mode: Literal["ReadWriteOnce", "ReadWriteOncePod", "ReadWriteMany"] = "ReadWriteOnce"


class Proxy(Strict, frozen=True):
    """Proxies that a workspace must take to reach the outside."""

    http: str = ""
    https: str = ""
    no_proxy: str = ""


class RemoteDevelopment(Strict, frozen=True):
    enabled: bool = True
    dns_zone: DnsName = ""
    shared_namespace: DnsLabel = ""
    network_policy: NetworkPolicySettings = NetworkPolicySettings()
    gateway: Gateway = Gateway()
    gitlab_workspaces_proxy: GitlabProxy = GitlabProxy()
    default_resources_per_workspace_container: ResourceSettings = ResourceSettings()
    max_resources_per_workspace: ResourceSettings = ResourceSettings()
    workspaces_quota: Limit = -1
    workspaces_per_user_quota: Limit = -1
    use_kubernetes_user_namespaces: bool = False
    default_runtime_class: DnsName = ""
    allow_privilege_escalation: bool = False
    image_pull_secrets: tuple[PullSecret, ...] = ()
    labels: dict[str, LabelValue] = {}
    annotations: dict[str, str] = {}
    max_active_hours_before_stop: Hours = 36
    max_stopped_hours_before_termination: Hours = 744
    node_selector: dict[str, LabelValue] = {}
    tolerations: tuple[Toleration, ...] = ()
    affinity: dict[str, Any] = {}
    """As a Pod's `spec.affinity`."""
    priority_class: DnsName = ""
    storage: Storage = Storage()
    ca_bundle: str = ""
    """PEM certificates that every workspace trusts beside the usual ones."""
    proxy: Proxy = Proxy()
    editor_tree: Literal["auto", "image", "copy"] = "auto"
    """How the tools come into a workspace: mounted from their image, or copied by an init
    container. auto: mounted where API server and nodes can."""

    @property
    def gateway_namespace(self) -> str:
        return self.gitlab_workspaces_proxy.namespace or self.gateway.namespace


class Logging(Strict, frozen=True):
    level: Literal["debug", "info", "warn", "error"] = "info"
    grpc_level: Literal["debug", "info", "warn", "error"] = "error"


class Observability(Strict, frozen=True):
    logging: Logging = Logging()


class AgentConfiguration(Strict, frozen=True):
    """The whole file, which GitLab calls an agent's configuration."""

    remote_development: RemoteDevelopment = RemoteDevelopment()
    observability: Observability = Observability()
    # What else GitLab's file may hold says nothing about workspaces: it is taken, and left aside.
    ci_access: Any = None
    container_scanning: Any = None
    flux: Any = None
    gitops: Any = None
    managed_resources: Any = None
    user_access: Any = None
