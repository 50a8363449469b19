"""The state that serving itself keeps in one process: open streams and commands, and what is
watched by them."""

from __future__ import annotations

from collections.abc import Iterable

from moorage.server.core import Core
from moorage.server.domain import Domain
from moorage.server.http.concurrency import Concurrency, Slot
from moorage.server.http.feeds import Feeds


def _parts(core: Core) -> Iterable[object]:
    settings = core.settings
    limits = {Slot.STREAM: settings.streams_per_person, Slot.COMMAND: settings.channels_per_person}
    return Feeds(), Concurrency(limits)


HTTP = Domain(name="http", parts=_parts)
