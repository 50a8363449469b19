"""Workspaces as containers of a Docker or Podman engine.

`objects` (spec → bodies of create requests; pure) → `start` (applies them, as much as possible at a time) → `observe`
(what is there, as `Observed`) → `watch` (clone and editor, until ready) → `runtime` (all of it behind the port).
"""
