"""Tells how what a workspace is made from differs from what it would be made from now. Pure.

Names of variables are told, and no values: they may be secrets that its owner has set.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from functools import partial
from typing import NamedTuple, TypeVar

import msgspec

from moorage.contract import Container, Project, Volume, WorkspaceSpec
from moorage.contract.spec import Command, Endpoint, Resources, Step
from moorage.kernel import quantities

T = TypeVar("T")
N = TypeVar("N", Container, Volume)
LINES, SHOWN = 20_000, 2_000
"""Lines of two devfiles that are compared at most, and of what differs that are shown."""


class Kind(StrEnum):
    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


class Difference(NamedTuple):
    kind: Kind
    what: str
    """`container`, `variable`, `port`, `command`, `volume`, `ref`, `project`, `editor`, `other`."""
    name: str
    message: str
    """A sentence for a person."""


def differences(
    now: WorkspaceSpec, then: WorkspaceSpec, *, kept: Collection[str] = ()
) -> list[Difference]:
    """What the workspace has `now`, and would have `then`. At which commit its repository stands is
    none of it. `kept`: names of the volumes that there are."""
    found = [*_containers(now, then)]
    found += _each(_ports(now), _ports(then), _port)
    found += _each(_steps(now), _steps(then), _step)
    found += _each(_named(now.volumes), _named(then.volumes), partial(_volume, kept))
    found += _projects(now, then)
    found += _editor(now, then)
    if not found and without_commit(now) != without_commit(then):
        found.append(
            Difference(Kind.CHANGED, "other", "", "Details change that have no line of their own.")
        )
    return found


def without_commit(spec: WorkspaceSpec) -> WorkspaceSpec:
    """The spec, whatever commit its repository stands at."""
    first = [msgspec.structs.replace(p, commit="") for p in spec.projects[:1]]
    return msgspec.structs.replace(spec, projects=(*first, *spec.projects[1:]))


def lines(now: str, then: str) -> str:
    """The difference of two flattened devfiles, as `diff -u` writes it; "" when there is none, or
    they are too long to be compared."""
    before, after = now.splitlines(), then.splitlines()
    if now == then or len(before) + len(after) > LINES:
        return ""
    found = list(
        difflib.unified_diff(
            before, after, "devfile of this workspace", "devfile there now", lineterm=""
        )
    )
    if len(found) > SHOWN:
        found = [*found[:SHOWN], f"… and {len(found) - SHOWN} lines more"]
    return "\n".join(found)


def gone_ports(now: WorkspaceSpec, then: WorkspaceSpec) -> frozenset[int]:
    """Ports that endpoints name now, and would not then."""
    return frozenset(_numbers(now) - _numbers(then))


# ------------------------------------------------------------------------------------------- pieces
def _containers(now: WorkspaceSpec, then: WorkspaceSpec) -> Iterator[Difference]:
    for heading, each in (("Container", "containers"), ("PreStart step", "init_containers")):
        before: dict[str, Container] = _named(getattr(now, each))
        after: dict[str, Container] = _named(getattr(then, each))
        yield from _each(before, after, partial(_container, heading))
    if now.main_container != then.main_container:
        yield Difference(
            Kind.CHANGED,
            "container",
            then.main_container,
            f"The editor runs in {then.main_container} instead of {now.main_container}.",
        )


def _container(
    heading: str, name: str, old: Container | None, new: Container | None
) -> Iterator[Difference]:
    called = f"{heading} {name}"
    if old is None and new is not None:
        text = f"{called} is new, of the image {new.image}."
        yield Difference(Kind.ADDED, "container", name, text)
    elif old is None or new is None:
        yield Difference(Kind.REMOVED, "container", name, f"{called} is gone.")
    else:
        for what, words in _in_container(old, new):
            yield Difference(Kind.CHANGED, what, name, f"{called}{words}.")


def _in_container(old: Container, new: Container) -> Iterator[tuple[str, str]]:
    """What has changed, and the words that follow the container's name."""

    def differs(*fields: str) -> bool:
        return any(getattr(old, field) != getattr(new, field) for field in fields)

    if differs("image"):
        yield "container", f" has the image {new.image} instead of {old.image}"
    if words := _variables(old.env | old.image_env, new.env | new.image_env):
        yield "variable", f": {words}"
    if words := _resources(old.resources, new.resources):
        yield "container", f": {words}"
    if differs("volume_mounts"):
        mounts = ", ".join(f"{m.volume} at {m.path}" for m in new.volume_mounts) or "none"
        yield "volume", f" has other volumes mounted: {mounts}"
    if differs("command", "args", "override_command"):
        yield "container", " is started by another command"
    if differs("mount_sources", "source_mapping"):
        where = f"at {new.source_mapping}" if new.mount_sources else "no more"
        yield "container", f" has the sources {where}"
    if differs("labels", "annotations"):
        yield "container", " has other labels or annotations"


