"""The table of the processes that an installation consists of: how each is started, watched,
stopped, asked and logged.

Supervisor, accounts, `moor status`, `moor up` (which waits until all are ready) and the tests of
the chart read it. A process more is a row more. The resident supervisor imports it, so it imports
next to nothing itself.
"""

from __future__ import annotations

import signal
import sys
from typing import Literal, NamedTuple

from moorage.kernel.home import Home

Readiness = Literal["health", "front", "connected"]
"""health: `GET /healthz` on its socket succeeds. front: the zone's host answers on the public port,
and reaches the server. connected: the server says that an agent is connected to it."""


class Given(NamedTuple):
    """The things of root's that a process with an account of its own is given.

    A secret is given as a fingerprint where the process only has to know it again.
    """

    secrets: tuple[str, ...] = ()
    fingerprints: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    """Files of the state folder, where they are there."""
    variables: tuple[str, ...] = ()
    """Variables of the environment, beside those of its table; a `*` at the end: all that begin
    so."""
    certificates: bool = False
    """Whether it reads the certificates that `tls_certificate` names."""
    program: str = ""
    """The setting that names a program of somebody else's which it becomes; "": none."""
    low_port: bool = False
    """Whether it may listen on a port below 1024, where the settings say one."""
    locks: tuple[str, ...] = ()
    """Files in `run` that are its own."""
    umask: int = 0o077


class Process(NamedTuple):
    name: str
    """Also of its socket, `run/<name>.sock`, of its log, `logs/<name>.log`, and of its account,
    `moorage-<name>`."""
    command: tuple[str, ...]
    """The program with its arguments, but for `--home`. Each connects to the others by itself and
    tries until it succeeds, so that no order is needed."""
    settings: str
    """Its table in `settings.toml`, and the middle of its variables: `MOORAGE_<TABLE>_<FIELD>`."""
    readiness: Readiness = "health"
    stop_turn: int = 0
    """When all are ended: those with a lower number before it."""
    stop_signals: tuple[signal.Signals, ...] = (signal.SIGTERM,)
    """One after the other, as long as it does not end."""
    given: Given | None = None
    """None: it has no account of its own, and stays root."""
    in_front: bool = False
    """Whether it has the group of those that browsers reach: the way to the server, the last route
    table, certificates."""
    open_to_front: bool = False
    """Whether all in front may connect to its socket; else HAProxy alone."""
    pod: str = ""
    """The chart's pod that it is a container of; "": the one of its name."""
    colour: str = "0"
    """Colour of its lines on a terminal (ECMA-48, SGR)."""

    def argv(self, home: Home) -> list[str]:
        return [*self.command, "--home", str(home.path)]

    @property
    def module(self) -> str:
        """The Python module that it is."""
        return self.command[-1]


def _python(module: str) -> tuple[str, ...]:
    return (sys.executable, "-P", "-m", module)


PROCESSES = (
    Process(
        "server",
        _python("moorage.server"),
        "server",
        stop_turn=1,
        given=Given(
            fingerprints=("agent-token", "gateway-token", "admin-token"),
            files=("editors.toml",),
            variables=("PG*",),
            locks=("server.lock",),
        ),
        open_to_front=True,
        colour="34",
    ),
    Process(
        "agent", _python("moorage.agent"), "agent", readiness="connected", stop_turn=0, colour="35"
    ),
    Process(
        "gateway",
        _python("moorage.gateway"),
        "gateway",
        stop_turn=2,
        given=Given(secrets=("gateway-token", "gateway-key"), certificates=True, umask=0o027),
        in_front=True,
        colour="36",
    ),
    Process(
        "haproxy",
        _python("moorage.gateway.haproxy"),
        "gateway",
        readiness="front",
        stop_turn=3,  # the last, so that a person gets a page until the end
        # First no new connections (management guide of HAProxy, 4: SIGUSR1); a moment later the
        # open ones end, too.
        stop_signals=(signal.SIGUSR1, signal.SIGTERM),
        given=Given(secrets=("gateway-key",), certificates=True, program="haproxy", low_port=True),
        in_front=True,
        open_to_front=True,
        pod="gateway",
        colour="33",
    ),
)
