"""The pod of a workspace: the sandbox that clones, beside the devfile's containers.

Everything runs as user 5001, group 0, without a capability: what Pod Security calls `restricted`, unless the settings allow
privilege escalation. The tools tree is an image volume; where the cluster has none, a first container brings a shell and
the sandbox copies the rest while it clones, and the main container waits for the whole.
"""

from __future__ import annotations

import re
from typing import Any

from moorage.agent.runtimes.kubernetes.wanted import amounts, names, trust
from moorage.agent.runtimes.kubernetes.wanted.names import CLONE_STEP, SANDBOX, TOOLS_STEP, Plan, part_name
from moorage.agent.runtimes.projects import STAGE, sandbox_environment
from moorage.agent.runtimes.trust import CA_FOLDER, joined
from moorage.contract import Container, EditorSpec
from moorage.contract.spec import HOME, PROJECTS_ROOT, RUN_AS_GROUP, RUN_AS_USER, TOOLS_ROOT, is_reserved
from moorage.kernel import quantities
from moorage.workspace_settings import Toleration

RUN_FOLDER = "/run/moorage"
"""In the sandbox, in memory: credentials while cloning, and what it tells."""
EVENTS = f"{RUN_FOLDER}/events"
COPY_ROOT = "/run/moorage-tools"
"""Where the sandbox sees the copied tree writable."""
COMPLETE = ".complete"
"""In the root of a copied tree, once it is whole."""
BUSYBOX = f"{TOOLS_ROOT}/bin/busybox"

SANDBOX_CPU = "2"
SANDBOX_DISK = 1 << 30
TOOLS_SIZE, TRUST_SIZE = 4 << 30, 64 << 20
"""Of the copied tree, while an older one is replaced, and of the joined CAs: only the sandbox writes there."""

MAPPED = (
    "read -r _ outside _ </proc/self/uid_map && [ $outside != 0 ] || "
    "{ echo moorage: no-user-namespace: root in the pod is root on the node; exit 78; }"
)
"""The API server or the node may have passed over `hostUsers`: a pod whose root is the node's begins with nothing else."""
_FIRST_COPY = (
    f"mkdir -p {COPY_ROOT}/bin && cp {TOOLS_ROOT}/bin/busybox {TOOLS_ROOT}/bin/tini {COPY_ROOT}/bin/"
)
_REST_COPY = (
    f"[ -e {COPY_ROOT}/{COMPLETE} ] || {{ rm -rf {COPY_ROOT}/.new && cp -dR {TOOLS_ROOT}/. {COPY_ROOT}/.new && "
    f"cd {COPY_ROOT}/.new && mv -f bin/* {COPY_ROOT}/bin/ && rmdir bin && mv -f * {COPY_ROOT}/ && "
    f": > {COPY_ROOT}/{COMPLETE}; }}"
)
"""Safe to be ended at any point and begun again."""
_CLONE = f"rm -rf {RUN_FOLDER}/*; {TOOLS_ROOT}/bin/workspace-clone | tee {EVENTS}"
"""The folder outlives the container, and with it what an earlier run left there."""
_CLONE_ONCE = (
    f"rm -rf {RUN_FOLDER}/*; {TOOLS_ROOT}/bin/workspace-clone > {EVENTS} & "
    f'until grep -q -E \'"event":"(done|failed)"\' {EVENTS} 2>/dev/null; do sleep 0.1; done; '
    f'cat {EVENTS}; grep -q \'"event":"done"\' {EVENTS}'
)
"""For the init container: `workspace-clone` itself goes on living, and ends with the shell."""
_WAIT = f"until [ -e {TOOLS_ROOT}/{COMPLETE} ]; do {BUSYBOX} sleep 0.05; done"
_PATH = (
    f'export PATH="${{PATH:-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}}:{TOOLS_ROOT}/bin"'
)
"""What an image lacks is found in the tree, and only that. Which PATH an image sets is not known outside of it."""
_CLONED = f'grep -q \'"event":"done"\' {EVENTS}'


