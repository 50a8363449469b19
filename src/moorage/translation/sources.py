"""The text of whatever a repository has, a devfile or a devcontainer.json → a flat Devfile."""

from __future__ import annotations

from moorage import devfile
from moorage.devfile import DevfileError, Flattened, Resolver
from moorage.devfile.recognition import is_devfile, not_a_devfile
from moorage.translation import devcontainer

FILE_NAMES = (*devfile.FILE_NAMES, *devcontainer.FILE_NAMES)
"""The names that are looked for, in this order; those of `devfile.FOLDER` stand between the two."""


def read(
    text: str | bytes, *, path: str, resolver: Resolver | None = None, base: str = ""
) -> Flattened:
    """`path`: the file's, by which its kind is known. `resolver` and `base`: as for
    `devfile.flatten`.

    Raises `DevfileError`.
    """
    if devcontainer.is_devcontainer(path):
        converted = devcontainer.from_devcontainer(text, source=path)
        flat = devfile.flatten(converted.devfile)
        return Flattened(flat.devfile, (*converted.warnings, *flat.warnings))
    return devfile.flatten(devfile.parse(text), resolver, base=base)


def shown(error: DevfileError, text: str, *, path: str) -> DevfileError:
    """The error as it may be told of a file that was fetched for somebody: `error` with the text
    that it is about, or, when that is no devfile, just so much. Of a devcontainer.json that is no
    JSON the place is told, and nothing is shown."""
    if devcontainer.is_devcontainer(path):
        kind = devcontainer.kind_of(text)
        if kind == "other":
            return not_a_devfile(path)
        error.text = text if kind == "devcontainer" else ""
        return error
    if not is_devfile(text):
        return not_a_devfile(path)
    error.text = text
    return error
