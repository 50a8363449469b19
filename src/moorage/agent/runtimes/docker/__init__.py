"""Workspaces as containers of a Docker or Podman engine.

Read in this order: `access`, `streams` and `engine` (the engine's API), `objects` and `limits`
(spec → bodies of create requests; pure), `start` (applies them, as much as possible at a time, with
`images`, `networks` and `shared_volumes`), `monitor` and `progress` (clone and editor, until
ready), `inventory`, `observe` and `records` (what is there, as `Observed`), `removal`, `commands`,
`guard` and `disk` (what is kept from others), `runtime` and `backend` (all of it behind the port).
"""
