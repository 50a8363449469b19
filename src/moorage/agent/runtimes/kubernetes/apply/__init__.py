"""Step 6 on Kubernetes: makes a workspace's objects as they are wanted.

`planning` decides by which settings a workspace is made (pure), `drift` compares an object with the one that is there (pure),
`reconcile` writes what differs, `scale_down` ends what has failed and keeps its logs, `waiting` waits for the end of what was asked for.

Must not: apply anything that `wanted` did not make, or touch what does not carry this agent's labels.
"""
