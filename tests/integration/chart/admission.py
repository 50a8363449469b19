"""The chart's ValidatingAdmissionPolicies, evaluated: what an API server would say to a request of
somebody's.

No cluster of the tests has this kind, which came with Kubernetes 1.30. The expressions are
evaluated by an implementation of CEL that is not the API server's; as there, an expression that
cannot be evaluated denies.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import cel

from integration.chart.rendering import Object, Rendered
from moorage.agent.runtimes.kubernetes.api.resources import BY_NAME
from moorage.agent.runtimes.kubernetes.cluster.rights import group_of

AGENT = "system:serviceaccount:places:rel-moorage-agent"


class Admission:
    """`namespaces`: those that are there, by name, with their labels."""

    def __init__(self, rendered: Rendered, namespaces: Mapping[str, Mapping[str, str]]) -> None:
        bound = {
            item["spec"]["policyName"]
            for item in rendered.objects
            if item["kind"] == "ValidatingAdmissionPolicyBinding"
            and "Deny" in item["spec"]["validationActions"]
        }
        self.policies = [
            item["spec"]
            for item in rendered.objects
            if item["kind"] == "ValidatingAdmissionPolicy" and item["metadata"]["name"] in bound
        ]
        assert all(policy["failurePolicy"] == "Fail" for policy in self.policies)
        self._namespaces = namespaces

    def write(
        self,
        new: Object | None,
        old: Object | None = None,
        *,
        user: str = AGENT,
        dry_run: bool = False,
    ) -> list[str]:
        """Why an object is not created, changed or (`new` None) deleted; empty when it is."""
        item = new if new is not None else old
        assert item is not None
        kind = BY_NAME[item["kind"]]
        operation = "DELETE" if new is None else "CREATE" if old is None else "UPDATE"
        names = item["metadata"].get("namespace", "")
        where = names if kind.namespaced else item["metadata"]["name"]
        request = {
            "operation": operation,
            "name": item["metadata"]["name"],
            "namespace": where,
            "resource": {"group": group_of(kind), "version": "v1", "resource": kind.plural},
            "userInfo": {"username": user},
            "dryRun": dry_run,
        }
        space = self._namespace(where) if kind.namespaced else None
        return self._judge(request, kind.plural, served(new), served(old), space)

    def run_command(self, namespace: str, pod: str, *, user: str = AGENT) -> list[str]:
        """Why a command is not run in a pod."""
        request = {
            "operation": "CONNECT",
            "name": pod,
            "namespace": namespace,
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "subResource": "exec",
            "userInfo": {"username": user},
        }
        options = {"apiVersion": "v1", "kind": "PodExecOptions", "command": ["sh"]}
        return self._judge(request, "pods/exec", options, None, self._namespace(namespace))

    def _namespace(self, name: str) -> Object:
        return {"metadata": {"name": name, "labels": dict(self._namespaces.get(name, {}))}}

    def _judge(
        self,
        request: Object,
        resource: str,
        new: Object | None,
        old: Object | None,
        space: Object | None,
    ) -> list[str]:
        context: Object = {
            "request": request,
            "object": new,
            "oldObject": old,
            "namespaceObject": space,
        }
        matched = 0
        denied = []
        for policy in self.policies:
            rules: Sequence[Object] = policy["matchConstraints"]["resourceRules"]
            if not any(
                resource in rule["resources"]
                and request["operation"] in rule["operations"]
                and request["resource"]["group"] in rule["apiGroups"]
                for rule in rules
            ):
                continue
            matched += 1
            if not all(
                cel.evaluate(entry["expression"], context) for entry in policy["matchConditions"]
            ):
                continue
            variables: Object = {}
            known = {**context, "variables": variables}
            for entry in policy.get("variables", []):
                # An API server evaluates each when it is asked for.
                value = _value(entry["expression"], known)
                if value is not None:
                    variables[entry["name"]] = value
            denied += [
                entry["message"]
                for entry in policy["validations"]
                if _value(entry["expression"], known) is not True
            ]
        assert matched, f"no policy looks at {request['operation']} of {resource}"
        return denied


def _value(expression: str, context: Object) -> Any:
    """None when it cannot be evaluated. Raises for what is no CEL."""
    program = cel.compile(expression)
    try:
        return program.execute(context)
    except (KeyError, RuntimeError, TypeError, ValueError):
        return None


def served(item: Object | None) -> Object | None:
    """As admission sees it: with the API server's defaults, as far as the policies ask for what has
    some."""
    if item is None:
        return None
    item = copy.deepcopy(item)
    if item["kind"] == "Service":
        item["spec"].setdefault("type", "ClusterIP")
    if item["kind"] == "Secret":
        item.setdefault("type", "Opaque")
    if item["kind"] == "Deployment":
        pod = item["spec"]["template"]["spec"]
        pod.setdefault("securityContext", {})
        pod["serviceAccount"] = pod.get("serviceAccountName", "")
        for container in (*pod.get("initContainers", []), *pod["containers"]):
            container.get("securityContext", {}).setdefault("procMount", "Default")
            for port in container.get("ports", []):
                port.setdefault("protocol", "TCP")
    return item
