"""Workspaces that run nothing: an engine in memory, with which server, gateway and tests work as with a real one.

`MemoryEngine` is what remains when an agent ends; `MemoryRuntime` is an agent's view of it.
"""

from moorage.agent.runtimes.memory.engine import MemoryEngine
from moorage.agent.runtimes.memory.runtime import MemoryRuntime

__all__ = ["MemoryEngine", "MemoryRuntime"]
