"""Text → tree: what can be told without parsing, then YAML (`building`, `scalars`), and its errors
in plain words."""

from __future__ import annotations

from yaml._yaml import CParser
from yaml.error import MarkedYAMLError, YAMLError

from moorage.documents import syntax
from moorage.documents.building import Builder, Refused
from moorage.documents.kinds import Kind
from moorage.documents.limits import MAX_BYTES, MAX_DIRECTIVES
from moorage.documents.problems import DocumentError, Problem, path_text
from moorage.documents.tree import Map


def read(
    text: str | bytes, error: type[DocumentError], *, source: int = 0, source_name: str = ""
) -> Map:
    """The document's mapping, read as the kind of document that `error` is for.

    Raises `error`; of what is wrong with its YAML only the first is known.
    """
    try:
        return _built(_checked(text, error.kind), error.kind, source)
    except Refused as refused:
        problem = Problem(
            refused.code,
            refused.message,
            path_text(refused.path),
            refused.line + 1,
            refused.column + 1,
            refused.hint,
            source_name,
        )
        raise error([problem]) from None


def _checked(text: str | bytes, kind: Kind) -> bytes:
    """Its UTF-8, after what can be told without parsing."""
    if len(text) > MAX_BYTES:
        raise Refused(
            "too-large",
            f"The {kind.name} is larger than 3 MB.",
            hint="Keep scripts in files of their own.",
        )
    try:
        if isinstance(text, str):
            data = text.encode()
        else:
            text.decode()
            data = text
    except UnicodeError as error:
        raise Refused(
            "not-utf8", f"The {kind.name} is not UTF-8 text.", hint="Save it in the encoding UTF-8."
        ) from error
    if len(data) > MAX_BYTES:
        raise Refused(
            "too-large",
            f"The {kind.name} is larger than 3 MB.",
            hint="Keep scripts in files of their own.",
        )
    # libyaml compares every directive with all before it: a hundred thousand of them take it twenty
    # seconds.
    directives = (
        data.count(b"\n%")
        + data.count(b"\r%")
        + data.count(b"\xc2\x85%")
        + data.count(b"\xe2\x80\xa8%")
    )
    if directives + data.count(b"\xe2\x80\xa9%") + data.startswith(b"%") > MAX_DIRECTIVES:
        raise Refused(
            "yaml-directives",
            f"The {kind.name} has too many YAML directives.",
            hint="Remove the lines that start with %.",
        )
    return data


def _built(data: bytes, kind: Kind, source: int) -> Map:
    try:
        root = Builder(kind, source).build(CParser(data))
    except MarkedYAMLError as error:
        raise syntax.refused(data, error, kind) from error
    except YAMLError as error:
        raise Refused(
            "yaml-syntax",
            "This is not valid YAML: it has a character that YAML does not allow.",
            hint="Remove control characters, or write them as escapes in double quotes.",
        ) from error
    if root is None and kind.may_be_empty:
        return Map()
    if not isinstance(root, Map):
        raise Refused(
            "not-a-mapping",
            f"The {kind.name} is not a mapping of keys to values.",
            hint=f"Begin it with a line such as '{kind.example}'.",
        )
    return root
