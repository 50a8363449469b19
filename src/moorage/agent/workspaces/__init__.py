"""Makes each workspace what the server wants it to be, and reports on it.

Read in this order: `fleet` (all workspaces of this agent), `loop` (one task per workspace),
`decide` (desired and observed → what to do next; pure), `actions` and `steps` (which do it through
a runtime), `reports` and `found` (what the server is told; pure), `settings` (what workspaces are
made by).

Must not: know the connection to the server, or which runtime it works with.
"""
