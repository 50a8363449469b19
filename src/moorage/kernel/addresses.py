"""Addresses: what to listen on for every one of this machine, and which ones may be connected to on
somebody's behalf.

What a person names (a repository, a devfile's parent) is fetched from public addresses, and from
others only where the operator lists them: that is `Egress`, the one rule of all that fetches.
Sources: IANA's registries of special-purpose addresses (RFC 6890), and what clouds keep their
metadata on. `workspace_address` is the rule for where a workspace may be, and `leads_back` for what
is whoever connects themselves. All three read the same forms in which IPv6 holds an IPv4 address.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

EVERYWHERE = "*"
"""In settings: every address, of IPv4 and of IPv6."""

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def _networks(text: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(network) for network in text.split())


_NEVER = _networks(
    "0.0.0.0/8 169.254.0.0/16 224.0.0.0/4 255.255.255.255/32 ::/128 fe80::/10 ff00::/8"
    " 100.100.100.200/32 168.63.129.16/32 192.0.0.192/32 fd00:ec2::/32 fd20:ce::254/128 fd00:c1::a9fe:a9fe/128"
    " fd00:100::100:200/128 fd00:42::42/128 fd00:a9fe:a9fe::1/128"
)
"""No list of an operator's opens these: this host by no name of its own, link-local and multicast
addresses, and what Alibaba, Azure, Oracle, AWS (with its pods' credentials), Google, Scaleway and
Akamai tell a machine about itself on."""
_LOOPBACK = _networks("127.0.0.0/8 ::1/128")
_UNSPECIFIED = _networks("0.0.0.0/8 ::/128")
"""This host by no name of its own (RFC 1122, 3.2.1.3); a connection to 0.0.0.0 or :: goes to this
machine."""
_SPECIAL = _networks(
    "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24"
    " 192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24"
    " 203.0.113.0/24 168.63.129.16/32 224.0.0.0/4 240.0.0.0/4"
    " 2001::/23 2001:db8::/32 2002::/16 2620:4f:8000::/48 3ffe::/16 3fff::/20"
)
"""Not public. Teredo is in 2001::/23, and 6to4 is 2002::/16."""
_GLOBAL_UNICAST = IPv6Network("2000::/3")
"""All that IPv6 has of public addresses (RFC 4291, 2.4), but for what is IPv4 in its form."""
_NAT64 = IPv6Network("64:ff9b::/96")
"""RFC 6052, 2.1: the well-known prefix. It holds public IPv4 addresses, so it is read as the
address that it holds."""
_NAT64_LOCAL = IPv6Network("64:ff9b:1::/48")
"""RFC 8215: private, and each network chooses how long a prefix it takes of it."""
_NAT64_PLACES = ((6, 7, 9, 10), (7, 9, 10, 11), (9, 10, 11, 12), (12, 13, 14, 15))
"""RFC 6052, 2.2: the octets of the IPv4 address for prefixes of 48, 56, 64 and 96 bits. Octet 8 is
never one of them."""
_HOLDING = (_NAT64, *_networks("::/96 ::ffff:0:0/96 ::ffff:0:0:0/96"))
"""Their lowest 32 bits are, or may be, an IPv4 address; compatible, mapped and translated ones (RFC
4291, RFC 2765) beside NAT64's."""
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)
"""RFC 5214, 6.1: the upper half of the interface's id; the lower one is an IPv4 address."""
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_BRACKETED = re.compile(r"\[(?P<place>[^\]]*:[^\]]*)\](?::(?P<port>[0-9]+))?")
_WITH_PORT = re.compile(r"(?P<place>[^:]+)(?::(?P<port>[0-9]+))?")


