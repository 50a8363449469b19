"""Bounds of the work on a document, so that any bytes are read or refused within a second and 200
MB.

A devfile in use has some hundred values; these are some hundred times that. `docs/devfile.md` names
them.
"""

from __future__ import annotations

MAX_BYTES = 3 * 1024 * 1024
"""Bytes of a document."""
MAX_DEPTH = 100
"""Mappings and lists inside of each other."""
MAX_NODES = 50_000
"""Values in a document, those that aliases repeat included; keys are not counted. A value costs 5
to 10 µs in all."""
MAX_TEXT = 2 * MAX_BYTES
"""Characters in all values, those that aliases and variables repeat included."""
MAX_DIRECTIVES = 4
"""Lines that start with `%`."""

MOST_PROBLEMS = 1000
"""Problems, and warnings, that are looked for: after so many the rest say nothing new."""
SHOWN = 100
"""Problems that one error carries; it says how many more there are."""
SUGGESTIONS = 30
"""Problems that come with a suggestion."""
COMPARISONS = 1000
"""Names that are compared in all, for suggestions: a pair may take 0.1 ms."""
