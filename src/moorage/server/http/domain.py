"""What serving itself keeps in one process: open streams and commands, and what is watched by them."""

from __future__ import annotations

from collections.abc import Iterable

from moorage.server.core import Core
from moorage.server.domain import Domain
from moorage.server.http.feeds import Feeds
from moorage.server.http.places import Place, Places


def _parts(core: Core) -> Iterable[object]:
    settings = core.settings
    limits = {Place.STREAM: settings.streams_per_person, Place.COMMAND: settings.channels_per_person}
    return Feeds(), Places(limits)


HTTP = Domain(name="http", parts=_parts)