def _variables(old: Mapping[str, str], new: Mapping[str, str]) -> str:
    said = [
        (sorted(new.keys() - old.keys()), "added"),
        (sorted(old.keys() - new.keys()), "removed"),
        (
            sorted(key for key in old.keys() & new.keys() if old[key] != new[key]),
            "with another value",
        ),
    ]
    words = [f"{how}: {', '.join(names)}" for names, how in said if names]
    return f"variables {'; '.join(words)}" if words else ""


def _resources(old: Resources, new: Resources) -> str:
    words = []
    for field in msgspec.structs.fields(Resources):
        before, after = getattr(old, field.name), getattr(new, field.name)
        if before != after:
            figures = [_figure(field.name, value) for value in (after, before)]
            words.append(f"{field.name.replace('_', ' ')} {figures[0]} instead of {figures[1]}")
    return ", ".join(words)


def _figure(field: str, value: int | None) -> str:
    if value is None:
        return "none"
    if field.startswith("memory"):
        return quantities.size(value)
    return f"{value}m" if field.startswith("cpu") else str(value)


def _ports(spec: WorkspaceSpec) -> dict[str, Endpoint]:
    return {
        f"{endpoint.port} ({endpoint.name})": endpoint
        for container in spec.containers
        for endpoint in container.endpoints
    }


def _numbers(spec: WorkspaceSpec) -> set[int]:
    return {endpoint.port for endpoint in _ports(spec).values()}


def _port(name: str, old: Endpoint | None, new: Endpoint | None) -> Iterator[Difference]:
    if new is None:
        yield Difference(
            Kind.REMOVED,
            "port",
            name,
            f"Port {name} is no longer named: with whomever it was shared, they lose it.",
        )
    elif old is None:
        yield Difference(Kind.ADDED, "port", name, f"Port {name} is new.")
    elif old != new:
        yield Difference(
            Kind.CHANGED, "port", name, f"Port {name} has another protocol, path or exposure."
        )


def _steps(spec: WorkspaceSpec) -> dict[str, Step]:
    steps = {f"{step.id} after the start": step for step in spec.post_start}
    return steps | {f"{step.id} before the stop": step for step in spec.pre_stop}


def _step(name: str, old: Step | None, new: Step | None) -> Iterator[Difference]:
    if new is None:
        yield Difference(Kind.REMOVED, "command", name, f"Command {name} is gone.")
    elif old is None:
        shown = "; ".join(_shown(command) for command in new.commands)
        yield Difference(Kind.ADDED, "command", name, f"Command {name} is new: {shown}")
    elif old != new:
        shown = "; ".join(_shown(command) for command in new.commands)
        yield Difference(Kind.CHANGED, "command", name, f"Command {name} is another: {shown}")


def _shown(command: Command) -> str:
    first, _, rest = command.command_line.strip().partition("\n")
    return first[:120] + ("…" if rest or len(first) > 120 else "")


