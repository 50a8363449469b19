"""Overrides of pods and containers, and annotations: the few things in them that are safe have an
effect, the rest a warning."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from moorage.contract.spec import is_reserved
from moorage.devfile.attributes import OVERRIDES, POD_OVERRIDES
from moorage.devfile.model import Component
from moorage.documents.problems import Path
from moorage.documents.reporting import Report
from moorage.translation.resources import ignored_in_override

_LABEL_KEY = re.compile(
    r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
)
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")


def metadata(
    attributes: Mapping[str, Any], component: Component, index: int, report: Report
) -> tuple[dict[str, str], dict[str, str]]:
    """Labels and annotations of a container that the devfile, by its `attributes`, and the
    component at `index` ask for, as far as they change nothing in a cluster."""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    for asking in (attributes, component.attributes):
        pod = asking.get(POD_OVERRIDES)
        asked = pod.get("metadata") if isinstance(pod, Mapping) else None
        if isinstance(asked, Mapping):
            labels |= _allowed(asked.get("labels"), _LABEL_VALUE)
            annotations |= _allowed(asked.get("annotations"))
    for key in OVERRIDES:
        if key in component.attributes:
            warn_of_overrides(
                component.attributes[key], key, ("components", index, "attributes", key), report
            )
    body = component.container
    if body is not None and body.annotation is not None:
        wanted = body.annotation.deployment
        kept = _allowed(wanted)
        annotations |= kept
        if len(kept) < len(wanted) or body.annotation.service:
            report.warn(
                "annotations-ignored",
                f"Of the annotations of {component.name!r}, those of the service, and those that"
                " Kubernetes or this installation reads, have no effect.",
                ("components", index, "container", "annotation"),
            )
    return labels, annotations


def warn_of_overrides(value: Any, key: str, path: Path, report: Report) -> None:
    """Warns of all in an override attribute that is not on the allow-list."""
    ignored: list[str] = []
    if not isinstance(value, Mapping):
        ignored.append("all of it")
    elif key == POD_OVERRIDES:
        ignored += [name for name in value if name != "metadata"]
        parts = value.get("metadata")
        for part, asked in (parts if isinstance(parts, Mapping) else {}).items():
            pattern = _LABEL_VALUE if part == "labels" else None
            if part not in ("labels", "annotations") or not isinstance(asked, Mapping):
                ignored.append(f"metadata.{part}")
            else:
                ignored += [
                    f"metadata.{part}.{name}"
                    for name in asked.keys() - _allowed(asked, pattern).keys()
                ]
    else:
        ignored += [name for name in value if name != "resources"]
        ignored += ignored_in_override(value.get("resources"))
    if ignored:
        report.warn(
            "override-ignored",
            f"Of {key}, this has no effect: {', '.join(ignored)[:300]}.",
            path,
            hint="Labels, annotations, and cpu and memory can be overridden; the rest is the administrator's to set.",
        )


def _allowed(asked: Any, value_pattern: re.Pattern[str] | None = None) -> dict[str, str]:
    if not isinstance(asked, Mapping):
        return {}
    return {
        key: value
        for key, value in asked.items()
        if isinstance(value, str)
        and len(value) <= 1024
        and _LABEL_KEY.fullmatch(key)
        and (value_pattern is None or value_pattern.fullmatch(value))
        and not is_reserved(key)
    }
