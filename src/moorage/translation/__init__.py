"""Step 2's decision: a flattened `Devfile`, a project and an editor → a `WorkspaceSpec`.

    translation = to_workspace_spec(flat.devfile, project=project, editor=editor)
    translation.spec, translation.warnings

Pure. What a workspace cannot do is a warning; what would make a workspace that cannot run is a `DevfileError`. Also
here: `from_devcontainer` (devcontainer.json → Devfile).

Must not: do I/O, or know a runtime.
"""

from moorage.translation.devcontainer import Converted, from_devcontainer
from moorage.translation.workspace import Settings, Translation, to_workspace_spec

__all__ = ["Converted", "Settings", "Translation", "from_devcontainer", "to_workspace_spec"]
