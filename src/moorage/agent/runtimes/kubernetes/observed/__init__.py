"""Step 4 on Kubernetes: what the cluster has of each workspace, and what that means.

`store` keeps all objects in memory by one watch per kind; `managed_fields` finds what others added
to them. `states` and `observation` read a workspace's state off its objects, and `causes` turns the
cluster's words into causes (all pure). `containers` finds a container and its log, and `tails` the
last lines of those that ended.

Must not: write to the cluster.
"""
