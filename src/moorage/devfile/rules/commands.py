"""Commands and events: what they name, circles, groups, and what an event may run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from moorage.devfile.model import COMPONENT_KINDS
from moorage.devfile.rules.names import kind_of
from moorage.documents.problems import Path, short
from moorage.documents.reporting import Report
from moorage.documents.tree import Map, maps_in

APPLICABLE = ("container", "image", "kubernetes", "openshift")
"""Kinds of components that an `apply` command may name."""
_COMMAND_KINDS = ("exec", "apply", "composite", "vscodeTask", "vscodeLaunch", "custom")
_EVENT_KINDS = {"preStart": "apply", "postStart": "exec", "preStop": "exec", "postStop": "apply"}


def check(tree: Map, report: Report, *, complete: bool) -> None:
    """Adds a problem for every violation."""
    _commands(tree, report, complete)
    if complete:
        _events(tree, report)


def _commands(tree: Map, report: Report, complete: bool) -> None:
    components = {
        element["name"]: kind_of(element, COMPONENT_KINDS)[0]
        for _, element in maps_in(tree, "components")
        if isinstance(element.get("name"), str)
    }
    commands = _by_id(tree)
    bound = _bound(tree, commands)
    composites: dict[str, list[tuple[Path, str]]] = {}
    groups: dict[str, list[tuple[Path, bool]]] = {}
    for path, element in maps_in(tree, "commands"):
        kind, body = kind_of(element, _COMMAND_KINDS)
        at = (*path, kind)
        group = body.get("group")
        if isinstance(group, dict) and isinstance(group.get("kind"), str):
            groups.setdefault(group["kind"], []).append(
                ((*at, "group"), group.get("isDefault") is True)
            )
        name = element.get("id")
        say = report.add if isinstance(name, str) and name in bound else report.warn
        if kind in ("exec", "apply") and complete:
            fitting = ("container",) if kind == "exec" else APPLICABLE
            _target(body, at, fitting, components, report, say=say)
        if kind == "composite" and isinstance(element.get("id"), str):
            members = body.get("commands")
            members = members if isinstance(members, list) else []
            named = [
                ((*at, "commands", i), member)
                for i, member in enumerate(members)
                if isinstance(member, str)
            ]
            composites.setdefault(element["id"], named)
            for place, member in named:
                if complete and member not in commands:
                    _no_command(member, place, commands, report, say)
    _cycles(composites, report)
    if complete:
        _groups(groups, report)


def _by_id(tree: Map) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for _, element in maps_in(tree, "commands"):
        if isinstance(element.get("id"), str):
            found.setdefault(element["id"], element)
    return found


def _bound(tree: Map, commands: dict[str, dict[str, Any]]) -> set[str]:
    """Ids of the commands that events run, those that are steps of others included."""
    events = tree.get("events")
    lists = [events.get(event) for event in _EVENT_KINDS] if isinstance(events, dict) else []
    waiting = [name for names in lists if isinstance(names, list) for name in names]
    bound: set[str] = set()
    while waiting:
        name = waiting.pop()
        if not isinstance(name, str) or name in bound:
            continue
        bound.add(name)
        composite = commands.get(name, {}).get("composite")
        members = composite.get("commands") if isinstance(composite, dict) else None
        waiting += members if isinstance(members, list) else []
    return bound


def _target(
    body: dict[str, Any],
    path: Path,
    kinds: tuple[str, ...],
    components: dict[str, str],
    report: Report,
    *,
    say: Callable[..., None],
) -> None:
    """Says what is wrong with the component that a command names: a problem, or, when nothing runs
    the command, a warning."""
    name = body.get("component")
    if not isinstance(name, str) or components.get(name) in (*kinds, ""):
        return
    # Not a list: it is only looked through for the first few problems.
    fitting = (known for known, kind in components.items() if kind in kinds)
    if name in components:
        say(
            "wrong-component",
            f"The component {short(name)!r} is of the kind {components[name]}; {' or '.join(kinds)} is wanted.",
            (*path, "component"),
            hint=report.suggest(name, fitting),
        )
    else:
        say(
            "unknown-component",
            f"No component is named {short(name)!r}.",
            (*path, "component"),
            hint=report.suggest(name, fitting),
        )


def _no_command(
    name: str,
    path: Path,
    commands: Iterable[str],
    report: Report,
    say: Callable[..., None],
) -> None:
    say(
        "unknown-command",
        f"No command has the id {short(name)!r}.",
        path,
        hint=report.suggest(name, commands),
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
                what = (
                    "itself" if member == current else f"{short(member)!r}, which runs it in turn"
                )
                report.add(
                    "composite-cycle",
                    f"The composite command {short(current)!r} runs {what}.",
                    place,
                    hint="Remove one step of this circle.",
                )
            elif member in composites and member not in done:
                stack.append(member)


def _groups(groups: dict[str, list[tuple[Path, bool]]], report: Report) -> None:
    for kind, members in groups.items():
        defaults = [path for path, default in members if default]
        if len(members) > 1 and not defaults:
            report.warn(
                "group-without-default",
                f"{len(members)} commands are of the group {kind}, and none is its default.",
                members[0][0],
                hint="Set 'isDefault: true' in the group of one of them.",
            )
        for path in defaults[1:]:
            report.warn(
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
                _no_command(name, path, commands, report, report.add)
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
            inner = (
                kind_of(commands.get(member, {}), _COMMAND_KINDS)[0]
                if isinstance(member, str)
                else ""
            )
            if inner and inner != wanted:
                report.add(
                    "wrong-event-command",
                    f"{event} cannot run {short(name)!r}: its step {short(member)!r} is of the kind {inner}.",
                    path,
                    hint=hint,
                )
    elif kind and kind != wanted:
        report.add(
            "wrong-event-command",
            f"{event} cannot run {short(name)!r}, which is of the kind {kind}.",
            path,
            hint=hint,
        )
