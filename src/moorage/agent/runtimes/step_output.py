"""What a postStart command writes, on its way from an engine."""

from __future__ import annotations

from collections.abc import Callable

from moorage.agent.causes import DETAIL_LIMIT

Heard = Callable[[bytes], None]
"""Takes what a command writes, as it comes."""
LINES = 20


class StepOutput:
    """Passes it on, and keeps its last lines."""

    def __init__(self, heard: Heard | None) -> None:
        self._heard = heard
        self._last = b""

    def add(self, data: bytes) -> None:
        self._last = (self._last + data)[-4 * DETAIL_LIMIT :]
        if self._heard is not None:
            self._heard(data)

    def reason(self, code: int) -> str:
        """The last lines of one that failed; "" of one that did not."""
        if code == 0:
            return ""
        lines = self._last.decode(errors="replace").splitlines(keepends=True)
        return "".join(lines[-LINES:])[-DETAIL_LIMIT:]
