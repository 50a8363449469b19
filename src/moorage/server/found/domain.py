"""The domain of what agents have and the server does not list, as the application takes it in."""

from __future__ import annotations

from moorage.server.domain import Domain
from moorage.server.found import removal
from moorage.server.found.changes import FoundChanged
from moorage.server.found.occupants import OCCUPANTS
from moorage.server.found.routes import api

FOUND = Domain(
    name="found",
    api=(api,),
    background={"server.found.removal": removal.keep},
    changes=(FoundChanged,),
    parts=lambda _core: (OCCUPANTS,),
)
