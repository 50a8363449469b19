"""Step 1: text → validated, flattened `Devfile`. The Devfile specification for Python, usable on
its own.

    devfile = parse(text)                   # one document; DevfileError names all that is wrong
    flat = flatten(devfile, resolver)       # parent, plugins, overrides, variables
    flat.devfile, flat.warnings
    text = dump(flat.devfile)
    problems = refusals(devfile, "gitlab")  # what GitLab Workspaces would not take
    problems = refusals(devfile, "strict")  # what the specification forbids

In the order of the work: `loading` (text → tree with places, by `documents`), `schema` (the
published schemas), `rules` (what they do not say), `overrides`, `merging`, `variables`,
`flattening`, `profiles` (what others accept), `writing`. The limits of `documents` bound all of it:
any bytes give a Devfile or a `DevfileError` within a second and 200 MB.

Must not: do I/O (a `Resolver` is passed in), know what a workspace is, or import any Moorage
package but `documents` and `kernel`.
"""

from moorage.devfile.errors import DevfileError
from moorage.devfile.flattening import IMPORTED_FROM, Flattened, flatten
from moorage.devfile.model import Devfile
from moorage.devfile.parsing import FILE_NAMES, FOLDER, parse
from moorage.devfile.profiles import PROFILES, Profile, against_specification, refusals
from moorage.devfile.references import NoResolver, Reference, ResolutionError, Resolved, Resolver
from moorage.devfile.schema import VERSIONS
from moorage.devfile.writing import dump, to_yaml
from moorage.documents.problems import Problem

__all__ = [
    "FILE_NAMES",
    "FOLDER",
    "IMPORTED_FROM",
    "PROFILES",
    "VERSIONS",
    "Devfile",
    "DevfileError",
    "Flattened",
    "NoResolver",
    "Problem",
    "Profile",
    "Reference",
    "ResolutionError",
    "Resolved",
    "Resolver",
    "against_specification",
    "dump",
    "flatten",
    "parse",
    "refusals",
    "to_yaml",
]
