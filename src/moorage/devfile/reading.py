"""Text → tree: YAML 1.2's core schema over libyaml's events, with limits that hold for any bytes.

Why not a loader: those at hand resolve scalars as YAML 1.1 does (`no` a boolean, `0755` octal), recurse on the C stack,
and build every alias's target anew or endlessly. Events cost about a microsecond each and decide nothing.
"""

from __future__ import annotations

import re
from typing import Any

from yaml import events
from yaml._yaml import CParser
from yaml.error import MarkedYAMLError, YAMLError

from moorage.devfile.problems import DevfileError, Path, Problem, path_text
from moorage.devfile.tree import BITS, POSITION, Map, Seq, position

MAX_BYTES = 3 * 1024 * 1024
MAX_DEPTH = 100
MAX_NODES = 300_000
"""Values in a document, those that aliases repeat included; keys are not counted."""
MAX_TEXT = 2 * MAX_BYTES
"""Characters in all values, those that aliases repeat included."""
MAX_DIRECTIVES = 4

_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_STARTS = frozenset("0123456789+-.")
_TAGGED: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "null": (type(None),),
}
_TAG = "tag:yaml.org,2002:"
_FEW_DIGITS = 18


def read(text: str | bytes, *, source: int = 0, source_name: str = "") -> Map:
    """The document's mapping. Raises `DevfileError`; of what is wrong with its YAML only the first is known."""
    try:
        return _Reader(source).read(_checked(text))
    except _Refused as refused:
        problem = Problem(
            refused.code,
            refused.message,
            path_text(refused.path),
            refused.line + 1,
            refused.column + 1,
            refused.hint,
            source_name,
        )
        raise DevfileError([problem]) from None


