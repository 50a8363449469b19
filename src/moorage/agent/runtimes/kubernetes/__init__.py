"""Step 4 on Kubernetes: a workspace as objects of a cluster, and what the cluster says about them.

`workspace_settings` and `abilities` say what is wanted and what the cluster can do; `objects` turns a `WorkspaceSpec` into plain
objects (pure); `drift` compares them with what is there (pure); `client` and `store` talk to the API server; `states` and
`causes` read the cluster's words (pure); `runtime` is the `Runtime` made of these.

Must not: apply anything that `objects` did not make, or touch what does not carry this agent's labels.
"""
