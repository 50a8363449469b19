"""When another environment takes the place of a workspace's own, for its repair. Pure.

By itself where the main container cannot run: whoever is to mend that needs a way in. What fails
before (an image that is not to be had, a clone, a preStart step, a quota) fails as it is: mostly
nothing is there yet to be repaired, and often only time is needed. There its owner may ask for it.
"""

from __future__ import annotations

from moorage.agent import causes
from moorage.agent.runtimes.port import Rescue, Run
from moorage.contract import Cause, DesiredWorkspace, images

BY_ITSELF = frozenset(
    {
        "command-not-executable",
        "command-not-found",
        "container-crashed",
        "editor-crashed",
        "editor-port-not-open",
        "image-glibc-too-old",
        "image-without-glibc",
        "out-of-memory",
        "wrong-architecture",
    }
)
"""Codes of causes for which a main container cannot run."""


def wanted(desired: DesiredWorkspace, pending: Rescue | None, image: str) -> Rescue | None:
    """What a start makes: None is the workspace's own environment. `pending`: what has been decided
    on since its owner last asked for anything; `image`: the agent's own setting, or ""."""
    if desired.rescue:
        return Rescue(image=_image(desired, image), cause=causes.asked_for())
    return pending


def after(
    desired: DesiredWorkspace,
    run: Run | None,
    cause: Cause,
    pending: Rescue | None,
    *,
    image: str,
    by_itself: bool,
) -> Rescue | None:
    """What is started instead of what cannot run for that `cause`; None: nothing.
    `by_itself`: whether the agent may without being asked."""
    tried = pending is not None or desired.rescue or (run is not None and run.rescue is not None)
    if tried or not by_itself or cause.code not in BY_ITSELF:
        return None
    return Rescue(image=_image(desired, image), cause=cause)


def _image(desired: DesiredWorkspace, own: str) -> str:
    return own or desired.rescue_image or images.DEFAULT