def template(plan: Plan) -> dict[str, Any]:
    """`spec.template` of the Deployment."""
    settings = plan.settings
    spec: dict[str, Any] = {
        "serviceAccountName": plan.name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "hostname": plan.name,
        "terminationGracePeriodSeconds": plan.stop_timeout,
        "securityContext": _pod_security(plan),
        "initContainers": _init_containers(plan),
        "containers": [_sandbox(plan), *(_container(plan, container) for container in plan.spec.containers)],
        "volumes": _volumes(plan),
    }
    if not spec["initContainers"]:
        del spec["initContainers"]
    if settings.use_kubernetes_user_namespaces:
        spec["hostUsers"] = False
    optional = {
        "runtimeClassName": settings.default_runtime_class,
        "priorityClassName": settings.priority_class,
        "nodeSelector": settings.node_selector,
        "affinity": settings.affinity,
        "tolerations": [_toleration(entry) for entry in settings.tolerations],
        "imagePullSecrets": [
            {"name": names.pull_secret_name(plan, secret)} for secret in names.pull_secrets(settings)
        ],
    }
    spec |= {key: value for key, value in optional.items() if value}
    annotations = dict(settings.annotations) | _component_metadata(plan, "annotations")
    annotations[names.RUN] = plan.run
    return {
        "metadata": {
            "labels": settings.labels
            | _component_metadata(plan, "labels")
            | names.labels(plan.name, plan.identity),
            "annotations": annotations,
        },
        "spec": spec,
    }


def volume_name(volume: str) -> str:
    """The pod's name of a devfile's volume."""
    return part_name("volume", volume)


def secret_name(plan: Plan, container: Container) -> str:
    return part_name(plan.name, f"env-{container.name}")


def _component_metadata(plan: Plan, field: str) -> dict[str, str]:
    """What the devfile's containers ask for, but for what a cluster would act on (`container.apparmor.….kubernetes.io`)."""
    merged: dict[str, str] = {}
    for container in plan.spec.containers:
        merged |= getattr(container, field)
    return {name: value for name, value in merged.items() if not is_reserved(name)}


