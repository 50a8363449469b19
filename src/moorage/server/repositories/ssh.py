"""Repositories by SSH: from the hosts that the operator's file names, with the key that it sets for
each, and nothing else.

The server's own account may have keys, an agent, a Kerberos ticket, known hosts and a
configuration. None of it is lent to anybody: `ssh` gets a configuration of its own
(`configuration`) that names everything it would look for itself.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from moorage.kernel.addresses import bracketed, canonical_host
from moorage.kernel.errors import Misconfigured

DEFAULT_PORT = 22
_HOST_KEY = re.compile(r"(?P<key>[a-z0-9@.-]+ [A-Za-z0-9+/]+={0,3})(?: .*)?")
_PATH = re.compile(r"/[A-Za-z0-9/._+@,=-]+")
"""Path of a key: absolute, and without what ssh_config(5) replaces or takes apart."""
_PLACE = re.compile(r"(?:\[(?P<bracketed>[^\]]+)\]|(?P<plain>[^\[\]:]+))(?::(?P<port>[0-9]{1,5}))?")


@dataclass(frozen=True)
class SshHost:
    """The entry for one host in the operator's file."""

    host_keys: tuple[str, ...]
    """As in a file of known hosts, without names: what the host has to show."""
    key: str = field(default="", repr=False)
    """Path of the private key; "": nobody signs in, which few hosts allow."""


SshHosts = Mapping[str, SshHost]
"""Hosts by `host:port`, the host in its canonical form."""


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    host_keys: tuple[str, ...]
    key: str = ""


def place(host: str, port: int | None) -> str:
    """The name of a host in `SshHosts`."""
    return f"{bracketed(host)}:{port or DEFAULT_PORT}"


def load_hosts(path: str) -> SshHosts:
    """Raises `Misconfigured` when the file, or a key that it names, is not usable or can be read by
    others."""
    if not path:
        return {}
    try:
        entries = msgspec.toml.decode(Path(path).read_bytes(), type=dict[str, _Entry])
        return {_place(name): _host(entry) for name, entry in entries.items()}
    except (OSError, ValueError) as error:  # msgspec's own is a ValueError
        raise Misconfigured(
            f"The file of Git hosts reached by SSH {path} cannot be used: {error}.",
            code="git-ssh-unusable",
            hint='It has a table per host: ["git.example.com"], host_keys = ["ssh-ed25519 …"], key = "/path/of/a/key".',
        ) from error


def configuration(known: SshHost, *, host: str, address: str, known_hosts: Path) -> str:
    """The whole of what `ssh` is told (ssh_config(5)); given by -F, no other file is read."""
    method = "publickey" if known.key else "none"
    believed = str(known_hosts).replace("%", "%%")
    options = {
        "HostName": address,
        "HostKeyAlias": host,
        # where the URL names none; the server's own account's name is nobody's business
        "User": "git",
        "BatchMode": "yes",
        "ConnectTimeout": "10",
        "LogLevel": "ERROR",  # a host's banner is not repeated
        # Who the host is
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": f'"{believed}"',
        "GlobalKnownHostsFile": "/dev/null",
        "KnownHostsCommand": "none",
        "VerifyHostKeyDNS": "no",
        "UpdateHostKeys": "no",
        # Who signs in
        "PreferredAuthentications": method,
        "PubkeyAuthentication": "yes" if known.key else "no",
        "IdentityFile": known.key or "none",
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "CertificateFile": "none",
        "PKCS11Provider": "none",
        "AddKeysToAgent": "no",
        "PasswordAuthentication": "no",
        "KbdInteractiveAuthentication": "no",
        "GSSAPIAuthentication": "no",
        "HostbasedAuthentication": "no",
        # How it is reached
        "ProxyCommand": "none",
        "ProxyJump": "none",
        "ControlMaster": "no",
        "ControlPath": "none",
        "CanonicalizeHostname": "no",
        # What it gets besides
        "ForwardAgent": "no",
        "ForwardX11": "no",
        "ClearAllForwardings": "yes",
        "Tunnel": "no",
        "PermitLocalCommand": "no",
    }
    return "".join(f"{name} {value}\n" for name, value in options.items())


def known_hosts_of(known: SshHost, host: str) -> str:
    """A file of known hosts for `HostKeyAlias`."""
    return "".join(f"{host} {key}\n" for key in known.host_keys)


def _place(name: str) -> str:
    found = _PLACE.fullmatch(name)
    if found is None or int(found["port"] or DEFAULT_PORT) not in range(1, 65536):
        raise ValueError(f"{name!r} is no host")
    try:
        host = canonical_host(found["bracketed"] or found["plain"])
    except ValueError as error:
        raise ValueError(f"{name!r} is no host: {error}") from error
    return place(host, int(found["port"] or DEFAULT_PORT))


def _host(entry: _Entry) -> SshHost:
    keys = []
    for text in entry.host_keys:
        found = _HOST_KEY.fullmatch(text.strip())
        if found is None:
            raise ValueError(
                "a host key is written as in known_hosts, without the host's name: ssh-ed25519 AAAA…"
            )
        keys.append(found["key"])
    if not keys:
        raise ValueError("host_keys is empty, and a host that nobody knows is not spoken to")
    if entry.key:
        _check_key(entry.key)
    return SshHost(tuple(keys), entry.key)


def _check_key(path: str) -> None:
    if not _PATH.fullmatch(path):
        raise ValueError(
            f"the key's path {path!r} is not absolute, or has a character other than letters, digits and /._+@,=-"
        )
    status = Path(path).stat()
    # A pod reads a Secret by its group: the file itself is root's.
    if status.st_mode & (0o077 if status.st_uid == os.geteuid() else 0o037):
        raise ValueError(f"the key {path} can be read by others (chmod 600 {path})")
    if not os.access(path, os.R_OK):
        raise ValueError(f"the server's account cannot read the key {path}")
