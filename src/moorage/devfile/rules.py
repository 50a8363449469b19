"""The rules beyond the schema. They look at the tree, so that they also say what they can about one that is not valid.

`complete` is false for a devfile that still wants its parent or plugins: what it refers to may come from them, and
amounts may hold variables that they define.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from moorage.devfile import quantities
from moorage.devfile.model import COMPONENT_KINDS
from moorage.devfile.problems import Path
from moorage.devfile.reporting import Report
from moorage.devfile.tree import Map, maps_in

RESERVED_ENV = ("PROJECT_SOURCE", "PROJECTS_ROOT")
APPLICABLE = ("container", "image", "kubernetes", "openshift")
"""Kinds of components that an `apply` command may name."""
_WITH_ENDPOINTS = ("container", "kubernetes", "openshift")
_COMMAND_KINDS = ("exec", "apply", "composite", "vscodeTask", "vscodeLaunch", "custom")
_EVENT_KINDS = {"preStart": "apply", "postStart": "exec", "preStop": "exec", "postStop": "apply"}
_LISTS = (
    ("components", "name"),
    ("commands", "id"),
    ("projects", "name"),
    ("starterProjects", "name"),
    ("dependentProjects", "name"),
)


def check(tree: Map, report: Report, *, complete: bool) -> None:
    """Adds a problem for every violation."""
    for key, identity in _LISTS:
        _unique(tree, key, identity, report)
    _components(tree, report, complete)
    _endpoints(tree, report)
    _commands(tree, report, complete)
    if complete:
        _events(tree, report)
    _projects(tree, report)


def _unique(tree: Map, key: str, identity: str, report: Report) -> None:
    seen: set[str] = set()
    for path, element in maps_in(tree, key):
        name = element.get(identity)
        if isinstance(name, str):
            if name in seen:
                report.add(
                    "duplicate-name",
                    f"There is another element of {key} whose {identity} is {name!r}.",
                    (*path, identity),
                    hint=f"Give each its own {identity}.",
                )
            seen.add(name)


def kind_of(element: dict[str, Any], kinds: Iterable[str]) -> tuple[str, dict[str, Any]]:
    """Which of `kinds` an element is, and what stands there; ("", {}) when none."""
    for kind in kinds:
        if kind in element:
            body = element[kind]
            return kind, body if isinstance(body, dict) else {}
    return "", {}


# Components


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
                _single_remote(git, (*path, kind, "dockerfile", "git"), "an image's Dockerfile", report)


def _container(body: dict[str, Any], path: Path, volumes: set[str], report: Report, complete: bool) -> None:
    for index, variable in _items(body, "env"):
        if variable.get("name") in RESERVED_ENV:
            report.add(
                "reserved-env",
                f"{variable['name']} is set by the workspace; a devfile may not set it.",
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
                f"No volume component is named {name!r}.",
                (*path, "volumeMounts", index, "name"),
                hint=report.suggest(name, volumes)
                or f"Add a component '- name: {name}' with 'volume: {{}}'.",
            )
    for resource in ("memory", "cpu"):
        request = _quantity(body, f"{resource}Request", path, report)
        limit = _quantity(body, f"{resource}Limit", path, report)
        if request is not None and limit is not None and request > limit > 0:
            report.add(
                "request-over-limit",
                f"{resource}Request {body[f'{resource}Request']} is more than {resource}Limit {body[f'{resource}Limit']}.",
                (*path, f"{resource}Request"),
                hint="Lower the request or raise the limit.",
            )


def _quantity(body: dict[str, Any], key: str, path: Path, report: Report) -> Any:
    text = body.get(key)
    if not isinstance(text, str) or not text:
        return None
    amount = quantities.parse(text)
    if amount is None:
        example = "500m or 2" if key.startswith("cpu") else "512Mi or 2G"
        shown = text if len(text) <= 60 else text[:57] + "..."
        report.add(
            "bad-quantity", f"{shown!r} is no amount.", (*path, key), hint=f"Write one such as {example}."
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
                        f"The endpoint name {name!r} is used in {names[name]!r} already.",
                        (*at, "name"),
                        hint="Endpoint names are unique over all components.",
                    )
                names.setdefault(name, owner)
            if not isinstance(port, int) or isinstance(port, bool):
                continue
            if not 1 <= port <= 65535:
                report.add("bad-port", f"{port} is no port: 1 to 65535.", (*at, "targetPort"))
            if kind == "container":
                first, where = ports.setdefault(port, (path[-1] if isinstance(path[-1], int) else 0, owner))
                if first != path[-1]:
                    report.add(
                        "duplicate-port",
                        f"The port {port} belongs to the container {where!r} already.",
                        (*at, "targetPort"),
                        hint="The containers of a workspace share one network: let one of them listen elsewhere.",
                    )


# Commands and events


def _commands(tree: Map, report: Report, complete: bool) -> None:
    components = {
        element["name"]: kind_of(element, COMPONENT_KINDS)[0]
        for _, element in maps_in(tree, "components")
        if isinstance(element.get("name"), str)
    }
    commands = _by_id(tree)
    composites: dict[str, list[tuple[Path, str]]] = {}
    groups: dict[str, list[tuple[Path, bool]]] = {}
    for path, element in maps_in(tree, "commands"):
        kind, body = kind_of(element, _COMMAND_KINDS)
        at = (*path, kind)
        group = body.get("group")
        if isinstance(group, dict) and isinstance(group.get("kind"), str):
            groups.setdefault(group["kind"], []).append(((*at, "group"), group.get("isDefault") is True))
        if kind in ("exec", "apply") and complete:
            _target(body, at, ("container",) if kind == "exec" else APPLICABLE, components, report)
        if kind == "composite" and isinstance(element.get("id"), str):
            members = body.get("commands")
            members = members if isinstance(members, list) else []
            named = [
                ((*at, "commands", i), member) for i, member in enumerate(members) if isinstance(member, str)
            ]
            composites.setdefault(element["id"], named)
            for place, member in named:
                if complete and member not in commands:
                    _no_command(member, place, commands, report)
    _cycles(composites, report)
    if complete:
        _groups(groups, report)


def _by_id(tree: Map) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for _, element in maps_in(tree, "commands"):
        if isinstance(element.get("id"), str):
            found.setdefault(element["id"], element)
    return found


def _target(
    body: dict[str, Any], path: Path, kinds: tuple[str, ...], components: dict[str, str], report: Report
) -> None:
    name = body.get("component")
    if not isinstance(name, str) or components.get(name) in (*kinds, ""):
        return
    # Not a list: it is only looked through for the first few problems.
    fitting = (known for known, kind in components.items() if kind in kinds)
    if name in components:
        report.add(
            "wrong-component",
            f"The component {name!r} is of the kind {components[name]}; {' or '.join(kinds)} is wanted.",
            (*path, "component"),
            hint=report.suggest(name, fitting),
        )
    else:
        report.add(
            "unknown-component",
            f"No component is named {name!r}.",
            (*path, "component"),
            hint=report.suggest(name, fitting),
        )


def _no_command(name: str, path: Path, commands: Iterable[str], report: Report) -> None:
    report.add(
        "unknown-command", f"No command has the id {name!r}.", path, hint=report.suggest(name, commands)
    )


def _cycles(composites: dict[str, list[tuple[Path, str]]], report: Report) -> None:
    """Depth first, with a stack of its own: a chain may be as long as the document."""
    done: set[str] = set()
    for start in composites:
        on_way: dict[str, int] = {}
        stack = [] if start in done else [start]
        while stack:
            current = stack[-1]
            step = on_way.setdefault(current, 0)
            members = composites[current]
            if step == len(members):
                stack.pop()
                del on_way[current]
                done.add(current)
                continue
            on_way[current] = step + 1
            place, member = members[step]
            if member in on_way:
                what = "itself" if member == current else f"{member!r}, which runs it in turn"
                report.add(
                    "composite-cycle",
                    f"The composite command {current!r} runs {what}.",
                    place,
                    hint="Remove one step of this circle.",
                )
            elif member in composites and member not in done:
                stack.append(member)


def _groups(groups: dict[str, list[tuple[Path, bool]]], report: Report) -> None:
    for kind, members in groups.items():
        defaults = [path for path, default in members if default]
        if len(members) > 1 and not defaults:
            report.add(
                "group-without-default",
                f"{len(members)} commands are of the group {kind}, and none is its default.",
                members[0][0],
                hint="Set 'isDefault: true' in the group of one of them.",
            )
        for path in defaults[1:]:
            report.add(
                "group-defaults",
                f"The group {kind} has another default command already.",
                (*path, "isDefault"),
                hint="Leave 'isDefault: true' with one of them.",
            )


def _events(tree: Map, report: Report) -> None:
    commands = _by_id(tree)
    events = tree.get("events")
    for event in _EVENT_KINDS:
        bound = events.get(event) if isinstance(events, dict) else None
        seen: set[str] = set()
        for index, name in enumerate(bound if isinstance(bound, list) else ()):
            path: Path = ("events", event, index)
            if not isinstance(name, str) or name in seen:
                continue
            seen.add(name)
            if name not in commands:
                _no_command(name, path, commands, report)
                continue
            _event_command(event, name, commands, path, report)


def _event_command(
    event: str, name: str, commands: dict[str, dict[str, Any]], path: Path, report: Report
) -> None:
    wanted = _EVENT_KINDS[event]
    kind, body = kind_of(commands[name], _COMMAND_KINDS)
    hint = f"{event} runs {wanted} commands, or a composite of such."
    if kind == "composite":
        members = body.get("commands")
        for member in members if isinstance(members, list) else ():
            inner = kind_of(commands.get(member, {}), _COMMAND_KINDS)[0] if isinstance(member, str) else ""
            if inner and inner != wanted:
                report.add(
                    "wrong-event-command",
                    f"{event} cannot run {name!r}: its step {member!r} is of the kind {inner}.",
                    path,
                    hint=hint,
                )
    elif kind and kind != wanted:
        report.add(
            "wrong-event-command",
            f"{event} cannot run {name!r}, which is of the kind {kind}.",
            path,
            hint=hint,
        )


# Projects


def _projects(tree: Map, report: Report) -> None:
    for key in ("projects", "dependentProjects"):
        for path, element in maps_in(tree, key):
            kind, body = kind_of(element, ("git", "github"))
            if kind:
                _remotes(body, (*path, kind), report)
    for path, element in maps_in(tree, "starterProjects"):
        kind, body = kind_of(element, ("git", "github"))
        if kind:
            _single_remote(body, (*path, kind), "a starter project", report)


def _remotes(body: dict[str, Any], path: Path, report: Report) -> None:
    remotes = body.get("remotes")
    if not isinstance(remotes, dict):
        return
    if not remotes:
        report.add(
            "no-remote",
            "A project needs at least one remote.",
            (*path, "remotes"),
            hint="Add 'origin: https://…'.",
        )
    chosen = _checkout_remote(body, remotes, path, report)
    if len(remotes) > 1 and not chosen:
        report.add(
            "remote-not-chosen",
            f"The project has {len(remotes)} remotes, and does not say which to check out.",
            path,
            hint=f"Add 'checkoutFrom: {{remote: {next(iter(remotes))}}}'.",
        )


def _single_remote(body: dict[str, Any], path: Path, what: str, report: Report) -> None:
    remotes = body.get("remotes")
    if isinstance(remotes, dict):
        if len(remotes) != 1:
            report.add(
                "not-one-remote",
                f"{what.capitalize()} has exactly one remote, not {len(remotes)}.",
                (*path, "remotes"),
            )
        _checkout_remote(body, remotes, path, report)


def _checkout_remote(body: dict[str, Any], remotes: dict[str, Any], path: Path, report: Report) -> bool:
    checkout = body.get("checkoutFrom")
    chosen = checkout.get("remote") if isinstance(checkout, dict) else None
    if not isinstance(chosen, str) or not chosen:
        return False
    if chosen not in remotes:
        report.add(
            "unknown-remote",
            f"No remote is named {chosen!r}.",
            (*path, "checkoutFrom", "remote"),
            hint=report.suggest(chosen, remotes),
        )
    return True


def _items(body: dict[str, Any], key: str) -> Iterable[tuple[int, dict[str, Any]]]:
    node = body.get(key)
    if isinstance(node, list):
        for index, item in enumerate(node):
            if isinstance(item, dict):
                yield index, item
