"""The text that a `moor devfile` command is about, and the parents and plugins that it names."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from moorage.kernel.errors import InvalidInput

if TYPE_CHECKING:
    from moorage.devfile import Flattened, Problem, Resolver
    from moorage.translation import Converted, Translation


def resolver_for(registry: str, hosts: Sequence[str], root: Path | None = None) -> Resolver:
    """`registry`: a folder or a URL; `root`: the folder whose files may be named. Nothing given:
    nothing is fetched."""
    from moorage.devfile import NoResolver
    from moorage.resolvers import FirstOf, LocalFiles, RegistryFolder

    resolvers: list[Resolver] = []
    url = registry if "://" in registry else ""
    if root is not None:
        resolvers.append(LocalFiles(root))
    if registry and not url:
        resolvers.append(RegistryFolder(Path(registry)))
    if hosts or url:
        from urllib.parse import urlsplit

        from moorage.resolvers.http import HttpResolver

        try:
            own = [urlsplit(url).netloc] if url else []
        except ValueError as error:
            raise InvalidInput(
                f"{url} is no URL.", field="registry", hint="Give https://host/path, or a folder."
            ) from error
        resolvers.append(HttpResolver([*hosts, *own], registry=url))
    else:
        resolvers.append(NoResolver())
    return FirstOf(*resolvers)


class Source:
    """The text that a command is about, and what its references are resolved with."""

    def __init__(
        self, where: str, registry: str, hosts: Sequence[str], *, devcontainer: bool = False
    ) -> None:
        self.hosts = hosts
        self.registry = registry
        self.root: Path | None = None
        self.name, self.text = self._read(where, devcontainer=devcontainer)
        self.is_devcontainer = self.name.endswith("devcontainer.json") or (
            devcontainer and self.name.endswith(".json")
        )

    @property
    def base(self) -> str:
        """The document's address, where relative references start."""
        return self.name if self.root is None else str(Path(self.name).resolve())

    @property
    def resolver(self) -> Resolver:
        return resolver_for(self.registry, self.hosts, self.root)

    def flattened(self) -> Flattened:
        from moorage.devfile import flatten, parse

        return flatten(parse(self.text), self.resolver, base=self.base)

    def converted(self) -> Converted:
        from moorage.translation import from_devcontainer

        return from_devcontainer(self.text, source=self.name)

    def translated(self) -> tuple[Translation, tuple[Problem, ...]]:
        from moorage.devfile import flatten
        from moorage.translation import to_workspace_spec

        if self.is_devcontainer:
            converted = self.converted()
            flat, before = flatten(converted.devfile), converted.warnings
        else:
            flat, before = self.flattened(), ()
        translation = to_workspace_spec(flat.devfile)
        return translation, (*before, *flat.warnings, *translation.warnings)

    def _read(self, where: str, *, devcontainer: bool) -> tuple[str, bytes]:
        if where == "-":
            return "standard input", sys.stdin.buffer.read()
        if "://" in where:
            return where, _fetched(where)
        path = Path(where)
        if path.is_dir():
            path = _in_folder(path, devcontainer=devcontainer)
        self.root = path.resolve().parent
        try:
            return str(path), path.read_bytes()
        except OSError as error:
            raise InvalidInput(
                f"{path} cannot be read: {error.strerror}.", code="not-readable"
            ) from error


def _fetched(url: str) -> bytes:
    """Fetches what a person named by its URL: from any host, also one of their own network."""
    from urllib.parse import urlsplit

    from moorage.devfile import Reference, ResolutionError
    from moorage.resolvers.http import HttpResolver

    try:
        host = urlsplit(url).netloc
        networks = ("0.0.0.0/0", "::/0")
        resolved = HttpResolver([host], networks=networks, insecure=True).resolve(
            Reference(uri=url)
        )
    except (ResolutionError, ValueError) as error:
        raise InvalidInput(f"{url} cannot be read: {error}", code="not-readable") from error
    return resolved.text if isinstance(resolved.text, bytes) else resolved.text.encode()


def _in_folder(folder: Path, *, devcontainer: bool) -> Path:
    from moorage.devfile import FILE_NAMES, FOLDER
    from moorage.translation import devcontainer as conversion

    names = conversion.FILE_NAMES if devcontainer else (*FILE_NAMES, *conversion.FILE_NAMES)
    further = [] if devcontainer else sorted((folder / FOLDER).glob("*.y*ml"))
    for path in (
        *(folder / name for name in names[: len(FILE_NAMES)]),
        *further,
        *(folder / name for name in names),
        *sorted((folder / conversion.FOLDER).glob("*/devcontainer.json")),
    ):
        if path.is_file():
            return path
    raise InvalidInput(
        f"{folder} has none of {', '.join(names)}.",
        code="not-readable",
        hint="'moor devfile init' writes one.",
    )
