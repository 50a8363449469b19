"""The containers that Moorage adds to a workspace's pod: the sandbox that clones, and init
containers that bring the tools. Pure.

The tools tree is an image volume; where the cluster has none, a first container brings a shell and
the sandbox copies the rest while it clones, and the main container waits for the whole.
"""

from __future__ import annotations

from typing import Any

from moorage.agent.runtimes.kubernetes.api.commands import BUSYBOX
from moorage.agent.runtimes.kubernetes.wanted import amounts, security, trust, volumes
from moorage.agent.runtimes.kubernetes.wanted.names import CLONE_STEP, SANDBOX, TOOLS_STEP
from moorage.agent.runtimes.kubernetes.wanted.plan import Plan
from moorage.agent.runtimes.projects import STAGE, sandbox_environment
from moorage.agent.runtimes.trust import CA_FOLDER
from moorage.contract.spec import PROJECTS_ROOT, TOOLS_ROOT
from moorage.kernel import quantities

RUN_FOLDER = "/run/moorage"
"""A folder of the sandbox in memory: credentials while it clones, and its events."""
EVENTS = f"{RUN_FOLDER}/events"
COPY_ROOT = "/run/moorage-tools"
"""The copied tree in the sandbox, which alone may write to it."""
COMPLETE = ".complete"
"""A file in the root of a copied tree, once that is whole."""

SANDBOX_CPU = "2"
SANDBOX_DISK = 1 << 30

MAPPED = (
    "read -r _ outside _ </proc/self/uid_map && [ $outside != 0 ] || "
    "{ echo moorage: no-user-namespace: root in the pod is root on the node; exit 78; }"
)
"""The API server or the node may have passed over `hostUsers`: a pod whose root is the node's
begins with nothing else."""
_FIRST_COPY = f"mkdir -p {COPY_ROOT}/bin && cp {TOOLS_ROOT}/bin/busybox {TOOLS_ROOT}/bin/tini {COPY_ROOT}/bin/"
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
_CLONED = f'grep -q \'"event":"done"\' {EVENTS}'


def sandbox(plan: Plan) -> dict[str, Any]:
    """The container that clones, and goes on running."""
    # When copying fails, so does the container, which is started anew then.
    copy = "" if plan.mounts_tools else f"( {_REST_COPY} || kill -TERM 1 ) & "
    body = _cloning(plan, SANDBOX, f"{copy}{_CLONE}")
    if plan.spec.init_containers:
        # It has been cloned before them: this finds everything as it should be.
        body["env"] = [entry for entry in body["env"] if entry["name"] != "MOORAGE_CREDENTIALS_FOR"]
    if not plan.mounts_tools:
        body["volumeMounts"].append({"name": "tools", "mountPath": COPY_ROOT})
    if plan.ephemeral_limit:
        # The kubelet holds all that a pod writes, its ephemeral volumes included, against the sum
        # of its containers' limits.
        most = SANDBOX_DISK + sum(volumes.ephemeral_sizes(plan).values())
        amounts.of_disk(most, body["resources"]["requests"], body["resources"]["limits"])
    # Once projects are complete, the pod's own status says so for good.
    body["startupProbe"] = {
        "exec": {"command": [BUSYBOX, "sh", "-c", _CLONED]},
        "periodSeconds": 2,
        "failureThreshold": 100000,
    }
    return body


def init_containers(plan: Plan) -> list[dict[str, Any]]:
    """The init containers that bring what has to be there before anything else starts.

    The devfile's preStart containers come after them. These may work on the projects and may use
    the tools, so that both are whole before the first of them.
    """
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
    return made


def _cloning(plan: Plan, name: str, script: str) -> dict[str, Any]:
    """A container of the tools image that clones."""
    env = {
        "HOME": RUN_FOLDER,
        "PROJECTS_ROOT": PROJECTS_ROOT,
        **sandbox_environment(plan.spec.projects, whole=bool(plan.spec.init_containers)),
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
        "securityContext": security.of_container(plan, ours=True),
        "volumeMounts": [
            {"name": "projects", "mountPath": PROJECTS_ROOT},
            {"name": "run", "mountPath": RUN_FOLDER},
            {"name": "clone", "mountPath": STAGE},
            *volumes.trust_mount(plan),
        ],
    }


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
        "securityContext": security.of_container(plan, ours=True),
        "volumeMounts": mounts,
    }


def _plain_env(env: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in sorted(env.items())]