def _pod_security(plan: Plan) -> dict[str, Any]:
    security: dict[str, Any] = {
        "runAsNonRoot": True,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    if not plan.abilities.assigns_user:
        security |= {"runAsUser": RUN_AS_USER, "runAsGroup": RUN_AS_GROUP, "fsGroup": RUN_AS_GROUP}
    return security


def _container_security(plan: Plan, *, ours: bool = False) -> dict[str, Any]:
    """Where escalation is allowed, a container of the devfile keeps the runtime's own set of capabilities, which is within
    `baseline`: as its user it has none of them, but a setuid program (sudo) gets no more than that set."""
    if plan.settings.allow_privilege_escalation and not ours:
        return {"allowPrivilegeEscalation": True}
    return {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


# ------------------------------------------------------------------------------------------------ containers
def _sandbox(plan: Plan) -> dict[str, Any]:
    # When copying fails, so does the container, which is started anew then.
    copy = "" if plan.mounts_tools else f"( {_REST_COPY} || kill -TERM 1 ) & "
    body = _cloning(plan, SANDBOX, f"{copy}{_CLONE}")
    if plan.spec.init_containers:
        # It has been cloned before them: this finds everything as it should be.
        body["env"] = [entry for entry in body["env"] if entry["name"] != "MOORAGE_CREDENTIALS_FOR"]
    if not plan.mounts_tools:
        body["volumeMounts"].append({"name": "tools", "mountPath": COPY_ROOT})
    if plan.ephemeral_limit:
        # The kubelet holds all that a pod writes, its ephemeral volumes included, against the sum of its containers' limits.
        most = SANDBOX_DISK + sum(_ephemeral_sizes(plan).values())
        amounts.of_disk(most, body["resources"]["requests"], body["resources"]["limits"])
    # Once projects are complete, the pod's own status says so for good.
    body["startupProbe"] = {
        "exec": {"command": [BUSYBOX, "sh", "-c", _CLONED]},
        "periodSeconds": 2,
        "failureThreshold": 100000,
    }
    return body


def _cloning(plan: Plan, name: str, script: str) -> dict[str, Any]:
    """A container of the tools image that clones."""
    env = {
        "HOME": RUN_FOLDER,
        "PROJECTS_ROOT": PROJECTS_ROOT,
        **sandbox_environment(plan.spec.projects),
    }
    return {
        "name": name,
        "image": plan.tools_image,
        "imagePullPolicy": "IfNotPresent",
        "command": [f"{TOOLS_ROOT}/bin/tini", "-g", "--", BUSYBOX, "sh", "-c", script],
        "env": _plain_env(env | trust.machine_environment(plan.settings)),
        "resources": {
            "requests": {"cpu": "10m", "memory": "32Mi"},
            "limits": {"cpu": SANDBOX_CPU, "memory": quantities.size(plan.clone_memory_limit)},
        },
        "securityContext": _container_security(plan, ours=True),
        "volumeMounts": [
            {"name": "projects", "mountPath": PROJECTS_ROOT},
            {"name": "run", "mountPath": RUN_FOLDER},
            {"name": "clone", "mountPath": STAGE},
            *_trust_mount(plan),
        ],
    }


def _container(plan: Plan, container: Container) -> dict[str, Any]:
    is_main = container.name == plan.spec.main_container
    body: dict[str, Any] = {
        "name": container.name,
        "image": container.image,
        "imagePullPolicy": "IfNotPresent",
        **_process(plan, container, is_main=is_main),
        **_environment(plan, container),
        "resources": amounts.of_container(plan, container),
        "securityContext": _container_security(plan),
        "volumeMounts": _mounts(plan, container, is_main=is_main),
    }
    if ports := _ports(container, plan.spec.editor if is_main else None):
        body["ports"] = ports
    if not body["resources"]:
        del body["resources"]
    if is_main and plan.spec.editor is not None:
        body["startupProbe"] = {
            "httpGet": {"path": plan.spec.editor.health_path, "port": plan.spec.editor.port},
            "periodSeconds": 1,
            "timeoutSeconds": 2,
            "failureThreshold": 100000,
        }
    return body


def _process(plan: Plan, container: Container, *, is_main: bool) -> dict[str, Any]:
    """`command` and `args`; left out, they are the image's."""
    editor = plan.spec.editor if is_main else None
    is_init = container in plan.spec.init_containers
    if editor is not None:
        return {"command": _wrapped(plan, [_filled(word, editor, plan) for word in editor.command])}
    if container.override_command and not is_init:
        return {"command": _wrapped(plan, [] if is_main else ["--idle"])}
    process: dict[str, Any] = {}
    if container.command is not None:
        process["command"] = list(container.command)
    if container.args is not None:
        process["args"] = list(container.args)
    return process


def _wrapped(plan: Plan, words: list[str]) -> list[str]:
    """The words as arguments of `workspace-main`, under an init process, once the tools are there."""
    steps = [_PATH, f'exec {TOOLS_ROOT}/bin/workspace-main "$@"']
    if not plan.mounts_tools:
        steps.insert(0, _WAIT)
    return [f"{TOOLS_ROOT}/bin/tini", "--", BUSYBOX, "sh", "-c", "; ".join(steps), "moorage", *words]


def environment_of(plan: Plan, container: Container) -> dict[str, str]:
    """All that a devfile's container finds in its environment beside what its image sets; ours wins."""
    is_main = container.name == plan.spec.main_container
    env = joined(trust.machine_environment(plan.settings), container.env)
    if container.mount_sources or is_main:
        root = PROJECTS_ROOT if is_main else container.source_mapping
        env["PROJECTS_ROOT"] = root
        env["PROJECT_SOURCE"] = plan.spec.folder.replace(PROJECTS_ROOT, root, 1)
        env["HOME"] = HOME.replace(PROJECTS_ROOT, root, 1)
    if is_main and plan.spec.editor is not None:
        editor = plan.spec.editor
        env["MOORAGE_EDITOR_NEEDS"] = editor.needs
        env |= {name: _filled(value, editor, plan) for name, value in editor.env.items()}
    return env


def _environment(plan: Plan, container: Container) -> dict[str, Any]:
    """From the container's Secret; what is no name in C is taken out of it one by one, since whole Secrets leave it out."""
    env = environment_of(plan, container)
    if not env:
        return {}
    secret = secret_name(plan, container)
    single = [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": name}}}
        for name in sorted(env)
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name)
    ]
    return {"envFrom": [{"secretRef": {"name": secret}}]} | ({"env": single} if single else {})


def _filled(text: str, editor: EditorSpec, plan: Plan) -> str:
    values = {"port": str(editor.port), "folder": plan.spec.folder, "tools": TOOLS_ROOT, "home": HOME}
    return re.sub(r"\{(port|folder|tools|home)\}", lambda match: values[match[1]], text)


def _plain_env(env: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in sorted(env.items())]


def _ports(container: Container, editor: EditorSpec | None) -> list[dict[str, Any]]:
    """For readers: a pod's ports are open whether they are listed or not."""
    ports = {
        (endpoint.port, "UDP" if endpoint.protocol == "udp" else "TCP") for endpoint in container.endpoints
    }
    if editor is not None:
        ports.add((editor.port, "TCP"))
    return [{"containerPort": port, "protocol": protocol} for port, protocol in sorted(ports)]


# ------------------------------------------------------------------------------------------------ volumes
def _mounts(plan: Plan, container: Container, *, is_main: bool) -> list[dict[str, Any]]:
    tools: dict[str, Any] = {"name": "tools", "mountPath": TOOLS_ROOT, "readOnly": True}
    if plan.mounts_tools:
        tools["subPath"] = TOOLS_ROOT.lstrip("/")
    mounts = [tools]
    roots = {container.source_mapping} if container.mount_sources else set()
    if is_main:
        roots.add(PROJECTS_ROOT)
    mounts += [{"name": "projects", "mountPath": root} for root in sorted(roots)]
    mounts += _trust_mount(plan)
    mounts += [
        {"name": volume_name(mount.volume), "mountPath": mount.path} for mount in container.volume_mounts
    ]
    return mounts


def _trust_mount(plan: Plan) -> list[dict[str, Any]]:
    return [{"name": "trust", "mountPath": CA_FOLDER, "readOnly": True}] if plan.settings.ca_bundle else []


def _volumes(plan: Plan) -> list[dict[str, Any]]:
    volumes: list[dict[str, Any]] = [
        {"name": "projects", "persistentVolumeClaim": {"claimName": plan.name}},
        {"name": "run", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}},
        {
            "name": "clone",
            "emptyDir": {"sizeLimit": quantities.size(_ephemeral_sizes(plan)["moorage/clone"])},
        },
        {
            "name": "tools",
            **(
                {"image": {"reference": plan.tools_image, "pullPolicy": "IfNotPresent"}}
                if plan.mounts_tools
                else {"emptyDir": {"sizeLimit": quantities.size(TOOLS_SIZE)}}
            ),
        },
    ]
    if plan.settings.ca_bundle:
        volumes.append({"name": "trust", "emptyDir": {"sizeLimit": quantities.size(TRUST_SIZE)}})
        volumes.append({"name": "extra-ca", "secret": {"secretName": names.bundle_name(plan.name)}})
    for volume in plan.spec.volumes:
        source: dict[str, Any] = {"persistentVolumeClaim": {"claimName": part_name(plan.name, volume.name)}}
        if volume.ephemeral:
            size = _ephemeral_sizes(plan)[volume.name]
            source = {"emptyDir": {"sizeLimit": quantities.size(size)} if size else {}}
        volumes.append({"name": volume_name(volume.name), **source})
    return volumes


