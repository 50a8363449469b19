"""An engine in memory: objects, what happens to them, and who hears of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from moorage.agent.runtimes.port import Known, Rescue, Role
from moorage.contract import Cause, ContainerState, DesiredWorkspace
from moorage.kernel.clock import Clock


@dataclass
class MemoryContainer:
    """A container that runs nothing."""

    name: str
    role: Role
    image: str
    state: ContainerState
    started_at: float
    exit_code: int | None = None
    finished_at: float | None = None
    output: list[bytes] = field(default_factory=list)
    steps: dict[str, tuple[int, bytes]] = field(default_factory=dict)


@dataclass
class MemoryWorkspace:
    """`made_for`: what the containers were made from; None while there are none."""

    volumes: set[str] = field(default_factory=set)
    """As `Observed.volumes`."""
    network: bool = False
    made_for: DesiredWorkspace | None = None
    received: float = 0.0
    address: str = ""
    containers: dict[str, MemoryContainer] = field(default_factory=dict)
    fault: Cause | None = None
    settings: int = 0
    """Version of the settings that the containers were made by."""
    known: Known | None = None
    rescue: Rescue | None = None
    side_faults: dict[str, Cause] = field(default_factory=dict)
    """Why side containers could not be brought up."""


class MemoryEngine:
    """An engine that outlives the agents that use it."""

    def __init__(self) -> None:
        self.workspaces: dict[str, MemoryWorkspace] = {}
        self.missing_images: set[str] = set()
        """Images that no registry has."""
        self.crashing_images: dict[str, int] = {}
        """Images whose containers end at once, with that exit code."""
        self.closed_repositories: set[str] = set()
        """URLs that refuse to be cloned."""
        self.answers = True
        self._heard: list[Callable[[str], None]] = []
        self._addresses = 1

    def listen(self, hear: Callable[[str], None]) -> Callable[[], None]:
        """`hear` is called with a workspace's name whenever it has changed; what is returned ends
        that."""
        self._heard.append(hear)
        return lambda: self._heard.remove(hear)

    def changed(self, name: str) -> None:
        for hear in list(self._heard):
            hear(name)

    def new_address(self) -> str:
        self._addresses += 1
        return f"127.{self._addresses >> 16 & 255}.{self._addresses >> 8 & 255}.{self._addresses & 255}"

    def end_container(self, workspace: str, container: str, code: int, clock: Clock) -> None:
        """As if its process had ended."""
        found = self.workspaces[workspace].containers[container]
        found.state, found.exit_code, found.finished_at = ContainerState.EXITED, code, clock.now()
        self.changed(workspace)

    def lose_volume(self, workspace: str, volume: str = "") -> None:
        """As if somebody had removed it by hand."""
        self.workspaces[workspace].volumes.remove(volume)
        self.changed(workspace)

    def lose_container(self, workspace: str, container: str) -> None:
        """As if somebody had removed it by hand."""
        del self.workspaces[workspace].containers[container]
        self.changed(workspace)
