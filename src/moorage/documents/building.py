"""libyaml's events → tree, with limits that hold for any bytes.

Why not a loader: those at hand resolve scalars as YAML 1.1 does (`no` a boolean, `0755` octal),
recurse on the C stack, and build every alias's target anew or endlessly. Events cost about a
microsecond each and decide nothing.
"""

from __future__ import annotations

from typing import Any

from yaml import events

from moorage.documents import scalars
from moorage.documents.kinds import MERGE_KEY, Kind
from moorage.documents.limits import MAX_DEPTH, MAX_NODES, MAX_TEXT
from moorage.documents.problems import Path, short
from moorage.documents.scalars import STARTS, TAG
from moorage.documents.tree import BITS, POSITION, Map, Seq, place_of, position


class Refused(Exception):
    """A document's YAML is wrong. `line` and `column` count from 0."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        line: int = 0,
        column: int = 0,
        path: Path = (),
        hint: str = "",
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.hint, self.path = code, message, hint, path
        self.line, self.column = line, column


class _Frame:
    """A collection that is being read."""

    __slots__ = (
        "anchor",
        "is_map",
        "key",
        "key_at",
        "marks",
        "merges",
        "nodes_before",
        "text_before",
        "value",
    )

    def __init__(self, value: Any, anchor: str | None, nodes: int, text: int) -> None:
        self.value = value
        self.marks = value.marks
        self.is_map = type(value) is Map
        self.anchor = anchor
        self.key: str | None = None
        """The key whose value comes next, in a mapping."""
        self.key_at = 0
        self.merges = False
        """Whether it has a `<<` that is no text in quotes."""
        self.nodes_before = nodes
        self.text_before = text


class Builder:
    """Builds one document's tree. `source` is the number that its marks carry."""

    def __init__(self, kind: Kind, source: int = 0) -> None:
        self.kind = kind
        self.words = kind.dialect.words
        self.source = source << POSITION
        self.document = Seq()
        """Holds the root, so that every value stands in a collection."""
        self.frame = _Frame(self.document, None, 0, 0)
        """The innermost open collection."""
        self.outer: list[_Frame] = []
        """Collections around it, the outermost first."""
        self.anchors: dict[str, tuple[Any, int, int]] = {}
        self.open_anchors: set[str] = set()
        self.nodes = 0
        self.text = 0
        self.handlers = {
            events.MappingStartEvent: self._start,
            events.SequenceStartEvent: self._start,
            events.MappingEndEvent: self._end,
            events.SequenceEndEvent: self._end,
            events.AliasEvent: self._alias,
            events.DocumentStartEvent: self._next_document,
            events.StreamStartEvent: self._nothing,
            events.DocumentEndEvent: self._nothing,
        }

    def build(self, parser: Any) -> Any:
        """The root; None when there is none. Raises `Refused`, and what the parser raises.

        What happens to a scalar stands here and not in parts: it happens a quarter of a million
        times.
        """
        next_event = parser.get_event
        handlers, words = self.handlers, self.words
        scalar_event, end_event = events.ScalarEvent, events.StreamEndEvent
        while True:
            event = next_event()
            kind = type(event)
            if kind is not scalar_event:
                if kind is end_event:
                    return self.document[0] if self.document else None
                handlers[kind](event)
                continue
            at = event.start_mark
            where = at.line << BITS | at.column  # `position`, without a call
            value = text = event.value
            frame = self.frame
            if frame.is_map and frame.key is None:
                self._key(event, text, where)
            else:
                self.nodes += 1
                self.text += len(text)
                if self.nodes > MAX_NODES:
                    raise self._too_many(event)
                if event.implicit[0]:
                    if not text or text[0] in STARTS or text in words:
                        value = self._resolved(event, text)
                elif event.tag is not None and event.tag != "!":
                    value = self._resolved(event, text)
                self._put(value, where)
            if event.anchor:
                self.anchors[event.anchor] = (value, 1, len(text))

    def _key(self, event: Any, key: str, where: int) -> None:
        frame = self.frame
        if key in frame.value:
            if not self.kind.dialect.repeats:
                raise self._repeated(event, key)
            del frame.value[key], frame.marks[key]
        if key == MERGE_KEY and type(event) is events.ScalarEvent and event.implicit[0]:
            frame.merges = self.kind.dialect.merges
        frame.key = key
        frame.key_at = where

    def _put(self, value: Any, where: int) -> None:
        """Puts a value where it belongs. The document or a list takes it as its next item, a
        mapping under its key."""
        frame = self.frame
        if frame.is_map:
            frame.value[frame.key] = value
            frame.marks[frame.key] = (self.source | frame.key_at) << POSITION | where
            frame.key = None
        else:
            frame.value.append(value)
            frame.marks.append((self.source | where) << POSITION | where)

    def _start(self, event: Any) -> None:
        at = event.start_mark
        value: Map | Seq
        if type(event) is events.MappingStartEvent:
            value, expected = Map(), TAG + "map"
        else:
            value, expected = Seq(), TAG + "seq"
        if event.tag not in (None, "!", expected):
            raise self._bad_tag(event)
        if self.frame.is_map and self.frame.key is None:
            raise Refused(
                "key-not-text",
                "A key must be plain text, not a list or a mapping.",
                line=at.line,
                column=at.column,
                path=self._path(),
                hint="Quote text that starts with '{' or '[', for instance '{{name}}'.",
            )
        if len(self.outer) >= MAX_DEPTH:
            raise Refused(
                "too-deep",
                f"The {self.kind.name} is nested deeper than {MAX_DEPTH} levels.",
                line=at.line,
                column=at.column,
                hint="Lists and mappings lie inside of each other here: look for brackets that are not closed.",
            )
        frame = _Frame(value, event.anchor, self.nodes, self.text)
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise self._too_many(event)
        self._put(value, position(at.line, at.column))
        if event.anchor:
            self.open_anchors.add(event.anchor)
        self.outer.append(self.frame)
        self.frame = frame

    def _end(self, _: Any) -> None:
        frame = self.frame
        if frame.merges:
            self._merge(frame.value)
        self.frame = self.outer.pop()
        if frame.anchor:
            self.open_anchors.discard(frame.anchor)
            self.anchors[frame.anchor] = (
                frame.value,
                self.nodes - frame.nodes_before,
                self.text - frame.text_before,
            )

    def _merge(self, taker: Map) -> None:
        """Puts the keys of what `<<` names in the place of `<<`. Their marks stay those of where
        they are written."""
        at = place_of(taker.marks[MERGE_KEY], of_key=True)
        given = taker.pop(MERGE_KEY)
        del taker.marks[MERGE_KEY]
        for giver in given if isinstance(given, Seq) else [given]:
            if not isinstance(giver, Map):
                raise Refused(
                    "merge-not-mapping",
                    "The key << takes over mappings, and this is none.",
                    line=at.line - 1,
                    column=at.column - 1,
                    path=self._path(),
                    hint="Name a mapping by its alias, as in '<<: *name', or a list of mappings.",
                )
            for key, value in giver.items():
                if key not in taker:
                    taker[key] = value
                    taker.marks[key] = giver.marks[key]

    def _alias(self, event: Any) -> None:
        at = event.start_mark
        if event.anchor in self.open_anchors:
            raise Refused(
                "alias-cycle",
                f"The alias *{short(event.anchor)} stands inside of what it names.",
                line=at.line,
                column=at.column,
                path=self._path(),
                hint="Write the value out.",
            )
        known = self.anchors.get(event.anchor)
        if known is None:
            raise Refused(
                "alias-unknown",
                f"Nothing before this is marked &{short(event.anchor)}.",
                line=at.line,
                column=at.column,
                path=self._path(),
                hint="Quote text that starts with '*'.",
            )
        value, nodes, text = known
        self.nodes += nodes
        self.text += text
        if self.nodes > MAX_NODES or self.text > MAX_TEXT:
            raise self._too_many(event)
        where = position(at.line, at.column)
        if not self.frame.is_map or self.frame.key is not None:
            self._put(value, where)
            return
        if not isinstance(value, str):
            raise Refused(
                "key-not-text",
                "A key must be plain text.",
                line=at.line,
                column=at.column,
                path=self._path(),
                hint="Write the key out.",
            )
        self._key(event, value, where)

    def _next_document(self, event: Any) -> None:
        if self.document:
            at = event.start_mark
            raise Refused(
                "several-documents",
                "The file holds more than one YAML document.",
                line=at.line,
                column=at.column,
                hint=f"Keep one {self.kind.name} in a file; remove the line '---' and what follows it.",
            )

    def _nothing(self, _: Any) -> None:
        """Handles an event that says nothing about the tree."""

    def _resolved(self, event: Any, text: str) -> Any:
        try:
            return (
                scalars.resolved(text, self.words)
                if event.implicit[0]
                else scalars.tagged(event.tag, text, self.words)
            )
        except scalars.TagError:
            raise self._bad_tag(event) from None
        except scalars.NotFiniteError:
            at = event.start_mark
            raise Refused(
                "number-not-finite",
                f"{short(text)} is no number that a {self.kind.name} can hold.",
                line=at.line,
                column=at.column,
                path=self._path(here=True),
                hint="Quote it if it is meant as text.",
            ) from None

    def _repeated(self, event: Any, key: str) -> Refused:
        at = event.start_mark
        return Refused(
            "duplicate-key",
            f"The key {short(key)!r} stands here twice.",
            line=at.line,
            column=at.column,
            path=(*self._path(), key),
            hint="Remove one of the two, or join what they hold.",
        )

    def _too_many(self, event: Any) -> Refused:
        at = event.start_mark
        return Refused(
            "too-many-values",
            f"The {self.kind.name} holds more than {MAX_NODES} values or {MAX_TEXT} characters, repeated ones included.",
            line=at.line,
            column=at.column,
            hint="Keep long lists in files of their own, and look for aliases (*name) that repeat large parts.",
        )

    def _bad_tag(self, event: Any) -> Refused:
        at = event.start_mark
        return Refused(
            "yaml-tag",
            f"The tag {short(event.tag)!r} has no meaning in a {self.kind.name}, or does not fit its value.",
            line=at.line,
            column=at.column,
            path=self._path(here=True),
            hint="Remove it; quote text that starts with '!'.",
        )

    def _path(self, *, here: bool = False) -> Path:
        """Where the open collection stands; `here`: where its next value will."""
        # The open child was put in already: it is the newest one.
        steps: list[str | int] = [
            next(reversed(frame.value)) if frame.is_map else len(frame.value) - 1
            for frame in self.outer[1:]
        ]
        if here and self.outer:
            if not self.frame.is_map:
                steps.append(len(self.frame.value))
            elif self.frame.key is not None:
                steps.append(self.frame.key)
        return tuple(steps)
