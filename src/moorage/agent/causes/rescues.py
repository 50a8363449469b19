"""Causes of running an environment that a workspace is repaired from, in the place of its own.
Pure."""

from __future__ import annotations

import msgspec

from moorage.agent.causes.containers import MEND
from moorage.contract import Cause

_WAY_BACK = "restart it: that tries its own environment again. What is wrong in the devfile is mended there, and taken by a rebuild."


def asked_for() -> Cause:
    """The cause where its owner wanted it."""
    return Cause(code="rescue-asked", message="It was to be started for repair.")


def beginning(cause: Cause) -> Cause:
    """What is told while such an environment starts. `cause`: why the workspace's own does not
    run."""
    if cause.code == asked_for().code:
        return cause
    return Cause(
        code=cause.code,
        message=f"{cause.message} An environment to repair it from is started.",
        detail=cause.detail,
        since=cause.since,
    )


def in_rescue(cause: Cause, image: str) -> Cause:
    """What is told of a workspace that runs in one."""
    return Cause(
        code=cause.code,
        message=f"{cause.message} What runs is an environment to repair it from, with its files.",
        detail=cause.detail,
        hint=f"{cause.hint.replace(MEND, '')} Editor and terminal run in the image {image}, with a home of their own; the"
        f" workspace's is /projects/.home. When you are done, {_WAY_BACK}".strip(),
        since=cause.since,
    )


def rescue_failed(cause: Cause, then: Cause) -> Cause:
    """What is told where neither runs. `cause`: why its own environment did not; `then`: why the
    one to repair it from did not."""
    if cause.code == asked_for().code:
        return msgspec.structs.replace(
            then, message=f"The environment to repair it from does not run: {then.message}"
        )
    return Cause(
        code=cause.code,
        message=f"{cause.message} The environment to repair it from did not run, either: {then.message}",
        detail="\n".join(text for text in (cause.detail, then.detail) if text),
        hint=" ".join(dict.fromkeys(text for text in (cause.hint, then.hint) if text)),
        since=cause.since,
    )
