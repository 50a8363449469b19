"""All objects of a workspace, in the order in which they are applied. Pure."""

from __future__ import annotations

import hashlib

import msgspec

from moorage.agent.runtimes.kubernetes.api import resources
from moorage.agent.runtimes.kubernetes.api.resources import Object
from moorage.agent.runtimes.kubernetes.wanted import around, names, pod
from moorage.agent.runtimes.kubernetes.wanted.names import Plan
from moorage.workspace_settings import encode

__all__ = ["Plan", "data_objects", "deployment", "objects_of", "run_objects"]


def objects_of(plan: Plan) -> list[Object]:
    """Everything that a running workspace consists of, in the order in which it is to be applied."""
    return [*data_objects(plan), *run_objects(plan)]


def data_objects(plan: Plan) -> list[Object]:
    """What stays when it stops: its namespace and volumes."""
    return [*around.namespace(plan), *around.volume_claims(plan)]


def run_objects(plan: Plan) -> list[Object]:
    """What a stop removes. The Deployment comes last: what its pod needs is there before."""
    return [
        *around.account(plan),
        *around.secrets(plan),
        *around.limits(plan),
        *around.network_policy(plan),
        *around.service(plan),
        deployment(plan),
    ]


def deployment(plan: Plan) -> Object:
    """One pod, never two: the volume has one writer. Its annotations are all that an agent must remember."""
    workspace = plan.workspace
    template = pod.template(plan)
    meta = names.metadata(
        plan,
        plan.name,
        {
            names.GENERATION: str(workspace.generation),
            names.RESTARTS: str(workspace.restarts),
            names.SPEC: names.spec_digest(plan),
            names.MAIN: plan.spec.main_container,
            names.OWNER: str(workspace.owner),
            names.SETTINGS: encode(msgspec.structs.replace(plan.settings, ca_bundle="")),
            names.SETTINGS_VERSION: str(plan.settings_version),
            names.TEMPLATE: _digest(template),
            names.HALTED: "",
        }
        | ({names.CA_BUNDLE: names.bundle_digest(bundle)} if (bundle := plan.settings.ca_bundle) else {}),
    )
    return names.item(
        resources.DEPLOYMENT,
        meta,
        spec={
            "replicas": 1,
            "revisionHistoryLimit": 0,
            "progressDeadlineSeconds": 3600,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": {names.WORKSPACE: plan.name}},
            "template": template,
        },
    )


def _digest(template: Object) -> str:
    return hashlib.sha256(msgspec.json.encode(template, order="deterministic")).hexdigest()[:16]