class _Refused(Exception):
    def __init__(
        self, code: str, message: str, *, line: int = 0, column: int = 0, path: Path = (), hint: str = ""
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.hint, self.path = code, message, hint, path
        self.line, self.column = line, column


def _checked(text: str | bytes) -> bytes:
    """Its UTF-8, after what can be told without parsing."""
    if len(text) > MAX_BYTES:
        raise _Refused(
            "too-large", "The devfile is larger than 3 MB.", hint="Keep scripts in files of their own."
        )
    try:
        if isinstance(text, str):
            data = text.encode()
        else:
            text.decode()
            data = text
    except UnicodeError as error:
        raise _Refused(
            "not-utf8", "The devfile is not UTF-8 text.", hint="Save it in the encoding UTF-8."
        ) from error
    if len(data) > MAX_BYTES:
        raise _Refused(
            "too-large", "The devfile is larger than 3 MB.", hint="Keep scripts in files of their own."
        )
    # libyaml compares every directive with all before it: a hundred thousand of them take it twenty seconds.
    directives = (
        data.count(b"\n%") + data.count(b"\r%") + data.count(b"\xc2\x85%") + data.count(b"\xe2\x80\xa8%")
    )
    if directives + data.count(b"\xe2\x80\xa9%") + data.startswith(b"%") > MAX_DIRECTIVES:
        raise _Refused(
            "yaml-directives",
            "The devfile has too many YAML directives.",
            hint="Remove the lines that start with %.",
        )
    return data


class _Frame:
    """A collection that is being read."""

    __slots__ = ("anchor", "key", "key_at", "nodes_before", "text_before", "value")

    def __init__(self, value: Map | Seq, anchor: str | None, nodes: int, text: int) -> None:
        self.value = value
        self.anchor = anchor
        self.key: str | None = None
        self.key_at = 0
        self.nodes_before = nodes
        self.text_before = text


class _Reader:
    def __init__(self, source: int) -> None:
        self.source = source
        self.stack: list[_Frame] = []
        self.anchors: dict[str, tuple[Any, int, int]] = {}
        self.open_anchors: set[str] = set()
        self.nodes = 0
        self.text = 0
        self.root: Any = None

    def read(self, data: bytes) -> Map:
        try:
            parser = CParser(data)
            self._document(parser)
        except MarkedYAMLError as error:
            at = error.problem_mark or error.context_mark
            raise _Refused(
                "yaml-syntax",
                f"This is not valid YAML: {_sentence(error)}.",
                line=at.line if at else 0,
                column=at.column if at else 0,
                hint=_syntax_hint(str(error.problem)),
            ) from error
        except YAMLError as error:
            raise _Refused(
                "yaml-syntax",
                "This is not valid YAML: it has a character that YAML does not allow.",
                hint="Remove control characters, or write them as escapes in double quotes.",
            ) from error
        if not isinstance(self.root, Map):
            raise _Refused(
                "not-a-mapping",
                "The devfile is not a mapping of keys to values.",
                hint="Begin it with a line such as 'schemaVersion: 2.2.0'.",
            )
        return self.root

    def _document(self, parser: Any) -> None:
        next_event = parser.get_event
        handlers = {
            events.ScalarEvent: self._scalar,
            events.MappingStartEvent: self._start_map,
            events.SequenceStartEvent: self._start_seq,
            events.MappingEndEvent: self._end,
            events.SequenceEndEvent: self._end,
            events.AliasEvent: self._alias,
        }
        documents = 0
        while True:
            event = next_event()
            kind = type(event)
            handler = handlers.get(kind)
            if handler is not None:
                handler(event)
            elif kind is events.DocumentStartEvent:
                documents += 1
                if documents > 1:
                    at = event.start_mark
                    raise _Refused(
                        "several-documents",
                        "The file holds more than one YAML document.",
                        line=at.line,
                        column=at.column,
                        hint="Keep one devfile in a file; remove the line '---' and what follows it.",
                    )
            elif kind is events.StreamEndEvent:
                return

    def _scalar(self, event: Any) -> None:
        at = event.start_mark
        where = (
            at.line << BITS | at.column
        )  # `position`, without a call for each of a third of a million values
        text: str = event.value
        frame = self.stack[-1] if self.stack else None
        if frame is not None and frame.key is None and type(frame.value) is Map:
            self._key(frame, text, where, event)
            if event.anchor:
                self._anchor(event, text, 1, len(text))
            return
        self._count(event, 1, len(text))
        value: Any = text
        if event.tag is not None and event.tag != "!":
            value = self._tagged(event, text)
        elif event.implicit[0] and (not text or text[0] in _STARTS or text in _WORDS):
            value = self._resolved(event, text)
        if event.anchor:
            self._anchor(event, value, 1, len(text))
        self._put(value, where)

    def _key(self, frame: _Frame, text: str, where: int, event: Any) -> None:
        if text in frame.value:
            at = event.start_mark
            raise _Refused(
                "duplicate-key",
                f"The key {_short(text)!r} stands here twice.",
                line=at.line,
                column=at.column,
                path=(*self._path(), text),
                hint="Remove one of the two, or join what they hold.",
            )
        frame.key = text
        frame.key_at = where

    def _put(self, value: Any, where: int) -> None:
        if not self.stack:
            self.root = value
            return
        frame = self.stack[-1]
        target = frame.value
        if type(target) is Seq:
            target.append(value)
            target.marks.append((self.source << POSITION | where) << POSITION | where)
        else:
            assert isinstance(target, Map)
            assert frame.key is not None
            target[frame.key] = value
            target.marks[frame.key] = (self.source << POSITION | frame.key_at) << POSITION | where
            frame.key = None

    def _start_map(self, event: Any) -> None:
        self._start(event, Map())

    def _start_seq(self, event: Any) -> None:
        self._start(event, Seq())

    def _start(self, event: Any, value: Map | Seq) -> None:
        at = event.start_mark
        expected = _TAG + ("map" if isinstance(value, Map) else "seq")
        if event.tag not in (None, "!", expected):
            raise self._bad_tag(event)
        if self.stack and self.stack[-1].key is None and type(self.stack[-1].value) is Map:
            raise _Refused(
                "key-not-text",
                "A key must be plain text, not a list or a mapping.",
                line=at.line,
                column=at.column,
                path=self._path(),
                hint="Quote text that starts with '{' or '[', for instance '{{name}}'.",
            )
        if len(self.stack) >= MAX_DEPTH:
            raise _Refused(
                "too-deep",
                f"The devfile is nested deeper than {MAX_DEPTH} levels.",
                line=at.line,
                column=at.column,
            )
        before = (self.nodes, self.text)
        self._count(event, 1, 0)
        self._put(value, position(at.line, at.column))
        if event.anchor:
            self.open_anchors.add(event.anchor)
        self.stack.append(_Frame(value, event.anchor, *before))

    def _end(self, event: Any) -> None:
        frame = self.stack.pop()
        if frame.anchor:
            self.open_anchors.discard(frame.anchor)
            self._anchor(
                event,
                frame.value,
                self.nodes - frame.nodes_before,
                self.text - frame.text_before,
                frame.anchor,
            )

    def _anchor(self, event: Any, value: Any, nodes: int, text: int, name: str | None = None) -> None:
        self.anchors[name or event.anchor] = (value, nodes, text)

    def _alias(self, event: Any) -> None:
        at = event.start_mark
        if event.anchor in self.open_anchors:
            raise _Refused(
                "alias-cycle",
                f"The alias *{_short(event.anchor)} stands inside of what it names.",
                line=at.line,
                column=at.column,
                path=self._path(),
                hint="Write the value out.",
            )
        known = self.anchors.get(event.anchor)
        if known is None:
            raise _Refused(
                "alias-unknown",
                f"Nothing before this is marked &{_short(event.anchor)}.",
                line=at.line,
                column=at.column,
                path=self._path(),
                hint="Quote text that starts with '*'.",
            )
        value, nodes, text = known
        self._count(event, nodes, text)
        frame = self.stack[-1] if self.stack else None
        if frame is not None and frame.key is None and type(frame.value) is Map:
            if not isinstance(value, str):
                raise _Refused("key-not-text", "A key must be plain text.", line=at.line, column=at.column)
            self._key(frame, value, position(at.line, at.column), event)
            return
        self._put(value, position(at.line, at.column))

    def _count(self, event: Any, nodes: int, text: int) -> None:
        self.nodes += nodes
        self.text += text
        if self.nodes > MAX_NODES or self.text > MAX_TEXT:
            at = event.start_mark
            raise _Refused(
                "too-many-values",
                f"The devfile holds more than {MAX_NODES} values or {MAX_TEXT} characters, repeated ones included.",
                line=at.line,
                column=at.column,
                hint="Look for aliases (*name) that repeat large parts.",
            )

    def _resolved(self, event: Any, text: str) -> Any:
        """A plain scalar by YAML 1.2's core schema (section 10.3.2)."""
        if text in _WORDS:
            return _WORDS[text]
        if _INT.fullmatch(text):
            return int(text) if len(text) <= _FEW_DIGITS else self._float(event, text)
        if _FLOAT.fullmatch(text):
            return self._float(event, text)
        if _BASED.fullmatch(text) and len(text) <= _FEW_DIGITS:
            return int(text, 0)
        if _NOT_FINITE.fullmatch(text):
            raise self._not_finite(event, text)
        return text

    def _float(self, event: Any, text: str) -> float:
        value = float(text)
        if value in (float("inf"), float("-inf")):
            raise self._not_finite(event, text)
        return value

    def _not_finite(self, event: Any, text: str) -> _Refused:
        at = event.start_mark
        return _Refused(
            "number-not-finite",
            f"{_short(text)} is no number that a devfile can hold.",
            line=at.line,
            column=at.column,
            path=self._path(here=True),
            hint="Quote it if it is meant as text.",
        )

    def _tagged(self, event: Any, text: str) -> Any:
        kind = event.tag.removeprefix(_TAG)
        if kind == "str":
            return text
        value = self._resolved(event, text)
        fits = _TAGGED.get(kind)
        if fits is None or not isinstance(value, fits) or (isinstance(value, bool) and kind != "bool"):
            raise self._bad_tag(event)
        return float(value) if kind == "float" and isinstance(value, int | float) else value

    def _bad_tag(self, event: Any) -> _Refused:
        at = event.start_mark
        return _Refused(
            "yaml-tag",
            f"The tag {_short(event.tag)!r} has no meaning in a devfile, or does not fit its value.",
            line=at.line,
            column=at.column,
            path=self._path(here=True),
            hint="Remove it; quote text that starts with '!'.",
        )

    def _path(self, *, here: bool = False) -> Path:
        steps: list[str | int] = []
        for index, frame in enumerate(self.stack):
            last = index == len(self.stack) - 1
            if isinstance(frame.value, Seq):
                if not last or here:
                    steps.append(len(frame.value) - (0 if last else 1))
            elif not last:
                # The open child was put under its key already: it is the newest one.
                steps.append(next(reversed(frame.value)))
            elif here and frame.key is not None:
                steps.append(frame.key)
        return tuple(steps)


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."


def _sentence(error: MarkedYAMLError) -> str:
    parts = [part for part in (error.context, error.problem) if part]
    return ", ".join(parts) or "it cannot be read"


def _syntax_hint(problem: str) -> str:
    if "tab" in problem or "cannot start any token" in problem:
        return "Indent with spaces, and quote text that starts with a tab, @ or `."
    if "mapping values are not allowed" in problem:
        return "Quote text that holds ': ', and look at the indentation."
    if (
        "could not find expected ':'" in problem
        or "block mapping" in problem
        or "expected <block end>" in problem
    ):
        return (
            "Look at the indentation of this line and of the one before, and at quotes that are not closed."
        )
    return "Look at this line and the one before it."
