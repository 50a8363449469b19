"""What stands around a workspace's pod: namespace, account, secrets, limits, policy, volumes, service. Pure."""

from __future__ import annotations

import base64
from decimal import Decimal
from typing import Any

from moorage.agent.runtimes.kubernetes.api import resources
from moorage.agent.runtimes.kubernetes.api.resources import Object
from moorage.agent.runtimes.kubernetes.wanted import names, trust
from moorage.agent.runtimes.kubernetes.wanted.amounts import LEAST_REQUEST, named, shares, written
from moorage.agent.runtimes.kubernetes.wanted.names import Plan, item, metadata, part_name
from moorage.agent.runtimes.kubernetes.wanted.pod import SANDBOX_CPU, environment_of, secret_name
from moorage.contract.spec import EDITOR_PORT
from moorage.kernel import quantities
from moorage.workspace_settings import PullSecret

NODE_LOCAL_DNS = "169.254.20.10/32"
"""Where NodeLocal DNSCache listens, when a cluster has it."""


def namespace(plan: Plan) -> list[Object]:
    """None where workspaces share one: that is its administrator's."""
    if not plan.has_own_namespace:
        return []
    meta = metadata(plan, plan.namespace)
    del meta["namespace"]
    meta["labels"] |= {
        "pod-security.kubernetes.io/enforce": "baseline"
        if plan.settings.allow_privilege_escalation
        else "restricted",
        "pod-security.kubernetes.io/enforce-version": "latest",
    }
    return [item(resources.NAMESPACE, meta)]


def account(plan: Plan) -> list[Object]:
    return [item(resources.SERVICE_ACCOUNT, metadata(plan, plan.name), automountServiceAccountToken=False)]


def secrets(plan: Plan) -> list[Object]:
    """Each container's environment, the extra CAs, and copies of the image pull secrets."""
    made = [
        _secret(plan, secret_name(plan, container), env)
        for container in (*plan.spec.init_containers, *plan.spec.containers)
        if (env := environment_of(plan, container))
    ]
    if plan.settings.ca_bundle:
        made.append(_secret(plan, names.bundle_name(plan.name), {trust.EXTRA_FILE: plan.settings.ca_bundle}))
    for source in plan.pull_secrets:
        if source["metadata"].get("namespace") != plan.namespace:
            place = source["metadata"]
            secret = PullSecret(name=place["name"], namespace=place.get("namespace", ""))
            meta = metadata(plan, names.pull_secret_name(plan, secret))
            made.append(
                item(
                    resources.SECRET,
                    meta,
                    type=source.get("type", "Opaque"),
                    data=dict(source.get("data") or {}),
                )
            )
    return made


def limits(plan: Plan) -> list[Object]:
    """A quota over the workspace's namespace, and defaults so that every container counts towards it."""
    most = plan.settings.max_resources_per_workspace
    if most.empty or not plan.has_own_namespace:
        return []
    # The sandbox is not taken from what a workspace may use at most.
    own_requests = {"cpu": Decimal("0.01"), "memory": quantities.parse("32Mi")}
    own_limits = {"cpu": quantities.parse(SANDBOX_CPU), "memory": Decimal(plan.clone_memory_limit)}
    hard: dict[str, str] = {}
    for prefix, amounts, ours in (
        ("requests", most.requests, own_requests),
        ("limits", most.limits, own_limits),
    ):
        for field, text in named(amounts):
            hard[f"{prefix}.{field}"] = written(field, quantities.parse(text) + ours[field])
    quota = item(resources.QUOTA, metadata(plan, plan.name), spec={"hard": hard})
    defaults = plan.settings.default_resources_per_workspace_container
    tops = {field: written(field, share) for field, share in shares(plan).items()}
    tops |= dict(named(defaults.limits))
    requests = dict(named(LEAST_REQUEST)) | dict(named(defaults.requests))
    limit: dict[str, Any] = {"type": "Container", "defaultRequest": requests}
    if tops:
        limit["default"] = tops
    _keep_below(limit)
    return [quota, item(resources.LIMITS, metadata(plan, plan.name), spec={"limits": [limit]})]


def network_policy(plan: Plan) -> list[Object]:
    """In: from the gateway alone. Out: names are looked up, and what the settings allow."""
    policy = plan.settings.network_policy
    if not policy.enabled:
        return []
    gateway = plan.settings.gateway
    sources: list[Object] = [
        {
            "namespaceSelector": {
                "matchLabels": {
                    "kubernetes.io/metadata.name": plan.settings.gateway_namespace or plan.gateway_namespace
                }
            },
            "podSelector": {"matchLabels": dict(gateway.labels)},
        }
    ]
    sources += [{"ipBlock": {"cidr": text}} for text in gateway.ranges]
    egress: list[Object] = [
        {
            "ports": [
                {"port": port, "protocol": protocol} for port in (53, 5353) for protocol in ("UDP", "TCP")
            ],
            "to": [{"namespaceSelector": {}}, {"ipBlock": {"cidr": NODE_LOCAL_DNS}}],
        }
    ]
    for rule in policy.egress:
        block: Object = {"cidr": rule.allow}
        if rule.except_:
            block["except"] = list(rule.except_)
        egress.append({"to": [{"ipBlock": block}]})
    return [
        item(
            resources.NETWORK_POLICY,
            metadata(plan, plan.name),
            spec={
                "podSelector": {"matchLabels": {names.WORKSPACE: plan.name}},
                "policyTypes": ["Ingress", "Egress"],
                "ingress": [{"from": sources}],
                "egress": egress,
            },
        )
    ]


def volume_claims(plan: Plan) -> list[Object]:
    """The workspace's own, for projects and home, and the devfile's that persist."""
    made = [_claim(plan, plan.name, plan.settings.storage.size)]
    for volume in plan.spec.volumes:
        if not volume.ephemeral:
            size = quantities.size(volume.size) if volume.size else plan.settings.storage.size
            made.append(_claim(plan, part_name(plan.name, volume.name), size))
    return made


def service(plan: Plan) -> list[Object]:
    """A name for the pod's address. Headless: whichever port something listens on is reached, declared or not."""
    ports = {EDITOR_PORT: "editor"}
    if plan.spec.editor is not None:
        ports = {plan.spec.editor.port: "editor"}
    return [
        item(
            resources.SERVICE,
            metadata(plan, plan.name),
            spec={
                "clusterIP": "None",
                "selector": {names.WORKSPACE: plan.name, names.INSTALLATION: plan.identity.installation},
                "ports": [{"name": name, "port": port, "protocol": "TCP"} for port, name in ports.items()],
            },
        )
    ]


def _secret(plan: Plan, name: str, values: dict[str, str]) -> Object:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in sorted(values.items())}
    return item(resources.SECRET, metadata(plan, name), type="Opaque", data=data)


def _claim(plan: Plan, name: str, size: str) -> Object:
    storage = plan.settings.storage
    spec: Object = {"accessModes": [storage.access_mode], "resources": {"requests": {"storage": size}}}
    if storage.class_:
        spec["storageClassName"] = storage.class_
    return item(resources.VOLUME_CLAIM, metadata(plan, name), spec=spec)


def _keep_below(limit: dict[str, Any]) -> None:
    """A default request above the default limit would be refused."""
    tops, requests = limit.get("default", {}), limit.get("defaultRequest", {})
    for field in tops.keys() & requests.keys():
        if quantities.parse(requests[field]) > quantities.parse(tops[field]):
            requests[field] = tops[field]
