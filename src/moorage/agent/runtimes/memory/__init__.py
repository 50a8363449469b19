"""Workspaces that run nothing: an engine in memory, with which server, gateway and tests work as
with a real one.

`MemoryEngine` is what remains when an agent ends; `MemoryBackend` is an agent's connection to it.
"""

from moorage.agent.runtimes.memory.engine import MemoryEngine
from moorage.agent.runtimes.memory.runtime import MemoryBackend, MemoryRuntime

__all__ = ["MemoryBackend", "MemoryEngine", "MemoryRuntime"]
