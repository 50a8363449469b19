"""Moorage: on-demand development environments on infrastructure that you own.

The packages, in the order of a workspace's way:

`devfile` (text to Devfile) → `server.workspaces` (to a `WorkspaceSpec` and a desired state) →
`contract` (what the processes exchange) → `agent` (actual state follows desired state) →
`server.routing` (states and grants to a route table) → `gateway` (route table to HAProxy). `kernel`
lies below all of them, `theme` is the look of every page, and `supervisor` and `cli` stand on top.
"""

__version__ = "0.1.0"
