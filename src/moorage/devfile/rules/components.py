"""Components: volumes, environment, amounts, endpoints and ports."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from moorage.devfile.model import COMPONENT_KINDS
from moorage.devfile.rules.names import kind_of
from moorage.devfile.rules.projects import single_remote
from moorage.documents.problems import Path, short
from moorage.documents.reporting import Report
from moorage.documents.tree import Map, maps_in
from moorage.kernel import quantities

RESERVED_ENV = ("PROJECT_SOURCE", "PROJECTS_ROOT")
_WITH_ENDPOINTS = ("container", "kubernetes", "openshift")


def check(tree: Map, report: Report, *, complete: bool) -> None:
    """Adds a problem for every violation."""
    _components(tree, report, complete)
    _endpoints(tree, report)


def _components(tree: Map, report: Report, complete: bool) -> None:
    volumes = {
        element["name"]
        for _, element in maps_in(tree, "components")
        if "volume" in element and isinstance(element.get("name"), str)
    }
    for path, element in maps_in(tree, "components"):
        kind, body = kind_of(element, COMPONENT_KINDS)
        if kind == "container":
            _container(body, (*path, kind), volumes, report, complete)
        elif kind == "volume" and complete:
            _quantity(body, "size", (*path, kind), report)
        elif kind == "image":
            dockerfile = body.get("dockerfile")
            git = dockerfile.get("git") if isinstance(dockerfile, dict) else None
            if isinstance(git, dict):
                single_remote(
                    git, (*path, kind, "dockerfile", "git"), "an image's Dockerfile", report
                )


def _container(
    body: dict[str, Any], path: Path, volumes: set[str], report: Report, complete: bool
) -> None:
    for index, variable in _items(body, "env"):
        if variable.get("name") in RESERVED_ENV:
            report.warn(
                "reserved-env",
                f"{variable['name']} is set by the workspace: the devfile's value is not used.",
                (*path, "env", index, "name"),
                hint="Use another name; set clonePath or sourceMapping to move the sources.",
            )
    if not complete:
        return
    for index, mount in _items(body, "volumeMounts"):
        name = mount.get("name")
        if isinstance(name, str) and name not in volumes:
            report.add(
                "unknown-volume",
                f"No volume component is named {short(name)!r}.",
                (*path, "volumeMounts", index, "name"),
                hint=report.suggest(name, volumes)
                or f"Add a component '- name: {short(name)}' with 'volume: {{}}'.",
            )
    for resource in ("memory", "cpu"):
        request = _quantity(body, f"{resource}Request", path, report)
        limit = _quantity(body, f"{resource}Limit", path, report)
        if request is not None and limit is not None and request > limit > 0:
            report.add(
                "request-over-limit",
                f"{resource}Request {short(body[f'{resource}Request'])} is more than {resource}Limit {short(body[f'{resource}Limit'])}.",
                (*path, f"{resource}Request"),
                hint="Lower the request or raise the limit.",
            )


def _quantity(body: dict[str, Any], key: str, path: Path, report: Report) -> Any:
    text = body.get(key)
    if not isinstance(text, str) or not text:
        return None
    amount = quantities.amount(text)
    if amount is None:
        example = "500m or 2" if key.startswith("cpu") else "512Mi or 2G"
        report.add(
            "bad-quantity",
            f"{short(text)!r} is no amount.",
            (*path, key),
            hint=f"Write one such as {example}.",
        )
    return amount


def _endpoints(tree: Map, report: Report) -> None:
    names: dict[str, str] = {}
    ports: dict[int, tuple[int, str]] = {}
    for path, element in maps_in(tree, "components"):
        kind, body = kind_of(element, _WITH_ENDPOINTS)
        owner = str(element.get("name", ""))
        for index, endpoint in _items(body, "endpoints"):
            at = (*path, kind, "endpoints", index)
            name, port = endpoint.get("name"), endpoint.get("targetPort")
            if isinstance(name, str):
                if name in names:
                    report.add(
                        "duplicate-endpoint",
                        f"The endpoint name {short(name)!r} is used in {short(names[name])!r} already.",
                        (*at, "name"),
                        hint="Endpoint names are unique over all components.",
                    )
                names.setdefault(name, owner)
            if not isinstance(port, int) or isinstance(port, bool):
                continue
            if not 1 <= port <= 65535:
                report.add("bad-port", f"{port} is no port: 1 to 65535.", (*at, "targetPort"))
            if kind == "container":
                first, where = ports.setdefault(
                    port, (path[-1] if isinstance(path[-1], int) else 0, owner)
                )
                if first != path[-1]:
                    report.warn(
                        "duplicate-port",
                        f"The port {port} belongs to the container {short(where)!r} already.",
                        (*at, "targetPort"),
                        hint="The containers of a workspace share one network: let one of them listen elsewhere.",
                    )


def _items(body: dict[str, Any], key: str) -> Iterable[tuple[int, dict[str, Any]]]:
    node = body.get(key)
    if isinstance(node, list):
        for index, item in enumerate(node):
            if isinstance(item, dict):
                yield index, item
