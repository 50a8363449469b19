"""Which repositories, refs and paths are accepted. Pure.

Whatever comes in here ends as an argument of Git: nothing may look like an option, name another
transport (`ext::`, `file://`), or hold a character that Git or a terminal would take for something
else.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from urllib.parse import SplitResult, urlsplit

from moorage.kernel.addresses import bracketed, canonical_host
from moorage.kernel.errors import Forbidden, InvalidInput
from moorage.server.repositories.refs import Wanted, is_ref_name
from moorage.server.repositories.web_addresses import Address

PORTS = {"http": 80, "https": 443, "ssh": 22}
_SCP = re.compile(
    r"(?P<user>[A-Za-z0-9._-]+@)?(?P<host>[A-Za-z0-9][A-Za-z0-9.-]*|\[[^\]\s]*\]):(?P<path>[^:\s-][^\s]*)"
)
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_PORT = re.compile(r"(?P<place>\[.*\]|[^:]*):(?P<port>[^:]+)")
_CONTROL = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True)
class Repository:
    """A URL that Git may be given: its host is written as it was checked, so that Git can take it
    for no other."""

    url: str
    scheme: str
    host: str
    """In its canonical form, without port; an IPv6 address without brackets."""
    port: int | None

    @property
    def authority(self) -> str:
        """`host`, or `host:port` when the URL names a port."""
        host = bracketed(self.host)
        return host if self.port is None else f"{host}:{self.port}"

    @property
    def reached_at(self) -> int:
        """The port that is connected to."""
        return self.port or PORTS[self.scheme]


def check_repository(text: str) -> Repository:
    """Raises `InvalidInput`, field `repository`. `git@host:path` is taken for ssh, as Git does."""
    url = text.strip()
    if not url:
        raise _refused("A repository is needed: the URL that git clone would be given.")
    if _CONTROL.search(url) or url.startswith("-") or "\\" in url:
        raise _refused(
            "This is no URL of a repository: it holds characters that a URL cannot hold."
        )
    if "://" not in url and (match := _SCP.fullmatch(url)):
        url = f"ssh://{match['user'] or ''}{match['host']}/{match['path'].lstrip('/')}"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _refused(f"This is no URL of a repository: {error}.") from error
    if port == 0:
        raise _refused("The URL names the port 0, which there is not.")
    if parts.scheme not in PORTS or "::" in url.split("/")[0]:
        raise _refused(
            "A repository is read by http, https or ssh, and by nothing else.",
            hint="For instance https://git.example.com/team/project.git",
        )
    host = _check_parts(parts)
    repository = Repository(url="", scheme=parts.scheme, host=host, port=port)
    user = f"{parts.username}@" if parts.username else ""
    return replace(repository, url=f"{parts.scheme}://{user}{repository.authority}{parts.path}")


def check_host(
    repository: Repository, *, allowed: tuple[str, ...], denied: tuple[str, ...]
) -> None:
    """Raises `Forbidden` for a host that the settings do not allow."""
    if _matches(repository, denied) or not _matches(repository, allowed):
        raise Forbidden(
            f"This installation reads no repositories from {repository.authority}.",
            code="repository-host-denied",
            hint="An administrator decides this, by the settings repository_hosts and repository_hosts_denied.",
            field="repository",
        )


def check_ref(ref: str) -> str:
    """Raises `InvalidInput`, field `ref`, for what can be no ref."""
    if ref and not is_ref_name(ref):
        raise InvalidInput(
            f"{ref[:100]!r} can be no branch, tag or commit.", code="ref-invalid", field="ref"
        )
    return ref


def check_wanted(address: Address, ref: str) -> Wanted:
    """The ref that was asked for, by the repository's address or beside it. Raises `InvalidInput`,
    field `ref`, for two that differ."""
    check_ref(ref)
    check_ref(address.ref)
    check_path(address.path)
    tail, path = address.tail, address.path
    if tail and f"{tail}/".startswith(f"{ref}/"):  # where the address's ref ends is said
        tail, path = "", tail.removeprefix(ref).lstrip("/")
    elif ref and (tail or address.ref not in ("", ref)):
        raise InvalidInput(
            f"The address names the ref {(address.ref or tail)[:100]!r}, and {ref[:100]!r} is asked for beside it.",
            code="ref-twice",
            hint="Say one of them: leave the ref out, or give the repository's own address.",
            field="ref",
        )
    wanted = Wanted(ref or address.ref, tail, address.namespace if tail else "", path)
    check_path(tail or path)
    if tail and not wanted.names:
        check_ref(tail)
    return wanted


def check_path(path: str) -> str:
    """A path inside the repository. Raises `InvalidInput`, field `devfile`."""
    parts = path.split("/")
    wrong = (
        _CONTROL.search(path.replace(" ", ""))
        or path.startswith("-")
        or any(p in ("", ".", "..") for p in parts)
    )
    if path and wrong:
        raise InvalidInput(
            f"{path[:100]!r} is no path inside a repository.",
            code="devfile-path-invalid",
            hint="Give it from the repository's top, for instance backend/devfile.yaml",
            field="devfile",
        )
    return path


def _check_parts(parts: SplitResult) -> str:
    """The host, in its canonical form."""
    if parts.password is not None or (parts.username is not None and parts.scheme != "ssh"):
        raise _refused(
            "The URL holds a user name or a password.",
            code="repository-password",
            hint="Leave it out: it would be stored. An administrator sets what opens a host, by the setting git_credentials.",
        )
    if not parts.hostname:
        raise _refused("The URL names no host.")
    try:
        parts.netloc.encode("ascii")  # before anything makes other letters of it
        host = canonical_host(parts.hostname)
    except ValueError as error:
        raise _refused(
            "The URL names no host in a form that is read here.",
            hint="Write a name in ASCII letters, or an address in its usual form: 192.0.2.1, [2001:db8::1].",
        ) from error
    if parts.username is not None and not _USER.fullmatch(parts.username):
        raise _refused("The URL's user name cannot be used.")
    if parts.query or parts.fragment:
        raise _refused(
            "The URL of a repository has no ? and no #.",
            hint="Give the ref and the devfile on their own.",
        )
    if not parts.path.strip("/"):
        raise _refused("The URL names a host, but no repository on it.")
    return host


def _matches(repository: Repository, patterns: tuple[str, ...]) -> bool:
    """The protocol's own port counts as any other, whether or not the URL names it."""
    names = (repository.host, f"{bracketed(repository.host)}:{repository.reached_at}")
    return any(fnmatchcase(name, _canonical(pattern)) for name in names for pattern in patterns)


def _canonical(pattern: str) -> str:
    """Its host in the form that URLs' have, where it is one. The brackets of an address are no set
    of characters."""
    place, port = pattern.lower(), ""
    if found := _PORT.fullmatch(place):
        place, port = found["place"], found["port"]
    with suppress(ValueError):
        place = canonical_host(place.removeprefix("[").removesuffix("]"))
    if not port:
        return place
    return f"[[]{place}]:{port}" if ":" in place else f"{place}:{port}"


def _refused(message: str, *, code: str = "repository-invalid", hint: str = "") -> InvalidInput:
    return InvalidInput(message, code=code, hint=hint, field="repository")
