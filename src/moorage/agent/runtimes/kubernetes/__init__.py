"""Step 4 on Kubernetes: a workspace as objects of a cluster, and what the cluster says about them.

Six steps, each of which imports only from those before it: `api` asks the API server, `cluster`
knows what the cluster can do, `wanted` turns a `WorkspaceSpec` into objects (pure), `observed`
keeps what there is and says what it means, `starting` follows a start, `apply` writes what differs.
`runtime` is the `Runtime` made of these.

Must not: apply anything that `wanted` did not make, or touch what does not carry this agent's
labels.
"""
