"""The security contexts of a workspace's pod: what Pod Security calls `restricted`, unless the
settings allow privilege escalation. Pure.
"""

from __future__ import annotations

from typing import Any

from moorage.agent.runtimes.kubernetes.wanted.plan import Plan
from moorage.contract.spec import RUN_AS_GROUP, RUN_AS_USER


def of_pod(plan: Plan) -> dict[str, Any]:
    """`securityContext` of the pod. Where the cluster assigns a user to each namespace, it is that
    one."""
    security: dict[str, Any] = {
        "runAsNonRoot": True,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    if not plan.abilities.assigns_user:
        security |= {"runAsUser": RUN_AS_USER, "runAsGroup": RUN_AS_GROUP, "fsGroup": RUN_AS_GROUP}
    return security


def of_container(plan: Plan, *, ours: bool = False) -> dict[str, Any]:
    """`securityContext` of a container; `ours`: of one that Moorage adds.

    Where escalation is allowed, a container of the devfile keeps the runtime's own set of
    capabilities, which is within `baseline`: as its user it has none of them, but a setuid program
    (sudo) gets no more than that set.
    """
    if plan.settings.allow_privilege_escalation and not ours:
        return {"allowPrivilegeEscalation": True}
    return {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
