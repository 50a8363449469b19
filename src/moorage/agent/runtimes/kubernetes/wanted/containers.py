"""The containers that the devfile asks for, as a pod's spec has them. Pure."""

from __future__ import annotations

import re
from typing import Any

from moorage.agent.runtimes.kubernetes.api.commands import BUSYBOX, IMAGE_ENV, SET_IMAGE_ENV
from moorage.agent.runtimes.kubernetes.wanted import amounts, names, security, trust, volumes
from moorage.agent.runtimes.kubernetes.wanted.plan import Plan
from moorage.agent.runtimes.kubernetes.wanted.sandbox import COMPLETE
from moorage.agent.runtimes.processes import INIT, under_init
from moorage.agent.runtimes.trust import joined
from moorage.contract import Container, EditorSpec
from moorage.contract.spec import PROJECTS_ROOT, TOOLS_ROOT
from moorage.kernel.references import in_shell

_WAIT = f"until [ -e {TOOLS_ROOT}/{COMPLETE} ]; do {BUSYBOX} sleep 0.05; done"
_PATH = f'export PATH="${{PATH:-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}}:{TOOLS_ROOT}/bin"'
"""Shell: puts the tools tree behind what the image has on its PATH, which is known inside of it
alone."""


def container_of(plan: Plan, container: Container) -> dict[str, Any]:
    """A container of the devfile, as the pod's spec has it."""
    is_main = container.name == plan.spec.main_container
    body: dict[str, Any] = {
        "name": container.name,
        "image": container.image,
        "imagePullPolicy": "IfNotPresent",
        **_process(plan, container, is_main=is_main),
        **_environment(plan, container),
        "resources": amounts.of_container(plan, container),
        "securityContext": security.of_container(plan),
        "volumeMounts": volumes.mounts(plan, container, is_main=is_main),
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


def environment_of(plan: Plan, container: Container) -> dict[str, str]:
    """All that a devfile's container finds in its environment beside what its image sets; ours
    wins."""
    is_main = container.name == plan.spec.main_container
    env = joined(trust.machine_environment(plan.settings), container.env)
    if container.mount_sources or is_main:
        root = PROJECTS_ROOT if is_main else container.source_mapping
        env["PROJECTS_ROOT"] = root
        env["PROJECT_SOURCE"] = plan.spec.folder.replace(PROJECTS_ROOT, root, 1)
        if is_main or "HOME" not in container.env:
            env["HOME"] = plan.spec.home.replace(PROJECTS_ROOT, root, 1)
    if container.image_env:
        env[IMAGE_ENV] = in_shell(container.image_env)
    if is_main and plan.spec.editor is not None:
        editor = plan.spec.editor
        env["MOORAGE_EDITOR_NEEDS"] = editor.needs
        env |= {name: _filled(value, editor, plan) for name, value in editor.env.items()}
    return env


def secret_name(plan: Plan, container: Container) -> str:
    """The name of the Secret with a container's environment."""
    return names.part_name(plan.name, f"env-{container.name}")


def _process(plan: Plan, container: Container, *, is_main: bool) -> dict[str, Any]:
    """`command` and `args`; left out, they are the image's. Where the devfile names the command, an
    init stands before it; the image's own is known inside of the cluster alone. Beside the main
    container's own command, a hook starts the editor."""
    editor = plan.spec.editor if is_main else None
    is_init = container in plan.spec.init_containers
    words = [_filled(word, editor, plan) for word in editor.command] if editor is not None else []
    if editor is not None and container.override_command:
        return {"command": _wrapped(plan, words)}
    if container.override_command and not is_init:
        return {"command": _wrapped(plan, [] if is_main else ["--idle"])}
    process: dict[str, Any] = {}
    if container.command is not None:
        own = container.command
        if container.image_env:
            own = (BUSYBOX, "sh", "-c", f'{SET_IMAGE_ENV}; exec "$@"', "moorage", *own)
        process["command"] = under_init(own)
    if container.args is not None:
        process["args"] = list(container.args)
    if editor is not None:
        process["lifecycle"] = {"postStart": {"exec": {"command": _beside(plan, words)}}}
    return process


def _beside(plan: Plan, words: list[str]) -> list[str]:
    """Starts the editor beside the container's own command, which the kubelet alone knows where it
    is the image's: whenever that is started, and behind the hook, which must end by itself."""
    steps = [
        SET_IMAGE_ENV,
        _PATH,
        f'exec {TOOLS_ROOT}/bin/tini -s -- {BUSYBOX} sh {TOOLS_ROOT}/bin/workspace-main --beside TERM "$@"',
    ]
    if not plan.mounts_tools:
        steps.insert(0, _WAIT)
    script = (
        "log=/proc/1/fd/1; [ -w $log ] || log=/dev/null; "
        f"( {'; '.join(steps)} ) </dev/null >>$log 2>&1 &"
    )
    return [BUSYBOX, "sh", "-c", script, "moorage", *words]


def _wrapped(plan: Plan, words: list[str]) -> list[str]:
    """The words as arguments of `workspace-main`, under an init process, once the tools are
    there."""
    steps = [SET_IMAGE_ENV, _PATH, f'exec {TOOLS_ROOT}/bin/workspace-main "$@"']
    if not plan.mounts_tools:
        steps.insert(0, _WAIT)
    return [
        *INIT,
        BUSYBOX,
        "sh",
        "-c",
        "; ".join(steps),
        "moorage",
        *words,
    ]


def _environment(plan: Plan, container: Container) -> dict[str, Any]:
    """From the container's Secret; what is no name in C is taken out of it one by one, since whole
    Secrets leave it out."""
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
    values = {
        "port": str(editor.port),
        "folder": plan.spec.folder,
        "tools": TOOLS_ROOT,
        "home": plan.spec.home,
    }
    return re.sub(r"\{(port|folder|tools|home)\}", lambda match: values[match[1]], text)


def _ports(container: Container, editor: EditorSpec | None) -> list[dict[str, Any]]:
    """For readers: a pod's ports are open whether they are listed or not."""
    ports = {
        (endpoint.port, "UDP" if endpoint.protocol == "udp" else "TCP")
        for endpoint in container.endpoints
    }
    if editor is not None:
        ports.add((editor.port, "TCP"))
    return [{"containerPort": port, "protocol": protocol} for port, protocol in sorted(ports)]
