"""The server's settings: table `[server]` of `settings.toml`, or `MOORAGE_SERVER_<FIELD>`."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import yaml

from moorage.contract.hosts import ONE_MACHINE_ZONE
from moorage.contract.repositories import place_of
from moorage.contract.spec import SubmoduleScope
from moorage.kernel.addresses import Egress
from moorage.kernel.errors import Misconfigured
from moorage.kernel.log import Format
from moorage.server.origins import origin_of


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    public_url: str = ""
    """Where browsers reach the server: its origin. "": the zone's own host."""
    zone: str = ONE_MACHINE_ZONE
    """DNS zone of the local agent's and gateway's workspaces: `<port>-<workspace>.<zone>`."""
    port: int = 8080
    """Port of the zone, as browsers see it."""
    listen: str = ""
    """`host:port` to listen on instead of the Unix socket in the state folder; `*:port`: every
    address, of IPv4 and IPv6."""
    advertise: str = ""
    """Where other replicas reach this one: `http://host:port` or `unix:<path>`. "": found out from
    `listen` and the host's name."""
    database: str = ""
    """`postgresql://user:password@host/name`, with libpq's parameters for TLS and some others
    (docs/helm.md, "The database's URL"); "": SQLite in the state folder."""
    database_pool: int = 5
    """Connections to the database, at most."""
    session_hours: float = 12.0
    """A session ends when its person has done nothing for so long, neither on Moorage's pages nor
    in a workspace. What pages do by themselves does not count."""
    session_longest_days: float = 7.0
    """A session ends so long after signing in, however much it is used, here and at every
    gateway."""
    token_days: float = 90.0
    """After so long an API token expires for which nobody has said anything else."""
    token_longest_days: float = 365.0
    """Nobody may say more. What a token makes (tokens, sign-in links, sessions) ends with it in any
    case."""
    tokens_per_person: int = 50
    """API tokens of one person that have not expired."""
    sign_in_link_minutes: float = 10.0
    """A sign-in link that nobody has used ends after so long."""
    workspaces_per_user: int | None = None
    """None: no limit. Terminated ones do not count."""
    workspaces_total: int | None = None
    """None: no limit."""
    streams_per_person: int = 40
    """Pages and commands of one person that are kept up to date at once, at each replica; the next
    is refused. A page that nobody looks at needs none."""
    channels_per_person: int = 64
    """Logs and commands of one person that are open at once, on each agent."""
    found_days: float = 14.0
    """Days after which what an agent has and nobody lists is removed by itself, counted from when
    an administrator saw it first. 0: never."""
    audit_days: float = 365.0
    """Days for which it is kept who has changed what. 0: for ever."""
    request_limit: int = 1_000_000
    """Bytes of a request's body."""
    repository_hosts: tuple[str, ...] = ("*",)
    """Hosts that repositories may be read from: shell patterns, `host` or `host:port`."""
    repository_hosts_denied: tuple[str, ...] = ()
    """Exceptions from `repository_hosts`."""
    repository_networks: tuple[str, ...] = ()
    """What of these hosts may be reached although it has no public address: `10.1.0.0/16`,
    `10.1.2.3`, `git.corp.example`, `*.corp.example`, each with `:port` if need be
    (`kernel.addresses.Egress`). What clouds say of their machines never is."""
    repository_reads: int = 4
    """Repositories that are read at a time; further requests wait."""
    repository_reads_per_user: int = 2
    """Of one person's."""
    repository_seconds: float = 20.0
    """Time limit for reading a devfile."""
    repository_transfer: int = 16_000_000
    """Bytes that Git may receive for it. One commit's tree is far below; a host that cannot filter
    sends all files."""
    devfile_limit: int = 3_000_000
    """Bytes of a devfile."""
    default_devfile: str = ""
    """What a workspace is made from whose repository has no devfile: the path of one, or, in
    several lines, the devfile itself. "": one is made for the language that the files show."""
    devfile_registry: str = ""
    """Folder in which a devfile's parent is found by its id: `<id>/<version>/devfile.yaml`. "":
    there is none."""
    devfile_registry_url: str = ""
    """Registry that is asked for ids that name none; its host must be among `devfile_hosts`."""
    devfile_hosts: tuple[str, ...] = ()
    """Hosts that parents and plugins are fetched from: `host`, `host:port` or `*.domain`. ():
    nothing is fetched."""
    devfile_networks: tuple[str, ...] = ()
    """What of these hosts may be reached although it has no public address; as
    `repository_networks`."""
    git_credentials: str = ""
    """TOML file, readable by its owner alone: a table per host, `["git.example.com"]`,
    `["git.example.com:8443"]`, with `username` and `password`. They are given by https alone; by
    http to a host whose table says so: `["http://git.internal:3000"]`."""
    git_ssh: str = ""
    """TOML file: `["git.example.com"]` with `host_keys` and `key`, the path of a private key, per
    host (docs/repositories.md). From others nothing is read by SSH."""
    helm_chart: str = "deploy/helm/moorage"
    """Where Helm finds the chart, for the command that an agent is installed with: a folder, or an
    oci:// address."""
    helm_values: str = ""
    """YAML file of values that this command gives a new agent besides, above all `image.registry`;
    the chart has one of its own values. "": whoever pastes the command writes the registry into
    it."""
    ca_bundle: str = ""
    """File of certificates to trust when reading repositories, instead of the system's."""
    documentation_url: str = ""
    """Where "Documentation" at the foot of every page leads, such as your organisation's own pages
    on Moorage; "": to the pages' help."""
    log_format: Format = "console"
    """`console` for a person who reads along, `json` for a collector of logs: one object on each
    line."""
    log_level: str = "info"
    """What is logged: `debug`, `info`, `warning` or `error`, and what is worse."""

    @property
    def zone_url(self) -> str:
        """Origin of the local zone. Its scheme is that of `public_url`."""
        scheme = origin_of(self.public_url).partition("://")[0] or "http"
        default = {"http": 80, "https": 443}[scheme]
        return f"{scheme}://{self.zone.lower()}" + ("" if self.port == default else f":{self.port}")

    @property
    def origin(self) -> str:
        """`public_url` as browsers write it in `Origin`."""
        return origin_of(self.public_url) or self.zone_url

    @property
    def secure(self) -> bool:
        return self.origin.startswith("https://")

    def check(self) -> None:
        """Raises `Misconfigured` for values that are well-formed but make no sense."""
        for name in ("session_hours", "session_longest_days", "token_days", "token_longest_days"):
            if not 0 < (value := getattr(self, name)) < math.inf:
                raise Misconfigured(
                    f"{name} must be more than 0, not {value}.",
                    code="settings-invalid",
                    hint="There is always an end: set a large number for a late one.",
                )
        if self.public_url and not origin_of(self.public_url):
            raise Misconfigured(
                f"public_url must be an origin such as https://moorage.example.com, not {self.public_url!r}.",
                code="settings-invalid",
                hint="Scheme, host and port alone; a name that is not ASCII is written as xn--….",
            )
        if self.documentation_url and not self.documentation_url.startswith(
            ("https://", "http://")
        ):
            raise Misconfigured(
                f"documentation_url must be an http or https URL, not {self.documentation_url!r}.",
                code="settings-invalid",
                hint="Leave it out: then it leads to the pages' help.",
            )
        if min(self.repository_reads, self.repository_reads_per_user) < 1:
            raise Misconfigured(
                "repository_reads and repository_reads_per_user are 1 at least, or no repository is ever read.",
                code="settings-invalid",
                hint="Leave them out: their defaults are 4 and 2.",
            )
        try:
            Egress.of(self.repository_networks)
        except ValueError as error:
            raise Misconfigured(
                f"repository_networks holds what cannot be reached: {error}.",
                code="settings-invalid",
                hint='Write networks, addresses and hosts, with a port if need be: ["10.1.0.0/16", "git.corp.example:8443"].',
            ) from error


