"""Step 6 on Kubernetes: makes a workspace's objects as they are wanted.

`planning` decides by which settings a workspace is made, `drift` compares an object with the one
that is there, `changes` says what has to be written (all pure). `writer` writes it, `waiting` waits
for the end of what was asked for, `connection` holds what all of it works with. `start` and
`removal` are the port's actions; `scale_down` ends what has failed, and keeps its logs.

Must not: apply anything that `wanted` did not make, or touch what does not carry this agent's
labels.
"""
