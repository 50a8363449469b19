"""Step 4: makes actual state equal desired state, and reports it.

Read in this order: `connection` (what the server wants comes in), `loop` (one queue per workspace), `decide` (desired and
observed → what to do next; pure), `runtimes` (which does it), `stages` and `causes` (what is said of it; pure).

Must not: apply anything that it did not generate itself from a `WorkspaceSpec`.
"""
