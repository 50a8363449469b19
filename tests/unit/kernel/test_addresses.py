"""What to listen on for every address, and what may be connected to."""

from __future__ import annotations

import errno
import ipaddress
import socket
from contextlib import ExitStack
from socket import AF_INET, AF_INET6

import pytest

from address_forms import METADATA, forms_of
from moorage.kernel.addresses import (
    Egress,
    canonical_host,
    connected_at,
    everywhere,
    leads_back,
    workspace_address,
)


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


@pytest.mark.parametrize(
    "address",
    [
        # IPv4
        "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.8.8.8", "168.63.129.16",
        "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.192", "192.0.2.1", "192.88.99.1",
        "192.168.1.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1",
        "255.255.255.255",
        # IPv6
        "::", "::1", "100::1", "2001:db8::1", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fd20:ce::254", "fe80::1",
        "fe80::1%eth0", "2606:4700::1%eth0", "fec0::1", "ff02::1", "4000::1", "e000::1",
        # IPv4 in IPv6's form: mapped, compatible, translated, NAT64, 6to4, Teredo, ISATAP
        "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::a9fe:a9fe", "::127.0.0.1", "::8.8.8.8", "::ffff:0:10.0.0.1",
        "64:ff9b::a9fe:a9fe", "64:ff9b::7f00:1", "64:ff9b::100.64.0.1", "64:ff9b:1::a9fe:a9fe", "64:ff9b:1::8.8.8.8",
        "2002:a9fe:a9fe::1", "2002:7f00:1::", "2002:808:808::1", "2001:0:a9fe:a9fe::1", "2001::5601:5601",
        "2606:4700::5efe:10.0.0.1", "2606:4700::200:5efe:169.254.169.254", "2606:4700::200:5efe:8.8.8.8",
        # no addresses
        "", "127.1", "2130706433", "0x7f000001", "017700000001", "localhost", "\uff11\uff12\uff17.0.0.1",
    ],
)  # fmt: skip
def test_what_is_not_public_is_not_reached(address: str) -> None:
    """Without a list, connections go to public addresses alone, whichever way an address is written
    or packed; one that is not public closes all that a name leads to."""
    assert not Egress().permits("git.example.com", 443, [address])
    assert not Egress().permits("git.example.com", 443, ["8.8.8.8", address])


@pytest.mark.parametrize(
    "inner",
    [METADATA, "100.100.100.200", "168.63.129.16", "192.0.0.192", "224.0.0.1", "169.254.1.1"],
)
def test_no_form_of_what_is_never_reached_is(inner: str) -> None:
    """Neither without a list nor by one that opens everything: however an IPv6 address holds it,
    and for workspaces, too."""
    for form, address in forms_of(inner).items():
        assert not Egress().permits("git.example.com", 443, [address]), form
        assert not Egress.of(["::/0", "0.0.0.0/0", "*.example.com"]).permits(
            "git.example.com", 443, [address]
        ), form
        with pytest.raises(ValueError, match="it is"):
            workspace_address(address)


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "172.32.0.1", "100.128.0.1", "198.20.0.1", "2606:4700::6810:84e5", "2001:4860:4860::8888", "2a01:4f8::1",
     "64:ff9b::808:808", "::ffff:8.8.8.8"],
)  # fmt: skip
def test_public_addresses_are_reached(address: str) -> None:
    """No list is needed for them; NAT64's form of a public one is public."""
    assert Egress().permits("git.example.com", 443, [address])


def test_a_host_without_an_address_is_not_reached() -> None:
    """Nothing was checked then."""
    assert not Egress.of(["git.example.com"]).permits("git.example.com", 443, [])


