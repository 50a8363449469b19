"""Text with places: YAML read safely, and what is wrong with it by line and column.

    tree = read(text, DevfileError)      # dicts, lists and scalars, each with its place
    report = Report(tree, DevfileError)  # collects problems and warnings with their places
    report.add("unknown-key", "There is no key 'nane'.", ("components", 0, "nane"), of_key=True)
    report.raise_if_any()

In the order of the work: `reading` (what can be told without parsing, syntax errors in plain
words), `building` (events → tree), `scalars`, `tree`, `reporting`, `problems`. `limits` bounds all
of it, so that any bytes are read or refused within a second and 200 MB. A `Kind` says how errors
call a document and which YAML it is written in; each kind has an error of its own.

Must not: do I/O, or know what a document means. Devfiles and workspace settings are built on it.
"""

from moorage.documents.kinds import YAML_1_1, YAML_1_2, Dialect, Kind
from moorage.documents.problems import DocumentError, Path, Problem
from moorage.documents.reading import read
from moorage.documents.reporting import Report
from moorage.documents.tree import Map, Place, Seq, locate, plain

__all__ = [
    "YAML_1_1",
    "YAML_1_2",
    "Dialect",
    "DocumentError",
    "Kind",
    "Map",
    "Path",
    "Place",
    "Problem",
    "Report",
    "Seq",
    "locate",
    "plain",
    "read",
]
