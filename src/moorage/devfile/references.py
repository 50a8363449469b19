"""How a devfile names another one, and the port that fetches it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from moorage.devfile.model import Parent, PluginComponent


@dataclass(frozen=True, slots=True)
class Reference:
    """Exactly one of `uri`, `id` and `name` (a Kubernetes resource) is set."""

    uri: str = ""
    id: str = ""
    registry_url: str = ""
    """"" for the resolver's own registry."""
    version: str = ""
    """The version of the devfile with this id; `latest`: the newest; "": the registry's default."""
    name: str = ""
    namespace: str = ""
    base: str = ""
    """Address of the document that holds the reference; a relative uri starts there. "" when it has
    none."""

    def __str__(self) -> str:
        """As `api.devfile.io/imported-from` says it."""
        if self.uri:
            return f"uri: {self.uri}"
        if self.id:
            return f"id: {self.id}, registryURL: {self.registry_url}"
        return f"name: {self.name}, namespace: {self.namespace}"

    @classmethod
    def of(cls, node: Parent | PluginComponent | dict[str, Any], base: str = "") -> Reference:
        """The reference that a parent or plugin makes, as a model or as a tree."""
        get: Callable[[str], Any]
        get = (
            node.get if isinstance(node, dict) else lambda key: getattr(node, _SNAKE.get(key, key))
        )
        kubernetes = get("kubernetes")
        named = kubernetes if isinstance(kubernetes, dict) else {}
        if kubernetes is not None and not isinstance(kubernetes, dict):
            named = {"name": kubernetes.name, "namespace": kubernetes.namespace}
        return cls(
            uri=get("uri") or "",
            id=get("id") or "",
            registry_url=get("registryUrl") or "",
            version=get("version") or "",
            name=named.get("name") or "",
            namespace=named.get("namespace") or "",
            base=base,
        )


_SNAKE = {"registryUrl": "registry_url"}


@dataclass(frozen=True, slots=True)
class Resolved:
    text: str | bytes
    address: str
    """Tells this document from others; its relative references start there."""


class ResolutionError(Exception):
    """A referenced devfile cannot be had. Becomes a problem at the place of the reference."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint


class Resolver(Protocol):
    """Blocking: a server calls `flatten` in a thread."""

    def resolve(self, reference: Reference) -> Resolved:
        """The document. Raises `ResolutionError`."""


class NoResolver:
    """Fetches nothing: the default, because a devfile is a stranger's text."""

    def resolve(self, reference: Reference) -> Resolved:
        raise ResolutionError(
            "imports-not-allowed",
            f"The devfile builds on another one ({reference}), and nothing is fetched here for a devfile.",
            "Write the parent's content into this devfile ('moor devfile flatten' does it), or ask an administrator"
            " to allow it with a folder of devfiles (devfile_registry) or hosts to fetch from (devfile_hosts). On the"
            " command line that is --registry and --allow-host.",
        )