@dataclass(frozen=True)
class Credentials:
    """Credentials that open Git hosts, by origin: `https://host`, with `:port` when it is not the
    protocol's own."""

    by_origin: dict[str, tuple[str, str]]
    submodules: dict[str, SubmoduleScope] = field(default_factory=dict)
    """By origin: which submodules of a repository it opens, too; those beside it, unless the file
    says otherwise."""

    def __repr__(self) -> str:
        return f"Credentials(origins={sorted(self.by_origin)})"

    def of(self, url: str, *, asked: str) -> tuple[str, str] | None:
        """User name and password for the repository at `url`, or None: they are for the repository
        that somebody has asked for (`asked`), and not for another that its devfile, a redirect or a
        link names."""
        place = place_of(url)
        if place is None or place != place_of(asked):
            return None
        return self.by_origin.get(place.origin)

    def scope_of(self, url: str) -> SubmoduleScope:
        """For which submodules the credential of the repository at `url` is, too."""
        place = place_of(url)
        return self.submodules.get(place.origin, "folder") if place is not None else ""


def load_credentials(path: str) -> Credentials:
    """Raises `Misconfigured` when the file is not usable, or readable by others."""
    if not path:
        return Credentials({})
    file = Path(path)
    try:
        status = file.stat()
        # A pod reads a Secret by its group: the file itself is root's.
        if status.st_mode & (0o077 if status.st_uid == os.geteuid() else 0o037):
            raise Misconfigured(
                f"The file of Git credentials {path} can be read by others.",
                code="credentials-readable",
                hint=f"Run: chmod 600 {path}",
            )
        entries = msgspec.toml.decode(file.read_bytes(), type=dict[str, dict[str, str]])
        return Credentials(
            {_origin(host): (e["username"], e["password"]) for host, e in entries.items()},
            {_origin(host): _scope(e.get("submodules", "folder")) for host, e in entries.items()},
        )
    except (OSError, ValueError, KeyError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise Misconfigured(
            f"The file of Git credentials {path} cannot be used: {reason}.",
            code="credentials-unreadable",
            hint='It has a table per host: ["git.example.com"], username = "…", password = "…"; for http ["http://git.example.com"].',
        ) from error


def _scope(word: str) -> SubmoduleScope:
    """Raises `ValueError`."""
    scopes: dict[str, SubmoduleScope] = {"none": "", "folder": "folder", "host": "host"}
    if word not in scopes:
        raise ValueError(f"submodules is one of {', '.join(scopes)}, not {word!r}")
    return scopes[word]


def _origin(host: str) -> str:
    """Raises `ValueError`."""
    place = place_of(f"{host if '://' in host else f'https://{host}'}/any")
    if place is None or place.path != "any":
        raise ValueError(f"{host!r} is no host")
    return place.origin


def load_helm_values(path: str) -> dict[str, Any] | None:
    """None without a file. Raises `Misconfigured` when it does not hold values."""
    if not path:
        return None
    try:
        values = yaml.safe_load(Path(path).read_text())
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise _no_values(path, str(error)) from error
    if not isinstance(values, dict):
        raise _no_values(path, "it is no mapping")
    return values


def _no_values(path: str, reason: str) -> Misconfigured:
    return Misconfigured(
        f"The file of Helm values {path} cannot be used: {reason}.",
        code="helm-values-unreadable",
        hint="It is YAML, as for `helm --values`: image: {registry: registry.example.com}. Its name is helm_values under [server].",
    )