def _volume(
    there: Collection[str], name: str, old: Volume | None, new: Volume | None
) -> Iterator[Difference]:
    if new is None:
        kept = (
            "it goes, as it lived no longer than a run"
            if old is not None and old.ephemeral
            else "it is kept, with what is in it, until the workspace is deleted"
        )
        text = f"Volume {name} is no longer named: {kept}."
        yield Difference(Kind.REMOVED, "volume", name, text)
    elif old is None:
        again = name in there and not new.ephemeral
        how = "is mounted again, with what is in it" if again else "is new"
        yield Difference(Kind.ADDED, "volume", name, f"Volume {name} {how}.")
    elif old.ephemeral and not new.ephemeral:
        text = f"Volume {name} lasts from now on: it begins empty."
        yield Difference(Kind.CHANGED, "volume", name, text)
    elif new.ephemeral and not old.ephemeral:
        text = f"Volume {name} lives no longer than a run from now on; what is in it is kept aside."
        yield Difference(Kind.CHANGED, "volume", name, text)
    elif old.size != new.size:
        text = f"Volume {name} keeps the size that it was made with."
        yield Difference(Kind.CHANGED, "volume", name, text)


def _projects(now: WorkspaceSpec, then: WorkspaceSpec) -> Iterator[Difference]:
    before, after = _by_folder(now.projects), _by_folder(then.projects)
    own = next(iter(after), "")
    if own in before and before[own].url == after[own].url:  # its clone is told of elsewhere
        old, new = before.pop(own), after.pop(own)
        if (old.full_ref or old.ref) != (new.full_ref or new.ref):
            text = f"The devfile is of {new.ref} instead of {old.ref}, and followed there."
            yield Difference(Kind.CHANGED, "ref", new.ref, text)
        if old.remotes != new.remotes:
            text = f"{own} has other remotes: a clone that is there stays as it is."
            yield Difference(Kind.CHANGED, "project", own, text)
    yield from _each(before, after, _project)


def _project(folder: str, old: Project | None, new: Project | None) -> Iterator[Difference]:
    if new is None:
        text = f"{folder} is no longer a project of it: the folder stays."
        yield Difference(Kind.REMOVED, "project", folder, text)
    elif old is None:
        text = f"{new.url} is cloned into {folder}."
        yield Difference(Kind.ADDED, "project", folder, text)
    elif _place(old) != _place(new):
        text = (
            f"{folder} is to be of {_said(new)} instead of {_said(old)}:"
            " a clone that is there stays as it is."
        )
        yield Difference(Kind.CHANGED, "project", folder, text)


def _by_folder(projects: Iterable[Project]) -> dict[str, Project]:
    return {project.clone_path: project for project in projects}


def _place(project: Project) -> tuple[object, ...]:
    return project.url, project.full_ref or project.ref, project.remotes


def _said(project: Project) -> str:
    return " ".join(filter(None, (project.url, project.ref)))


def _editor(now: WorkspaceSpec, then: WorkspaceSpec) -> Iterator[Difference]:
    old, new = now.editor, then.editor
    if old == new:
        return
    name = new.name if new else ""
    text = "There is no editor any more."
    if old is None or (new is not None and old.name != new.name):
        text = f"The editor is {name}."
    elif new is not None:
        text = f"The editor {name} is set up in another way: its administrator has changed it."
    yield Difference(Kind.CHANGED, "editor", name, text)


def _named(items: Sequence[N]) -> dict[str, N]:
    return {item.name: item for item in items}


def _each(
    before: Mapping[str, T],
    after: Mapping[str, T],
    say: Callable[[str, T | None, T | None], Iterable[Difference]],
) -> Iterator[Difference]:
    """By name: those that are there now, then those that are new; only where they differ."""
    for name in dict.fromkeys((*before, *after)):
        old, new = before.get(name), after.get(name)
        if old != new:
            yield from say(name, old, new)
