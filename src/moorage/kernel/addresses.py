"""What to listen on for every address of this machine."""

from __future__ import annotations

import socket

EVERYWHERE = "*"
"""In settings: every address, of IPv4 and of IPv6."""


def everywhere() -> tuple[str, ...]:
    """The addresses that stand for all of a family: IPv4's always, IPv6's where the kernel has IPv6. They are for two sockets,
    the second for IPv6 alone: one socket for both would show IPv4's peers as `::ffff:192.0.2.1`."""
    return ("0.0.0.0", "::") if _has_ipv6() else ("0.0.0.0",)  # noqa: S104 - asked for by name


def _has_ipv6() -> bool:
    """Python's `socket.has_ipv6` tells of its build alone."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::", 0))
    except OSError:
        return False
    return True
