"""What to listen on for every address."""

from __future__ import annotations

import errno
import socket
from contextlib import ExitStack
from socket import AF_INET, AF_INET6

import pytest

from moorage.kernel.addresses import everywhere


def test_all_are_listened_on_at_once() -> None:
    """A socket for each, on one port, and whoever comes is known by the address that they have."""
    with ExitStack() as stack:
        port = 0
        for address in everywhere():
            family, own = (AF_INET6, "::1") if ":" in address else (AF_INET, "127.0.0.1")
            listening = stack.enter_context(socket.create_server((address, port), family=family))
            port = listening.getsockname()[1]
            stack.enter_context(socket.create_connection((own, port), timeout=5))
            accepted, (peer, *_) = listening.accept()
            stack.enter_context(accepted)
            assert peer == own


@pytest.mark.parametrize("has_ipv6", [True, False])
def test_a_kernel_without_ipv6(monkeypatch: pytest.MonkeyPatch, has_ipv6: bool) -> None:
    """It has no such sockets, and is listened on by IPv4 alone."""

    class Sockets(socket.socket):
        def __init__(self, family: int, *others: int) -> None:
            if family == AF_INET6 and not has_ipv6:
                raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
            super().__init__(AF_INET, *others)

        def bind(self, _: object) -> None:
            super().bind(("127.0.0.1", 0))

    monkeypatch.setattr(socket, "socket", Sockets)
    assert everywhere() == (("0.0.0.0", "::") if has_ipv6 else ("0.0.0.0",))
