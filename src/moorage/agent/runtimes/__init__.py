"""What can run workspaces: `port` says what a runtime does, each package beside it is one.

Must not: decide whether something is to be done (`agent.decide`), or know of the server.
"""
