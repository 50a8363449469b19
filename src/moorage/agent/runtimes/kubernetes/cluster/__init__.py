"""Step 2 on Kubernetes: the cluster that an agent is in.

`rights` is what the agent may do there, `abilities` what the cluster can do, which `discovery`
asks; `pull_secrets` reads the sources of image pull secrets.

Must not: make or change anything.
"""
