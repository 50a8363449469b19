"""The network of a workspace: who reaches it, whom it reaches, and the name of its pod's address.
Pure."""

from __future__ import annotations

from moorage.agent.runtimes import ownership
from moorage.agent.runtimes.kubernetes.api import resources
from moorage.agent.runtimes.kubernetes.api.resources import Object
from moorage.agent.runtimes.kubernetes.wanted.plan import Plan
from moorage.contract.spec import EDITOR_PORT

NODE_LOCAL_DNS = "169.254.20.10/32"
"""The address of NodeLocal DNSCache, when a cluster has it."""


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
                    "kubernetes.io/metadata.name": plan.settings.gateway_namespace
                    or plan.gateway_namespace
                }
            },
            "podSelector": {"matchLabels": dict(gateway.labels)},
        }
    ]
    sources += [{"ipBlock": {"cidr": text}} for text in gateway.ranges]
    egress: list[Object] = [
        {
            "ports": [
                {"port": port, "protocol": protocol}
                for port in (53, 5353)
                for protocol in ("UDP", "TCP")
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
        resources.NETWORK_POLICY.new(
            plan.metadata(plan.name),
            spec={
                "podSelector": {"matchLabels": {ownership.WORKSPACE: plan.name}},
                "policyTypes": ["Ingress", "Egress"],
                "ingress": [{"from": sources}],
                "egress": egress,
            },
        )
    ]


def service(plan: Plan) -> list[Object]:
    """A name for the pod's address. Headless: whichever port something listens on is reached,
    declared or not."""
    ports = {EDITOR_PORT: "editor"}
    if plan.spec.editor is not None:
        ports = {plan.spec.editor.port: "editor"}
    return [
        resources.SERVICE.new(
            plan.metadata(plan.name),
            spec={
                "clusterIP": "None",
                "selector": {
                    ownership.WORKSPACE: plan.name,
                    ownership.INSTALLATION: plan.identity.installation,
                },
                "ports": [
                    {"name": name, "port": port, "protocol": "TCP"} for port, name in ports.items()
                ],
            },
        )
    ]
