"""Names every lock that several replicas of the server share, so that no two have the same
number."""

from __future__ import annotations

from enum import IntEnum


class Lock(IntEnum):
    """A key of PostgreSQL's advisory locks (PostgreSQL manual, 13.3.5).

    A number stays what it is: replicas of two versions run side by side while one is being
    upgraded.
    """

    MIGRATE = 0x6D6F6F72
    """Replicas that start together migrate one after the other."""
    SET_UP = 0x6D6F6F73
    """One of them makes what a fresh database needs."""
    CREDENTIALS = 0x6D6F6F61
    """Nobody else makes or ends tokens, links and sessions."""
    AGENTS = 0x6D6F6F7A
    """Names and zones of agents are looked at before one is added."""
    WORKSPACES = 0x6D6F6F6C
    """Workspaces are counted over all agents before one is created, where the installation has a
    limit."""


AGENT_CLAIMS = 0x6D6F
"""First half of the keys of claims to agents' connections; the second half is the agent's id."""