@dataclass(frozen=True, slots=True)
class _Listed:
    """One entry of an operator's list; `name` is "" for a network, `port` None for every one."""

    network: Network | None
    name: str
    port: int | None

    def holds(self, host: str, port: int, address: Address) -> bool:
        if self.port not in (None, port):
            return False
        if self.network is not None:
            return address.version == self.network.version and address in self.network
        if self.name.startswith("*."):
            return host.endswith(self.name[1:]) and _NAME.fullmatch(host) is not None
        return host == self.name


@dataclass(frozen=True, slots=True)
class Egress:
    """Where connections may go that a person asked for: public addresses, and what an operator
    lists."""

    listed: tuple[_Listed, ...] = ()

    @classmethod
    def of(cls, entries: Iterable[str]) -> Egress:
        """`10.1.0.0/16`, `10.1.2.3`, `fd00::/64`, `git.example.com`, `*.example.com`, each with a
        port if need be: `10.1.2.3:8418`, `[fd00::1]:443`. A name stands for every address that it
        leads to. Raises `ValueError`."""
        return cls(tuple(_listed(entry.strip().lower()) for entry in entries if entry.strip()))

    def permits(self, host: str, port: int, addresses: Iterable[str]) -> bool:
        """Whether all of them, of which there is one at least, may be connected to. `host`: as
        `canonical_host` gives it."""
        found = [_parsed(address) for address in addresses]
        return bool(found) and all(
            address and self._permits(host, port, address) for address in found
        )

    def _permits(self, host: str, port: int, address: Address) -> bool:
        if _any_in({address, *_packed(address)}, _NEVER):
            return False
        meant = _meant(address)
        return is_public(meant) or any(
            entry.holds(host, port, form) for entry in self.listed for form in (address, meant)
        )


def is_public(address: Address) -> bool:
    """Whether it is an address of the Internet's, as far as that can be told from it."""
    meant = _meant(address)
    if _any_in({meant}, _SPECIAL):
        return False
    if isinstance(meant, IPv4Address):
        return True
    return meant in _GLOBAL_UNICAST and (int(meant) >> 32) & 0xFFFF_FFFF not in _ISATAP


def canonical_host(host: str) -> str:
    """A URL's host in its one form: a name in lower case without a dot at its end, or an address as
    it is usually written.

    What programs take for an address in different ways (`127.1`, `0x7f000001`, `017700000001`), an
    address with a scope, and what is no name at all raise `ValueError`. IPv6 addresses come without
    brackets.
    """
    if not host.isascii():
        raise ValueError("it is not written in ASCII")
    lowered = host.lower()
    if ":" in lowered:
        if "%" in lowered:
            raise ValueError("it is an address with a scope")
        return str(IPv6Address(lowered))
    name = lowered.removesuffix(".")
    if _NUMBER.fullmatch(name.rpartition(".")[2]):
        # As the URL standard says ("ends in a number"): it can be an address only, and there is one
        # way to write it.
        return str(IPv4Address(name))
    if not _NAME.fullmatch(name) or len(name) > 253:
        raise ValueError("it is no host's name")
    return name


def bracketed(host: str) -> str:
    """As URLs have it: an IPv6 address stands in brackets."""
    return f"[{host}]" if ":" in host else host


def is_address(host: str) -> bool:
    """Whether a host in its canonical form is an address."""
    return _parsed(host) is not None


def connected_at(host: str) -> str:
    """The address or name to connect to for a URL's host: the loopback address for a name below
    `localhost` (RFC 6761, 6.3), which browsers find by themselves and many resolvers do not."""
    return "127.0.0.1" if host.lower().removesuffix(".").endswith(".localhost") else host