def _ephemeral_sizes(plan: Plan) -> dict[str, int]:
    """Bytes of the volumes on the node's own disk, by name; 0: no limit."""
    # What is cloned there moves to the workspace's volume, which holds no more.
    ours = {"moorage/clone": int(quantities.parse(plan.settings.storage.size))}
    if not plan.mounts_tools:
        ours["moorage/tools"] = TOOLS_SIZE
    if plan.settings.ca_bundle:
        ours["moorage/trust"] = TRUST_SIZE
    return ours | {
        volume.name: volume.size or plan.ephemeral_limit for volume in plan.spec.volumes if volume.ephemeral
    }


def _init_containers(plan: Plan) -> list[dict[str, Any]]:
    """What has to be there before anything starts, then the devfile's preStart containers. These may work on the projects
    and may use the tools, so that both are whole before the first of them."""
    has_steps = bool(plan.spec.init_containers)
    scripts: list[str] = []
    mounts: list[dict[str, Any]] = []
    if plan.settings.use_kubernetes_user_namespaces:
        scripts.append(f"{{ {MAPPED}; }}")
    if not plan.mounts_tools:
        scripts.append(_FIRST_COPY)
        if has_steps:
            scripts.append(f"{{ {_REST_COPY}; }}")
        mounts.append({"name": "tools", "mountPath": COPY_ROOT})
    if plan.settings.ca_bundle:
        scripts.append(trust.join_script())
        mounts.append({"name": "trust", "mountPath": CA_FOLDER})
        mounts.append({"name": "extra-ca", "mountPath": trust.EXTRA_FOLDER, "readOnly": True})
    made = []
    if scripts:
        made.append(_tools_step(plan, " && ".join(scripts), mounts))
    if has_steps:
        made.append(_cloning(plan, CLONE_STEP, _CLONE_ONCE))
    return made + [_container(plan, container) for container in plan.spec.init_containers]


def _tools_step(plan: Plan, script: str, mounts: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "name": TOOLS_STEP,
        "image": plan.tools_image,
        "imagePullPolicy": "IfNotPresent",
        "command": [BUSYBOX, "sh", "-c", script],
        "resources": {
            "requests": {"cpu": "10m", "memory": "32Mi"},
            "limits": {"cpu": "1", "memory": "128Mi"},
        },
        "securityContext": _container_security(plan, ours=True),
        "volumeMounts": mounts,
    }


def _toleration(entry: Toleration) -> dict[str, Any]:
    optional = {"key": entry.key, "value": entry.value, "effect": entry.effect}
    body: dict[str, Any] = {"operator": entry.operator} | {k: v for k, v in optional.items() if v}
    if entry.toleration_seconds is not None:
        body["tolerationSeconds"] = entry.toleration_seconds
    return body
