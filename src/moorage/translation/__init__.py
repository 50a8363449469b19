"""Step 2's decision: a flattened `Devfile`, a project and an editor → a `WorkspaceSpec`.

    flat = read(text, path=".devfile.yaml", resolver=resolver)  # or a devcontainer.json
    translation = to_workspace_spec(flat.devfile, project=project, editor=editor)
    translation.spec, (*flat.warnings, *translation.warnings)

Pure. What a workspace cannot do is a warning; what would make a workspace that cannot run is a
`DevfileError`.

Must not: do I/O, or know a runtime.
"""

from moorage.translation.devcontainer import Converted, from_devcontainer
from moorage.translation.sources import FILE_NAMES, read, shown
from moorage.translation.workspace import Options, Translation, to_workspace_spec

__all__ = [
    "FILE_NAMES",
    "Converted",
    "Options",
    "Translation",
    "from_devcontainer",
    "read",
    "shown",
    "to_workspace_spec",
]
