"""Runs workspaces: `port` says what a runtime does, each package beside it is one.

The modules beside `port` hold what all runtimes know; no runtime imports another.

Must not: decide whether something is to be done (`agent.workspaces.decide`), or know of the server.
"""
