"""Step 5 on Kubernetes: follows a start, from the first object to the editor's answer.

`progress` reads the stages of one start off its objects (pure), `messages` asks for what events
say, `followers` keeps a task for each clone that reads its log, and `monitor` does all of it for
all workspaces.

Must not: change anything in the cluster, but for handing credentials to the container that clones.
"""
