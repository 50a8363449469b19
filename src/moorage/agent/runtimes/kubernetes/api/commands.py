"""Commands in a workspace's containers, through the API server's exec (subprotocol
`v4.channel.k8s.io`).

The protocol has no way to set variables or a folder, none to end a command, and none to end its
input while its output goes on. So a shell of the tools tree sets the former, `workspace-end` does
the second, and for the third the input of a command without a terminal comes in pieces, each after
its length; the piece of length 0 is the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from socket import SHUT_RDWR

import aiohttp
import msgspec

from moorage.agent.runtimes.kubernetes.api.client import Client
from moorage.agent.runtimes.kubernetes.api.model import Status
from moorage.agent.runtimes.kubernetes.api.resources import POD
from moorage.agent.runtimes.port import ExecRequest, LogChunk, RuntimeFault, StepRequest
from moorage.agent.runtimes.step_output import StepOutput
from moorage.contract import Cause
from moorage.contract.spec import TOOLS_ROOT
from moorage.kernel import log
from moorage.kernel.errors import MoorageError
from moorage.kernel.ids import short_id

_log = log.get(part="agent.kubernetes.commands")
PROTOCOL = "v4.channel.k8s.io"
STDIN, STDOUT, STDERR, ERROR, RESIZE = range(5)
"""Channels: the first byte of each binary frame."""
PIECE = 32 * 1024
"""Bytes of input per frame."""
END_SECONDS = 10.0
CLOSE_SECONDS = 5.0
END_OF_TRANSMISSION = b"\x04"
BUSYBOX = f"{TOOLS_ROOT}/bin/busybox"

IMAGE_ENV = "MOORAGE_IMAGE_ENV"
"""A variable with commands for a shell: they set those that name others of the image, which are
known inside of it alone."""
SET_IMAGE_ENV = f'eval "${{{IMAGE_ENV}:-}}"; unset {IMAGE_ENV}'

_RUN = f"""
{SET_IMAGE_ENV}
export MOORAGE_EXEC="$1" PATH="${{PATH:-/usr/local/bin:/usr/bin:/bin}}:{TOOLS_ROOT}/bin"
pipe=$2
shift 2
[ -n "$pipe" ] || exec "$@"
{BUSYBOX} mkfifo -m 600 "$pipe" || exit 126
exec 3<&0
{{
  while read -r size && [ "$size" -gt 0 ]; do {BUSYBOX} dd bs="$size" count=1 iflag=fullblock || break; done
  # What the command leaves unread stands in the way of its end: nobody would hear of it.
  exec {BUSYBOX} timeout 60 {BUSYBOX} cat >/dev/null
}} <&3 >"$pipe" 2>/dev/null &
exec <"$pipe" 3<&-
{BUSYBOX} rm -f "$pipe"
exec "$@"
"""


class Place(msgspec.Struct, frozen=True):
    """A container that runs."""

    namespace: str
    pod: str
    container: str


class ClusterExec:
    """A command that runs: `ExecSession`.

    `framed`: its input goes in pieces after their lengths.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, *, tty: bool, framed: bool) -> None:
        self._socket = socket
        self._tty = tty
        self._framed = framed
        self._status: Status | None = None
        self.ended = False

    async def output(self) -> AsyncIterator[LogChunk]:
        async for message in self._socket:
            if message.type is not aiohttp.WSMsgType.BINARY or len(message.data) < 2:
                continue
            channel, data = message.data[0], message.data[1:]
            if channel == ERROR:
                # All output comes before it. The connection itself may stay: of a command that left
                # input unread, the cluster goes on waiting for somebody to read it.
                self._status = _status(data)
                break
            elif channel in (STDOUT, STDERR):
                yield LogChunk(data, "stderr" if channel == STDERR else "stdout")
        self.ended = self._status is not None

    async def write(self, data: bytes) -> None:
        for start in range(0, len(data), PIECE):
            piece = data[start : start + PIECE]
            await self._send(b"%d\n" % len(piece) + piece if self._framed else piece)

    async def end_input(self) -> None:
        if self._tty:
            await self._send(END_OF_TRANSMISSION)
        elif self._framed:
            await self._send(b"0\n")

    async def _send(self, data: bytes) -> None:
        try:
            await self._socket.send_bytes(bytes([STDIN]) + data)
        except (ConnectionError, aiohttp.ClientError):
            return  # it has ended: whatever it did not read is lost, as with any pipe

    async def resize(self, columns: int, rows: int) -> None:
        size = msgspec.json.encode({"Width": columns, "Height": rows})
        try:
            await self._socket.send_bytes(bytes([RESIZE]) + size)
        except (ConnectionError, aiohttp.ClientError) as error:
            _log.debug("not resized", error=str(error))

    async def exit_code(self) -> int:
        """Raises `RuntimeFault` when the connection broke before the end."""
        if self._status is None:
            raise _broken("The connection to the cluster ended before the command did.")
        return exit_code_of(self._status)


