"""Workspaces: what should be, what the agents say is, and how that is told.

`services` load, ask the pure functions of `decisions` and `view`, and store in one transaction.
"""
