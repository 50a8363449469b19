"""How errors call a document, and which YAML it is written in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from moorage.documents.scalars import CORE_WORDS, OLDER_WORDS

MERGE_KEY = "<<"


@dataclass(frozen=True, slots=True)
class Dialect:
    """How scalars, merges and repeated keys are read, in which readers of YAML differ.

    No dialect reads tags for objects, dates, or numbers in base 60.
    """

    words: Mapping[str, Any]
    """Plain scalars that are no text, with what they stand for."""
    merges: bool
    """Whether `<<: *name` takes over the keys of another mapping (of several, when it has a list).
    Keys that are written out, and mappings that come first, win. Else `<<` is a key like any
    other."""
    repeats: bool
    """Whether a key may stand twice in a mapping, where the last one counts. Else it is a
    problem."""


YAML_1_2 = Dialect(CORE_WORDS, merges=False, repeats=False)
"""The core schema of YAML 1.2 (10.3)."""
YAML_1_2_MERGING = Dialect(CORE_WORDS, merges=True, repeats=False)
"""The same with merge keys, which almost every reader of YAML 1.2 still takes."""
YAML_1_1 = Dialect(OLDER_WORDS, merges=True, repeats=True)
"""The older YAML that most libraries still read, GitLab's among them: `yes` and `off` are booleans
(https://yaml.org/type/bool.html), and mappings are merged (https://yaml.org/type/merge.html)."""


@dataclass(frozen=True, slots=True)
class Kind:
    name: str
    """In sentences: "The <name> is nested too deep."."""
    example: str
    """A line that such a document may begin with."""
    field: str
    """The field of a request that such a text comes in: it is where errors belong."""
    dialect: Dialect = YAML_1_2
    may_be_empty: bool = False
    """Whether a text without a value is a mapping without keys."""
