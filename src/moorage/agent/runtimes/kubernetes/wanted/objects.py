"""All objects of a workspace, in the order in which they are applied. Pure."""

from __future__ import annotations

import hashlib

import msgspec

from moorage.agent.runtimes import ownership, rescue
from moorage.agent.runtimes.kubernetes.api import resources
from moorage.agent.runtimes.kubernetes.api.resources import Object
from moorage.agent.runtimes.kubernetes.wanted import (
    names,
    namespace,
    network,
    pod,
    secrets,
    volumes,
)
from moorage.agent.runtimes.kubernetes.wanted.plan import Plan
from moorage.agent.runtimes.port import digest_of
from moorage.workspace_settings import encode


def objects_of(plan: Plan) -> list[Object]:
    """Everything that a running workspace consists of, in the order in which it is to be
    applied."""
    return [*data_objects(plan), *run_objects(plan)]


def data_objects(plan: Plan) -> list[Object]:
    """The objects that stay when a workspace stops: its namespace and volumes."""
    return [*namespace.namespace(plan), *volumes.claims(plan)]


def run_objects(plan: Plan) -> list[Object]:
    """The objects that a stop removes. The Deployment comes last: what its pod needs is there
    before."""
    return [
        *namespace.account(plan),
        *secrets.secrets(plan),
        *namespace.limits(plan),
        *network.network_policy(plan),
        *network.service(plan),
        deployment(plan),
    ]


def deployment(plan: Plan) -> Object:
    """The Deployment of one pod, never two: the volume has one writer. Its annotations are all that
    an agent must remember."""
    workspace = plan.workspace
    template = pod.template(plan)
    meta = plan.metadata(
        plan.name,
        {
            ownership.GENERATION: str(workspace.generation),
            ownership.RESTARTS: str(workspace.restarts),
            ownership.SPEC: digest_of(workspace.spec),
            names.MAIN: plan.spec.main_container,
            ownership.OWNER: str(workspace.owner),
            ownership.SETTINGS: encode(msgspec.structs.replace(plan.settings, ca_bundle="")),
            ownership.SETTINGS_VERSION: str(plan.settings_version),
            names.TEMPLATE: _digest(template),
            names.HALTED: "",
        }
        | rescue.labels(plan.rescue)
        | (
            {names.LEFT_OUT: msgspec.json.encode(plan.left_out, order="deterministic").decode()}
            if plan.left_out
            else {}
        )
        | (
            {names.CA_BUNDLE: names.bundle_digest(bundle)}
            if (bundle := plan.settings.ca_bundle)
            else {}
        ),
    )
    return resources.DEPLOYMENT.new(
        meta,
        spec={
            "replicas": 1,
            "revisionHistoryLimit": 0,
            "progressDeadlineSeconds": 3600,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": {ownership.WORKSPACE: plan.name}},
            "template": template,
        },
    )


def _digest(template: Object) -> str:
    return hashlib.sha256(msgspec.json.encode(template, order="deterministic")).hexdigest()[:16]
