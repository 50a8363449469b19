"""Free-form attributes of a devfile that other tools give a meaning to."""

from __future__ import annotations

INJECT_EDITOR = "gl/inject-editor"
"""Marks the component that gets the editor (GitLab Workspaces)."""
POD_OVERRIDES = "pod-overrides"
CONTAINER_OVERRIDES = "container-overrides"
OVERRIDES = (POD_OVERRIDES, CONTAINER_OVERRIDES)
"""Patches to Kubernetes objects (DevWorkspace operator)."""
