"""Causes of an engine that refuses, or does not answer. Pure."""

from __future__ import annotations

from moorage.agent.causes.images import wrong_architecture
from moorage.agent.causes.verdict import (
    FILE_WATCHERS,
    NO_SPACE,
    Verdict,
    make_cause,
    matches,
    no_space,
    no_watchers,
)

_PASSING = (
    "is ambiguous",
    "context deadline exceeded",
    "is reserved for",
    "name .* (is )?already in use",
    "timed out",
    "(secret|configmap) .*not found",
    "server is busy",
    "ttrpc: closed",
    "transport is closing",
)
"""Words of an engine that could not do something yet."""


def engine_unreachable(host: str, detail: str) -> Verdict:
    hint = "Start the engine, or set docker_host under [agent]; the agent goes on trying."
    if matches(detail, "permission denied"):
        hint = f"Give the agent's user access to {host} (for Docker: the group docker), or run the agent as root."
    return Verdict(
        make_cause("engine-unreachable", f"No container engine answers at {host}.", detail, hint),
        False,
    )


def engine_slow(host: str, doing: str, seconds: float) -> Verdict:
    return Verdict(
        make_cause(
            "engine-slow",
            f"The container engine at {host} did not answer within {seconds:.0f} s while {doing}.",
            hint="The machine may be overloaded; the agent goes on trying.",
        ),
        False,
    )


def of_engine(doing: str, status: int, message: str) -> Verdict:
    """The cause of a request that the engine refused.

    `doing`: "starting container py"; `status`: as in HTTP.
    """
    if matches(message, *FILE_WATCHERS):
        return no_watchers(f"The engine failed while {doing}", message)
    if matches(message, *NO_SPACE):
        return no_space("for containers and volumes", message)
    if matches(
        message, "namespace path", "cannot join network", "non running container", "is not running"
    ):
        return Verdict(
            make_cause(
                "network-gone",
                f"The container that holds the workspace's network ended while {doing}.",
                message,
                "The agent goes on trying.",
            ),
            False,
        )
    if matches(message, "exec format error"):
        return wrong_architecture("", "", message)
    if (verdict := _of_devfile(message)) is not None:
        return verdict
    final = status == 400 and not matches(message, *_PASSING)
    return Verdict(
        make_cause(
            "engine-refused",
            f"The container engine refused {doing}.",
            message,
            "The engine's own words are below." if final else "The agent goes on trying.",
        ),
        final,
    )


def _of_devfile(message: str) -> Verdict | None:
    """The cause of a refusal that the devfile is to blame for; None: it is not."""
    if matches(
        message, r"invalid mount config|invalid volume specification|mount path must be absolute"
    ):
        return Verdict(
            make_cause(
                "mount-invalid",
                "A volume mount of the devfile is not possible.",
                message,
                "Change its path.",
            ),
            True,
        )
    if matches(
        message,
        r"executable file .{0,300}not found|no such file or directory: unknown|stat .* no such file"
        r"|open executable: no such file",
    ):
        return Verdict(
            make_cause(
                "command-not-found",
                "A container's command does not exist in its image.",
                message,
                "Correct `command` in the devfile, or choose an image that has it.",
            ),
            True,
        )
    if matches(
        message,
        "permission denied: unknown",
        r"exec: .{0,300}: permission denied",
        "open executable: permission denied",
    ):
        return Verdict(
            make_cause(
                "command-not-executable",
                "A container's command may not be executed by user 5001.",
                message,
                "Make the program executable for everybody, or for group 0, in the image.",
            ),
            True,
        )
    return None


def pool_exhausted(pool: str) -> Verdict:
    return Verdict(
        make_cause(
            "network-pool-exhausted",
            f"All networks of {pool} are in use: no more workspaces can run here at a time.",
            hint="Stop a workspace, or give the agent a larger network_pool.",
        ),
        False,
    )