@asynccontextmanager
async def running(
    client: Client,
    place: Place,
    request: ExecRequest,
    folder: str,
    *,
    whole: bool = False,
    leave: bool = False,
) -> AsyncIterator[ClusterExec]:
    """Raises `RuntimeFault`. `whole`: the command knows by itself where its input ends; `leave`: it
    goes on when nobody listens any more."""
    mark = short_id(12)
    framed = request.stdin and not request.tty and not whole
    pipe = f"/dev/shm/moorage-{mark}" if framed else ""  # noqa: S108 - inside the container
    words = [f"{name}={value}" for name, value in request.env.items()]
    argv = [
        *(BUSYBOX, "sh", "-c", _RUN, "moorage", mark, pipe),
        *(BUSYBOX, "env", *words),
        *(
            BUSYBOX,
            "sh",
            f"{TOOLS_ROOT}/bin/workspace-exec",
            request.working_dir or folder,
            *request.argv,
        ),
    ]
    socket = await _open(client, place, argv, stdin=request.stdin, tty=request.tty)
    try:
        session = ClusterExec(socket, tty=request.tty, framed=framed)
        if request.tty:
            await session.resize(request.columns, request.rows)
        try:
            yield session
        finally:
            if not session.ended and not leave:
                await asyncio.shield(_end(client, place, mark))
            else:
                _hang_up(socket)
    finally:
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await socket.close()
        except TimeoutError:
            _hang_up(socket)


def _hang_up(socket: aiohttp.ClientWebSocketResponse) -> None:
    """Ends a connection at once. Its close waits until all input has been sent, which of a command
    that has ended nobody may read."""
    if (connection := socket.get_extra_info("socket")) is not None:
        with suppress(OSError):
            connection.shutdown(SHUT_RDWR)


async def run(
    client: Client, place: Place, argv: list[str], secret: bytes = b""
) -> tuple[int, str]:
    """Runs a command to its end → exit code and what it wrote. Raises `RuntimeFault`. `secret`: its
    input, of which it sees the end by itself: the pipe through which pieces go would lie in
    `/dev/shm`, which all containers of a pod share."""
    request = ExecRequest(argv=tuple(argv), stdin=bool(secret))
    async with running(client, place, request, "/", whole=True) as session:
        if secret:
            await session.write(secret)
        text = b"".join([chunk.data async for chunk in session.output()])
        return await session.exit_code(), text.decode(errors="replace")


async def run_step(
    client: Client, place: Place, step: StepRequest, output: StepOutput
) -> tuple[int, str]:
    """See `Runtime.run_step`."""
    request = ExecRequest(argv=tuple(step_argv(step)), stdin=False)
    async with running(client, place, request, "/", leave=True) as session:
        async for chunk in session.output():
            output.add(chunk.data)
        code = await session.exit_code()
        return code, output.reason(code)


def step_argv(step: StepRequest) -> list[str]:
    words = [f"{name}={value}" for name, value in step.env.items()]
    script = f"{TOOLS_ROOT}/bin/workspace-step"
    return [BUSYBOX, "env", *words, BUSYBOX, "sh", script, step.key, step.folder, step.command_line]


def exit_code_of(status: Status) -> int:
    """The exit code in the `Status` that ends an exec. Raises `RuntimeFault` when the command could
    not be run at all."""
    if status.status == "Success":
        return 0
    for cause in status.details.causes if status.details is not None else ():
        if cause.reason == "ExitCode":
            return int(cause.message)
    raise _broken(status.message or "The command could not be run.")


async def _open(
    client: Client, place: Place, argv: list[str], *, stdin: bool = False, tty: bool = False
) -> aiohttp.ClientWebSocketResponse:
    query = [("container", place.container), ("stdout", "true")]
    if stdin:
        query.append(("stdin", "true"))
    query.append(("tty", "true") if tty else ("stderr", "true"))
    query += [("command", word) for word in argv]
    path = POD.path(place.namespace, place.pod) + "/exec"
    try:
        return await client.websocket(path, query, (PROTOCOL,))
    except MoorageError as error:
        raise RuntimeFault(
            Cause(code="exec-refused", message=error.message, hint=error.hint), final=False
        ) from error


async def _end(client: Client, place: Place, mark: str) -> None:
    argv = [BUSYBOX, "sh", f"{TOOLS_ROOT}/bin/workspace-end", mark]
    try:
        async with asyncio.timeout(END_SECONDS):
            socket = await _open(client, place, argv)
            async for _ in socket:
                pass
            await socket.close()
    except (RuntimeFault, TimeoutError) as error:
        _log.info("a command could not be ended", error=str(error))


def _status(data: bytes) -> Status:
    try:
        return msgspec.json.decode(data, type=Status)
    except msgspec.DecodeError:
        return Status(status="Failure", message=data.decode(errors="replace"))


def _broken(message: str) -> RuntimeFault:
    return RuntimeFault(Cause(code="exec-broken", message=message), final=False)
