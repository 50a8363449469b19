"""Step 3 on Kubernetes: from a `WorkspaceSpec` and the agent's settings to Kubernetes objects. Pure: dictionaries come out.

`pod` is the workspace itself, `amounts` what its containers may use, `around` what it stands in, `trust` the CA bundle and
proxies, `records` what the server said of it; `names` holds what they are made from, and their names and labels. `objects` is all
of it together.

Must not: ask the cluster anything, or make anything that Pod Security `restricted` refuses unless a setting says so.
"""
