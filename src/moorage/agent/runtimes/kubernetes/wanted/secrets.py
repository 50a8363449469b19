"""The Secrets of a workspace. Pure."""

from __future__ import annotations

import base64

from moorage.agent.runtimes.kubernetes.api import resources
from moorage.agent.runtimes.kubernetes.api.resources import Object
from moorage.agent.runtimes.kubernetes.wanted import names, trust
from moorage.agent.runtimes.kubernetes.wanted.containers import environment_of, secret_name
from moorage.agent.runtimes.kubernetes.wanted.plan import Plan


def secrets(plan: Plan) -> list[Object]:
    """Each container's environment, the extra CAs, and copies of the image pull secrets."""
    made = [
        _secret(plan, secret_name(plan, container), env)
        for container in (*plan.spec.init_containers, *plan.spec.containers)
        if (env := environment_of(plan, container))
    ]
    if plan.settings.ca_bundle:
        made.append(
            _secret(plan, names.bundle_name(plan.name), {trust.EXTRA_FILE: plan.settings.ca_bundle})
        )
    for content in plan.pull_secrets:
        if content.source.namespace != plan.namespace:
            meta = plan.metadata(plan.pull_secret_name(content.source))
            made.append(resources.SECRET.new(meta, type=content.type, data=dict(content.data)))
    return made


def _secret(plan: Plan, name: str, values: dict[str, str]) -> Object:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in sorted(values.items())}
    return resources.SECRET.new(plan.metadata(name), type="Opaque", data=data)
