"""Processors and memory of a container: what its component asks for, by fields and override, and an
installation's defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from moorage.contract.spec import Resources
from moorage.devfile.attributes import CONTAINER_OVERRIDES
from moorage.devfile.model import Component
from moorage.documents.problems import Path
from moorage.documents.reporting import Report
from moorage.kernel import quantities

MANY_CORES = 64
"""From so many whole processors on, a `cpuRequest` is more likely thousandths without their `m`."""
MOST = 1 << 53
"""Bytes, or thousandths of a processor: beyond that, not every program reads the number as it
is."""
LEAST_MEMORY = 6 << 20
"""Bytes: container engines start nothing with less."""


def of_component(
    component: Component, index: int, defaults: Resources, report: Report
) -> Resources:
    """The resources of the container component at `index`: its fields, then its override, then the
    defaults."""
    body = component.container
    assert body is not None
    asked = Resources(
        cpu_request=_millicores(body.cpu_request),
        cpu_limit=_millicores(body.cpu_limit),
        memory_request=_bytes(body.memory_request),
        memory_limit=_bytes(body.memory_limit),
    )
    wanted = component.attributes.get(CONTAINER_OVERRIDES)
    if isinstance(wanted, Mapping):
        asked = _overridden(asked, wanted.get("resources"))
    _check(component.name, asked, ("components", index, "container"), report)
    return _with_defaults(asked, defaults)


def ignored_in_override(resources: Any) -> list[str]:
    """Names in the `resources` of a `container-overrides` that have no effect."""
    if resources is None:
        return []
    if not isinstance(resources, Mapping):
        return ["resources"]
    ignored = [f"resources.{name}" for name in resources if name not in ("limits", "requests")]
    for part in ("limits", "requests"):
        asked = resources.get(part)
        for name, amount in (asked if isinstance(asked, Mapping) else {}).items():
            if name not in ("cpu", "memory") or quantities.amount(str(amount)) is None:
                ignored.append(f"resources.{part}.{name}")
    return ignored


def _check(name: str, asked: Resources, path: Path, report: Report) -> None:
    """Amounts that nobody means: a number without its unit is the usual mistake."""
    for field, amount in (("cpuRequest", asked.cpu_request), ("cpuLimit", asked.cpu_limit)):
        if amount and amount >= MANY_CORES * 1000:
            number = f"{amount / 1000:g}"
            report.warn(
                "many-processors",
                f"{name!r} asks for {number} whole processors.",
                (*path, field),
                hint=f"If thousandths of one are meant, write {number}m.",
            )
    for field in ("cpu_request", "cpu_limit", "memory_request", "memory_limit"):
        if (getattr(asked, field) or 0) > MOST:
            words = field.partition("_")
            report.add(
                "amount-too-large",
                f"{name!r} asks for more than any machine has.",
                (*path, words[0] + words[2].capitalize()),
                hint="Write for instance 500m or 2 for processors, 512Mi or 2Gi for memory.",
            )
    if asked.memory_limit and asked.memory_limit < LEAST_MEMORY:
        report.add(
            "memory-too-small",
            f"With {asked.memory_limit} bytes of memory, {name!r} cannot even start.",
            (*path, "memoryLimit"),
            hint="A number alone means bytes: write 512Mi or 2Gi.",
        )


def _overridden(asked: Resources, resources: Any) -> Resources:
    changes: dict[str, int | None] = {}
    for part, suffix in (("limits", "limit"), ("requests", "request")):
        amounts = resources.get(part) if isinstance(resources, Mapping) else None
        if isinstance(amounts, Mapping):
            if "cpu" in amounts:
                changes[f"cpu_{suffix}"] = _millicores(str(amounts["cpu"]))
            if "memory" in amounts:
                changes[f"memory_{suffix}"] = _bytes(str(amounts["memory"]))
    return msgspec.structs.replace(
        asked, **{key: value for key, value in changes.items() if value is not None}
    )


def _with_defaults(asked: Resources, defaults: Resources) -> Resources:
    """A default limit below what is requested gives way to the request, and a default request to
    the limit."""
    values: dict[str, int | None] = {"pids_limit": defaults.pids_limit}
    for kind in ("cpu", "memory"):
        request = getattr(asked, f"{kind}_request")
        limit = getattr(asked, f"{kind}_limit")
        default_request = getattr(defaults, f"{kind}_request")
        default_limit = getattr(defaults, f"{kind}_limit")
        if limit is None and default_limit is not None:
            limit = max(default_limit, request or 0)
        if request is None and default_request is not None:
            request = default_request if limit is None else min(default_request, limit)
        values |= {f"{kind}_request": request, f"{kind}_limit": limit}
    return Resources(**values)


def _millicores(text: str | None) -> int | None:
    """None, too, for `0`, which says "no limit"."""
    return (quantities.to_millicores(text) or None) if text else None


def _bytes(text: str | None) -> int | None:
    return (quantities.to_bytes(text) or None) if text else None