@pytest.mark.parametrize(
    ("entry", "host", "port", "address", "permitted"),
    [
        ("10.1.0.0/16", "git", 443, "10.1.2.3", True),
        ("10.1.0.0/16", "git", 443, "::ffff:10.1.2.3", True),
        ("10.1.0.0/16", "git", 443, "64:ff9b::10.1.2.3", True),
        ("10.1.0.0/16", "git", 443, "2002:a01:203::1", False),
        ("10.1.0.0/16", "git", 443, "10.2.0.1", False),
        ("172.17.0.1:8418", "172.17.0.1", 8418, "172.17.0.1", True),
        ("172.17.0.1:8418", "172.17.0.1", 80, "172.17.0.1", False),
        ("172.17.0.1:8418", "172.17.0.2", 8418, "172.17.0.2", False),
        ("10.0.0.0/8:443", "git", 443, "10.0.0.1", True),
        ("fd00::/64", "git", 443, "fd00::1", True),
        ("[fd00::1]:443", "fd00::1", 443, "fd00::1", True),
        ("[fd00::1]:443", "fd00::1", 80, "fd00::1", False),
        ("::1", "::1", 80, "::1", True),
        ("Git.Corp.example.", "git.corp.example", 443, "10.0.0.1", True),
        ("git.corp.example", "a.git.corp.example", 443, "10.0.0.1", False),
        ("*.corp.example:8443", "git.corp.example", 8443, "10.0.0.1", True),
        ("*.corp.example:8443", "git.corp.example", 443, "10.0.0.1", False),
        ("*.corp.example", "corp.example", 443, "10.0.0.1", False),
        ("*.corp.example", "evilcorp.example", 443, "10.0.0.1", False),
        ("*.corp.example", "git.corp.example", 443, "169.254.169.254", False),
        ("0.0.0.0/0", "git", 443, "127.0.0.1", True),
        ("0.0.0.0/0", "git", 443, "169.254.169.254", False),
        ("0.0.0.0/0", "git", 443, "100.100.100.200", False),
        ("0.0.0.0/0", "git", 443, "168.63.129.16", False),
        ("0.0.0.0/0", "git", 443, "0.0.0.0", False),
        ("::/0", "git", 443, "::1", True),
        ("::/0", "git", 443, "fd00:ec2::254", False),
        ("fd00::/8", "git", 443, "fd00:ec2::23", False),
        ("fd00::/8", "git", 443, "fd00:c1::a9fe:a9fe", False),
        ("fd00::/8", "git", 443, "fd00:100::100:200", False),
        ("fd00::/8", "git", 443, "fd00:42::42", False),
        ("fd00::/8", "git", 443, "fd00:a9fe:a9fe::1", False),
        ("fd00::/8", "git", 443, "fd00:42::43", True),
        ("::/0", "git", 443, "fe80::1", False),
        ("::/0", "git", 443, "::a9fe:a9fe", False),
        ("::/0", "git", 443, "2002:a9fe:a9fe::1", False),
        ("::/0", "git", 443, "2001:0:a9fe:a9fe::1", False),
        ("::/0", "git", 443, "64:ff9b:1::a9fe:a9fe", False),
        ("::/0", "git", 443, "fd00::5efe:a9fe:a9fe", False),
        ("::/0", "git", 443, "64:ff9b:1::10.0.0.1", True),
    ],
)  # fmt: skip
def test_what_an_operator_lists_is_reached(
    entry: str, host: str, port: int, address: str, permitted: bool
) -> None:
    """A network, an address, a name, each with a port or with all; what a cloud says of its
    machines is opened by no list."""
    assert Egress.of([entry]).permits(host, port, [address]) is permitted


@pytest.mark.parametrize("entry", ["10.1.2.3/16", "10.0.0.0/99", "10.1", "fd00::1::2", "a b", "*", "*.", "git:0", "git:99999", "[git]"])  # fmt: skip
def test_what_cannot_be_listed(entry: str) -> None:
    """A slip of the operator's is no network that is silently never met."""
    with pytest.raises(ValueError, match=r"."):
        Egress.of([entry])


@pytest.mark.parametrize(
    ("host", "canonical"),
    [
        ("Git.Example.COM", "git.example.com"),
        ("git.example.com.", "git.example.com"),
        ("localhost", "localhost"),
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1.", "127.0.0.1"),
        ("2001:DB8:0::0001", "2001:db8::1"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("4chan.example", "4chan.example"),
    ],
)
def test_a_hosts_one_form(host: str, canonical: str) -> None:
    """What is looked up, checked and connected to is one text."""
    assert canonical_host(host) == canonical


@pytest.mark.parametrize(
    "host",
    [
        "", ".", "a..b", "git.example.com..", "-a.example", "a_b.example", "a" * 64, "a." * 127 + "abc", "*", "a%41.example",
        "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1", "0x7f.0.0.0x1", "017700000001", "0177.0.0.1", "127.0.0.01",
        "0", "0.0", "0x", "256.0.0.1", "1.2.3.4.5", "git.example.1", "git.example.0x1",
        "fe80::1%eth0", "fe80::1%25eth0", "::1%", "[::1]", ":::", "1::2::3", "::127.1",
        "\uff11\uff12\uff17.0.0.1", "127\u30020\u30020\u30021", "\u217cocalhost", "\u212a.example", "\u017f.example", "b\u00fccher.example",
    ],
)  # fmt: skip
def test_what_is_no_host(host: str) -> None:
    """Other spellings of addresses, on which programs differ, are refused rather than guessed."""
    with pytest.raises(ValueError, match=r"."):
        canonical_host(host)


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "LocalHost.", "git.localhost", "127.0.0.1", "127.9.9.9", "0.0.0.0", "0.1.2.3", "::", "[::]", "::1", "[::1]",
        "127.1", "0", "2130706433", "0x7f000001", "0x7f.1", "017700000001", "git.example.1", "::1%lo", "[fe80::1%25lo]",
        *forms_of("127.0.0.1").values(), "::ffff:0.0.0.0", "64:ff9b::",
    ],
)  # fmt: skip
def test_what_leads_back(host: str) -> None:
    """To the machine that connects, in every form, and in every spelling that some program reads
    so."""
    assert leads_back(host)


