"""The table `[agent]` of `settings.toml`."""

from __future__ import annotations

from typing import Literal

import msgspec

PRIVATE_NETWORKS = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
"""Where organisations have registries of their own (RFC 1918, RFC 6598, RFC 4193)."""


class AgentSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Each field also as `MOORAGE_AGENT_<FIELD>`."""

    server: str = ""
    """Where the server is: `unix:<path>`, or an `http(s)://` or `ws(s)://` URL. "":
    `<home>/run/server.sock`."""
    runtime: Literal["docker", "kubernetes", "memory"] = "docker"
    """`memory` runs nothing; for trying server and gateway out without an engine."""

    status_listen: str = ""
    """`host:port` at which `/metrics` and `/healthz` are answered beside the Unix socket, for
    probes and Prometheus on other hosts; `*` as host: all addresses. "": the socket alone."""

    docker_host: str = ""
    """The engine: `unix://<path>` or `tcp://<host>:<port>`. "": `DOCKER_HOST`, else the first of
    Docker's and Podman's usual sockets that is there."""
    kubeconfig: str = ""
    """File that says where the cluster is; "": the pod that the agent runs in."""
    kubernetes_context: str = ""
    """The context of the kubeconfig; "": its current one."""
    workspace_settings: str = ""
    """File with the workspaces' settings (`remote_development:` …, YAML), which then nobody sets at
    the server. "": the server's."""
    pull_secret_namespaces: tuple[str, ...] = ()
    """Namespaces out of which settings from the server may have image pull secrets copied, beside
    the agent's own."""
    shared_namespaces: tuple[str, ...] = ()
    """Namespaces that settings from the server may name as `shared_namespace`."""
    only_namespace: str = ""
    """The one namespace in which the agent has rights, so that all workspaces share it
    (`shared_namespace`, unless that is set). "": the agent's rights go over the whole cluster."""
    accept_privilege_escalation: bool = False
    """Whether settings from the server may allow it, or set labels and annotations that change what
    the cluster does."""
    accept_network_changes: bool = False
    """Whether settings from the server may let others than the gateway in, private ranges be
    reached, or have no policy."""
    gateway_namespace: str = "moorage"
    """Namespace of the gateway's pods, which workspaces on Kubernetes let in, unless the
    workspaces' settings name another."""
    requests_per_second: float = 50.0
    """To the cluster's API server, on average; twice as many at once."""

    tools_image: str = "moorage/tools:latest"
    """Image with the editors and helpers (`/opt/moorage`); also the image of each workspace's first
    container."""
    image_networks: tuple[str, ...] = PRIVATE_NETWORKS
    """Registries without a public address that devfiles may name images of: networks, addresses and
    hosts, each with a port if need be (`127.0.0.1:5000`, `registry.internal`, `10.1.0.0/16`).
    Public ones need not be listed, and the machine's own addresses have to be."""
    network_pool: str = "10.213.0.0/16"
    """IPv4 network that the workspaces' own networks (a /28 each) are taken from."""
    network_mtu: int = 0
    """Bytes of a packet in the workspaces' own networks, on Docker; 0: what the engine's own
    network has, and the machine's uplink where that takes less than 1500 (a VPN, some clouds)."""
    reachable_by: tuple[str, ...] = ()
    """On Docker: who on this machine may connect to workspaces, each a user's number or
    `user:group` (`moor up` names HAProxy's and the agent's own). (): whoever is on it."""
    ca_bundle: str = ""
    """File with CA certificates (PEM) that programs in workspaces trust beside this machine's own;
    "": none are added."""
    http_proxy: str = ""
    """For workspaces; "": none."""
    https_proxy: str = ""
    """The same for https."""
    no_proxy: str = ""
    """What workspaces reach without a proxy: names, addresses and networks with commas between
    them."""

    default_cpu_limit: int = 0
    """Millicores of a container whose devfile sets none; 0: no limit. No limit is ever above what
    the engine has."""
    default_memory_limit: int = -1
    """Bytes of a container whose devfile sets none; 0: no limit; -1: on Docker, the containers of
    one workspace share half of the machine's memory; on Kubernetes each gets 4 GiB. There, what the
    workspaces' settings say goes before (`default_resources_per_workspace_container`, and a share
    of `max_resources_per_workspace`)."""
    ephemeral_limit: int = 10 << 30
    """Bytes that a container on Kubernetes may write outside of its volumes, and to each ephemeral
    volume for which the devfile sets no size; 0: no limit. Whose pod takes more is put out by its
    node and made anew."""
    disk_limit: int = -1
    """Bytes that one workspace may take of the engine's disk, on Docker; -1: half of the disk; 0:
    no limit. Who takes more is stopped."""
    disk_every: float = 300.0
    """Seconds between two measurements of it; one comes sooner when much was filled."""
    disk_grace: float = 900.0
    """Seconds that a workspace which was stopped for it has to make room, when it is started
    again."""
    default_pids_limit: int = 4096
    """Processes and threads of one container."""
    clone_memory_limit: int = 1 << 30
    """Bytes of the container that clones."""
    log_limit: str = "10m"
    """How much of each container's output the engine keeps (twice)."""

    parallel_starts: int = 4
    """How many workspaces' containers are made and started at a time; pulling, cloning and editors'
    starts do not count."""
    pull_timeout: float = 1800.0
    """Seconds for one image."""
    schedule_timeout: float = 600.0
    """Seconds that a workspace waits for a node or a volume of the cluster: longer than an
    autoscaler takes."""
    clone_timeout: float = 1800.0
    """Seconds for all projects of a workspace."""
    editor_timeout: float = 90.0
    """Seconds from the main container's start until the editor must have answered."""
    init_timeout: float = 1800.0
    """Seconds for one preStart container."""
    pre_stop_timeout: float = 30.0
    """Seconds for all preStop commands of a workspace."""
    stop_timeout: int = 5
    """Seconds between SIGTERM and SIGKILL."""
    post_start_timeout: float = 3600.0
    """Seconds after which those that follow a postStart command no longer wait for its end; it goes
    on."""

    crash_limit: int = 3
    """How often the main container is started again within `crash_window` after it ended; after
    that the workspace is Failed. Side containers are started again for ever."""
    crash_window: float = 600.0
    """Seconds."""
    rescue: bool = True
    """Whether a workspace whose main container cannot run gets an environment by itself to repair
    it from, with its files. Its owner may ask for one in any case."""
    rescue_image: str = ""
    """The image of that environment, which needs glibc and a shell. "": that of the server's
    `default_devfile`, or `docker.io/library/debian:stable`."""
    resync: float = 300.0
    """Seconds between two looks at everything, in case that an event was missed."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """What is logged: `debug`, `info`, `warning` or `error`, and what is worse."""
    log_format: Literal["console", "json"] = "console"
    """`console` for a person who reads along, `json` for a collector of logs: one object on each
    line."""
