"""Step 3 on Kubernetes: from a `WorkspaceSpec` and the agent's settings to Kubernetes objects.
Pure: dictionaries come out.

`plan` is what objects are made from, `names` how they are called and labelled. `objects` makes all
of them: the `namespace` with its limits, `volumes`, `secrets`, `network` policy and service, and
the Deployment's `pod`. That has the `containers` of the devfile and Moorage's own `sandbox`, each
with its `amounts` of the node, `security` context and `trust`. `records` keeps the server's word
about a workspace.

Must not: ask the cluster anything, or make anything that Pod Security `restricted` refuses unless a
setting says so.
"""
