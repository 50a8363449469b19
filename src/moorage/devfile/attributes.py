"""Free-form attributes of a devfile that other tools give a meaning to."""

from __future__ import annotations

INJECT_EDITOR = "gl/inject-editor"
"""Marks the component that gets the editor (GitLab Workspaces)."""
MERGE_CONTRIBUTION = "controller.devfile.io/merge-contribution"
"""The same in Eclipse Che."""
OVERRIDE_COMMAND = "overrideCommand"
"""Whether a container's own command is replaced by one that only lives (GitLab Workspaces)."""
POD_OVERRIDES = "pod-overrides"
CONTAINER_OVERRIDES = "container-overrides"
OVERRIDES = (POD_OVERRIDES, CONTAINER_OVERRIDES)
"""Patches to Kubernetes objects (DevWorkspace operator)."""
