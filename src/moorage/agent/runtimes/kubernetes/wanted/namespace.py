"""The namespace of a workspace, with its service account, quota and limits. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from moorage.agent.runtimes.kubernetes.api import resources
from moorage.agent.runtimes.kubernetes.api.resources import Object
from moorage.agent.runtimes.kubernetes.wanted import sandbox
from moorage.agent.runtimes.kubernetes.wanted.amounts import LEAST_REQUEST, named, shares, written
from moorage.agent.runtimes.kubernetes.wanted.plan import Plan
from moorage.kernel import quantities


def namespace(plan: Plan) -> list[Object]:
    """The namespace; none where workspaces share one: that is its administrator's."""
    if not plan.has_own_namespace:
        return []
    meta = plan.metadata(plan.namespace)
    del meta["namespace"]
    meta["labels"] |= {
        "pod-security.kubernetes.io/enforce": "baseline"
        if plan.settings.allow_privilege_escalation
        else "restricted",
        "pod-security.kubernetes.io/enforce-version": "latest",
    }
    return [resources.NAMESPACE.new(meta)]


def account(plan: Plan) -> list[Object]:
    return [
        resources.SERVICE_ACCOUNT.new(plan.metadata(plan.name), automountServiceAccountToken=False)
    ]


def limits(plan: Plan) -> list[Object]:
    """A quota over the workspace's namespace, and defaults so that every container counts towards
    it."""
    most = plan.settings.max_resources_per_workspace
    if most.empty or not plan.has_own_namespace:
        return []
    # The sandbox is not taken from what a workspace may use at most.
    own_requests = {"cpu": Decimal("0.01"), "memory": quantities.parse("32Mi")}
    own_limits = {
        "cpu": quantities.parse(sandbox.SANDBOX_CPU),
        "memory": Decimal(plan.clone_memory_limit),
    }
    hard: dict[str, str] = {}
    for prefix, amounts, ours in (
        ("requests", most.requests, own_requests),
        ("limits", most.limits, own_limits),
    ):
        for field, text in named(amounts):
            hard[f"{prefix}.{field}"] = written(field, quantities.parse(text) + ours[field])
    quota = resources.QUOTA.new(plan.metadata(plan.name), spec={"hard": hard})
    defaults = plan.settings.default_resources_per_workspace_container
    tops = {field: written(field, share) for field, share in shares(plan).items()}
    tops |= dict(named(defaults.limits))
    requests = dict(named(LEAST_REQUEST)) | dict(named(defaults.requests))
    limit: dict[str, Any] = {"type": "Container", "defaultRequest": requests}
    if tops:
        limit["default"] = tops
    _keep_below(limit)
    return [quota, resources.LIMITS.new(plan.metadata(plan.name), spec={"limits": [limit]})]


def _keep_below(limit: dict[str, Any]) -> None:
    """A default request above the default limit would be refused."""
    tops, requests = limit.get("default", {}), limit.get("defaultRequest", {})
    for field in tops.keys() & requests.keys():
        if quantities.parse(requests[field]) > quantities.parse(tops[field]):
            requests[field] = tops[field]
