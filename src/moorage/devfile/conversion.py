"""Tree → model and back."""

from __future__ import annotations

from typing import Any

import msgspec

from moorage.devfile.model import (
    Attributes,
    Command,
    Component,
    Devfile,
    Events,
    Metadata,
    Parent,
    Part,
    Project,
    StarterProject,
)

_METADATA_KEYS = {field.encode_name for field in msgspec.structs.fields(Metadata)} - {"extra"}


class _Document(Part, frozen=True):
    """The top level of a devfile."""

    schema_version: str = ""
    metadata: Metadata = Metadata()
    parent: Parent | None = None
    components: tuple[Component, ...] = ()
    commands: tuple[Command, ...] = ()
    events: Events = Events()
    projects: tuple[Project, ...] = ()
    starter_projects: tuple[StarterProject, ...] = ()
    dependent_projects: tuple[Project, ...] = ()
    variables: dict[str, str] = {}
    attributes: Attributes = {}


_FIELDS = tuple(field.name for field in msgspec.structs.fields(_Document))


def to_model(tree: dict[str, Any], *, source: Any = None) -> Devfile:
    """The Devfile of a tree that `schema.check` found nothing wrong with."""
    metadata = tree.get("metadata")
    if metadata:
        known = {key: value for key, value in metadata.items() if _is_metadata(key, value)}
        if len(known) < len(metadata):
            known["extra"] = {key: value for key, value in metadata.items() if key not in known}
            tree = {**tree, "metadata": known}
    document = msgspec.convert(tree, _Document)
    devfile = Devfile(**{name: getattr(document, name) for name in _FIELDS})
    # `source` is no argument, so that a copy with changes does not claim to have been read like
    # that.
    object.__setattr__(devfile, "source", source)
    return devfile


def _is_metadata(key: str, value: Any) -> bool:
    """Whether it is one of the model's fields. A version that does not know a field lets it hold
    anything."""
    if key in ("tags", "architectures"):
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    if key == "attributes":
        return isinstance(value, dict)
    return key in _METADATA_KEYS and isinstance(value, str)


def to_tree(devfile: Devfile) -> dict[str, Any]:
    """Plain dicts and lists, with the specification's keys in their usual order; says nothing that
    is not set."""
    document = _Document(**{name: getattr(devfile, name) for name in _FIELDS})
    tree: dict[str, Any] = msgspec.to_builtins(document, builtin_types=())
    metadata = tree.get("metadata")
    if metadata:
        metadata.update(metadata.pop("extra", {}))
    made: dict[str, Any] = _lists(tree)
    return made


def _lists(value: Any) -> Any:
    """msgspec leaves tuples as they are."""
    if isinstance(value, dict):
        return {key: _lists(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_lists(item) for item in value]
    return value
