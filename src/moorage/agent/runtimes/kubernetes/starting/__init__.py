"""Step 5 on Kubernetes: follows a start, from the first object to the editor's answer.

`progress` reads the stages of one start off its objects (pure), `clone` hears what the container says that clones, and `monitor`
does that for all workspaces, and asks for what the objects alone do not tell.

Must not: change anything in the cluster, but for handing credentials to the container that clones.
"""
