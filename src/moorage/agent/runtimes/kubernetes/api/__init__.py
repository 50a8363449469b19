"""Step 1 on Kubernetes: requests to the API server, and what it answers.

`access` finds the server, `client` asks it within the rate that `rate` allows. `model` has the
parts of objects that the agent reads, `resources` their kinds and places. `commands` runs a command
in a container. `errors` says why a request failed, and `faults` turns that into what the port
promises.

Must not: know what a workspace is.
"""
