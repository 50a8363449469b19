"""Step 2's decision: a flattened `Devfile`, a project and an editor → a `WorkspaceSpec`.

    translation = to_workspace_spec(flat.devfile, project=project, editor=editor)
    translation.spec, translation.warnings

Pure. What a workspace cannot do is a warning; what would make a workspace that cannot run is a `DevfileError`. Also
here: `devcontainer` (devcontainer.json → Devfile).

Must not: do I/O, or know a runtime.
"""

from moorage.translation.workspace import Settings, Translation, to_workspace_spec

__all__ = ["Settings", "Translation", "to_workspace_spec"]