def leads_back(host: str) -> bool:
    """Whether a URL's host is the machine that connects to it: `localhost`, or a loopback or
    unspecified address in any form.

    What ends in a number and is no address counts, too: some programs take `127.1` and `0x7f000001`
    for one.
    """
    name = host.lower().removeprefix("[").removesuffix("]").removesuffix(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = _parsed(name)
    if address is None:
        return ":" in name or _NUMBER.fullmatch(name.rpartition(".")[2]) is not None
    return _any_in({address, *_packed(address)}, (*_LOOPBACK, *_UNSPECIFIED))


def workspace_address(text: str, networks: Iterable[Network] = ()) -> str:
    """The address at which a workspace is said to be, in its one form; an IPv4 address in IPv6's
    form becomes that IPv4 address.

    Raises `ValueError`, which says why, for what is no address, has a scope, or is no place for a
    workspace: this machine itself, a link, a group, or where clouds tell their machines about
    themselves, in every form that leads there. `networks`: those that workspaces are in, and no
    others; an operator may list loopback ones, but none of the rest.
    """
    address = _parsed(text) if text.isascii() else None
    if address is None:
        raise ValueError("it is no IP address without a scope")
    meant = _meant(address)
    forms = {address, meant, *_packed(address)}
    if _any_in(forms, _NEVER):
        raise ValueError(
            "it is link-local, of a group, unspecified, or where a cloud's metadata is"
        )
    allowed = tuple(networks)
    if allowed and not _any_in({meant}, allowed):
        raise ValueError("it is in none of the networks that workspaces are in here")
    if not allowed and _any_in(forms, _LOOPBACK):
        raise ValueError("it is a loopback address, which is another machine for each who reads it")
    return str(meant)


def everywhere() -> tuple[str, ...]:
    """The addresses that stand for all of a family: IPv4's always, IPv6's where the kernel has
    IPv6. They are for two sockets, the second for IPv6 alone: one socket for both would show IPv4's
    peers as `::ffff:192.0.2.1`."""
    return ("0.0.0.0", "::") if _has_ipv6() else ("0.0.0.0",)  # noqa: S104 - asked for by name


def _listed(entry: str) -> _Listed:
    found = _BRACKETED.fullmatch(entry) or _WITH_PORT.fullmatch(entry)
    place, port = (found["place"], found["port"]) if found else (entry, None)
    number = int(port) if port else None
    if number is not None and not 1 <= number <= 65535:
        raise ValueError(f"{entry!r} has no such port")
    if ":" in place or "/" in place or _NUMBER.fullmatch(place.rpartition(".")[2]):
        return _Listed(ipaddress.ip_network(place), "", number)
    name = place.removeprefix("*.")
    try:
        return _Listed(None, place[: len(place) - len(name)] + canonical_host(name), number)
    except ValueError as error:
        raise ValueError(f"{entry!r} is no network, address or host's name") from error


def _parsed(address: str) -> Address | None:
    """None for what is none, and for one with a scope: those are a link's own, whatever they
    say."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return None
    return None if getattr(found, "scope_id", None) else found


def _any_in(addresses: Iterable[Address], networks: tuple[Network, ...]) -> bool:
    return any(
        address.version == network.version and address in network
        for address in addresses
        for network in networks
    )


def _meant(address: Address) -> Address:
    """The address that a connection to it reaches: an IPv4 address in IPv6's form is that IPv4
    address."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def _packed(address: Address) -> tuple[Address, ...]:
    """Every IPv4 address that an IPv6 one holds by some rule, whether or not a connection would go
    there."""
    if isinstance(address, IPv4Address):
        return ()
    found = [address.sixtofour, *(address.teredo or ())]
    isatap = (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP
    if int(address) > 1 and (isatap or any(address in network for network in _HOLDING)):
        found.append(IPv4Address(int(address) & 0xFFFF_FFFF))
    if address in _NAT64_LOCAL:
        inners = [
            IPv4Address(bytes(address.packed[at] for at in places)) for places in _NAT64_PLACES
        ]
        # Where the address is not, by the length that the network chose, there are zeros.
        found += [inner for inner in inners if not _any_in({inner}, _UNSPECIFIED)] or inners
    return tuple(inner for inner in found if inner is not None)


def _has_ipv6() -> bool:
    """Python's `socket.has_ipv6` tells of its build alone."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::", 0))
    except OSError:
        return False
    return True
