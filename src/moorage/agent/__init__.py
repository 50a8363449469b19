"""Step 4: makes actual state equal desired state, and reports it.

Read in this order: `main` (puts the process together), `connection` (what the server wants comes
in), `channels` (logs and commands), `workspaces` (makes each what it should be), `runtimes` (which
run them), `causes` (why something is not as it should be; pure). Imports point the same way, and
`make check` says so.

Must not: apply anything that it did not generate itself from a `WorkspaceSpec`.
"""