@pytest.mark.parametrize(
    "host",
    ["git.example.com", "localhost.example.com", "mylocalhost", "10.0.0.1", "8.8.8.8", "fd00::1", "[2606:4700::1]",
     "a_b.example", *forms_of("10.0.0.1").values()],
)  # fmt: skip
def test_what_does_not_lead_back(host: str) -> None:
    """Other machines do not, in private networks either."""
    assert not leads_back(host)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.1", "10.0.0.1"), ("192.168.1.5", "192.168.1.5"), ("172.18.0.2", "172.18.0.2"), ("100.64.3.4", "100.64.3.4"),
        ("8.8.8.8", "8.8.8.8"), ("fd00::1", "fd00::1"), ("FD00:0:0::0001", "fd00::1"), ("2001:db8::1", "2001:db8::1"),
        ("::ffff:10.0.0.1", "10.0.0.1"), ("64:ff9b::a00:1", "10.0.0.1"),
    ],
)  # fmt: skip
def test_a_workspaces_address_has_one_form(text: str, expected: str):
    """Private networks are what workspaces live in; an address is written in one way only, whoever
    reports it."""
    assert workspace_address(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        # No address, or more than one.
        "", " ", "host", "10.0.0.1 ", "10.0.0.1\n", "10.0.0.1;disable frontend web", "10.0.0.1/8", "10.1", "0x0a000001", "010.0.0.1",
        "167772161", "[fd00::1]", "10.0.0.1:80", "١0.0.0.1", "fd00::1%eth0", "::1%x;disable frontend web", "fe80::1%\n", "fd00::1%",
        # This machine, in every form.
        "127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "::ffff:7f00:1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::7f00:1",
        "2002:7f00:1::", "::ffff:0:7f00:1", "0.0.0.0", "0.1.2.3", "::", "::ffff:0.0.0.0",
        # A link's own, a group's, everybody's.
        "169.254.1.1", "fe80::1", "febf::1", "::ffff:169.254.1.1", "224.0.0.1", "239.1.1.1", "ff02::1", "255.255.255.255",
        # Where clouds tell their machines about themselves.
        "169.254.169.254", "fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16", "192.0.0.192", "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1", "::a9fe:a9fe", "::ffff:a83f:8110", "fd00::5efe:a9fe:a9fe",
    ],
)  # fmt: skip
def test_no_workspace_is_there(text: str):
    """Nobody is led to the machine itself, a link, a group or a cloud's metadata, and to nothing
    but an address."""
    with pytest.raises(ValueError, match="it is"):
        workspace_address(text)


@pytest.mark.parametrize(
    ("text", "networks", "expected"),
    [
        ("10.1.2.3", "10.1.0.0/16", "10.1.2.3"), ("::ffff:10.1.2.3", "10.1.0.0/16", "10.1.2.3"), ("10.2.0.1", "10.1.0.0/16", ""),
        ("fd00::1", "10.1.0.0/16", ""), ("fd00::1", "fd00::/8", "fd00::1"), ("127.0.0.2", "127.0.0.0/8", "127.0.0.2"),
        ("10.0.0.1", "127.0.0.0/8", ""), ("169.254.169.254", "169.254.0.0/16", ""), ("169.254.169.254", "0.0.0.0/0", ""),
        ("fd00:ec2::254", "::/0", ""), ("127.0.0.1", "10.0.0.0/8", ""),
    ],
)  # fmt: skip
def test_an_operator_names_the_networks_of_workspaces(text: str, networks: str, expected: str):
    """Nothing else is led to then; loopback can be named, metadata and links cannot."""
    named = [ipaddress.ip_network(networks)]
    if expected:
        assert workspace_address(text, named) == expected
    else:
        with pytest.raises(ValueError, match="it is"):
            workspace_address(text, named)


@pytest.mark.parametrize(
    ("host", "place"),
    [
        ("moorage.localhost", "127.0.0.1"),
        ("60001-W.Moorage.LOCALHOST.", "127.0.0.1"),
        ("localhost", "localhost"),
        ("notlocalhost", "notlocalhost"),
        ("localhost.example.com", "localhost.example.com"),
        ("10.0.0.1", "10.0.0.1"),
    ],
)
def test_names_below_localhost_need_no_resolver(host: str, place: str) -> None:
    """They are the machine itself; `localhost` is what the system says, of either family."""
    assert connected_at(host) == place
