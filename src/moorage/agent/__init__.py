"""Step 4: makes actual state equal desired state, and reports it.

Must not: apply anything that it did not generate itself from a `WorkspaceSpec`.
"""
