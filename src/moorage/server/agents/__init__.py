"""Agents: registration, their one WebSocket, and the channels for logs and commands on it.

Must not: decide what should be (`workspaces`), or interpret an engine's words (the agent does).
"""
