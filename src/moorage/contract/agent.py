"""Messages between server and agent, over one WebSocket that the agent opens.

Path `/internal/agents/connect`, header `Authorization: Bearer <agent token>`, JSON text frames;
`CLOSE_*` are the WebSocket close codes of a refusal. The agent speaks first (`Hello`), then the
server (`Welcome`, `Settings`, `Snapshot`), then both whenever something changes. After every
(re)connect both sides say everything anew.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from moorage.contract.spec import Message
from moorage.contract.states import ActualWorkspace, DesiredWorkspace, FoundWorkspace

PROTOCOL = 1
PATH = "/internal/agents/connect"
CLOSE_BAD_TOKEN = 4401
CLOSE_BAD_PROTOCOL = 4400
CLOSE_REPLACED = 4409
"""Another agent with the same token is connected; this one waits and tries again."""


class Hello(Message, frozen=True, tag="hello"):
    version: str
    """Moorage's version."""
    protocol: int = PROTOCOL
    runtime: str = ""
    """`docker`, `podman`, `kubernetes` or `memory`."""
    runtime_version: str = ""
    capacity: dict[str, int] = {}
    """`cpu` (millicores), `memory` (bytes), `workspaces` (how many run now)."""
    settings_file: str | None = None
    """Text of the agent's own file of settings (`moorage.workspace_settings`): the server stores it
    as a version, and lets nobody set anything else. None: the agent has no such file."""


class Capacity(Message, frozen=True, tag="capacity"):
    """As in `Hello`, when it has changed."""

    capacity: dict[str, int]


class SettingsTaken(Message, frozen=True, tag="settings-taken"):
    """The answer to `Settings`. `problem`: why the agent goes on with those that it had, in plain
    words; "": it took them."""

    version: int
    problem: str = ""


class Report(Message, frozen=True, tag="report"):
    """Actual states. `full`: of every workspace that this agent has; else only of those that
    changed."""

    workspaces: tuple[ActualWorkspace, ...]
    full: bool = False


class Found(Message, frozen=True, tag="found"):
    """All that this agent has and no snapshot lists, and what it knows in a newer generation than
    the server says. It takes the place of the one before. Sent only to a server whose `Welcome`
    says that it understands it."""

    workspaces: tuple[FoundWorkspace, ...]


class ChannelOutput(Message, frozen=True, tag="output"):
    channel: str
    data: bytes
    stream: Literal["stdout", "stderr"] = "stdout"


class ChannelTaken(Message, frozen=True, tag="taken"):
    """The command has taken that many bytes of input. A writer that has `flow.WINDOW` bytes under
    way waits for it."""

    channel: str
    bytes: int


class ChannelExit(Message, frozen=True, tag="exit"):
    """The channel has ended. `error` says why it could not be opened or broke off, in plain
    words."""

    channel: str
    code: int | None = None
    error: str = ""


class Welcome(Message, frozen=True, tag="welcome"):
    installation: str
    """Id of the server's installation; objects are labelled with it, and only such are touched."""
    agent_id: int
    agent_name: str
    version: str
    takes_found: bool = False
    """Whether the server understands `Found`."""


class Settings(Message, frozen=True, tag="settings"):
    """What workspaces of this agent are made by from now on: before the first `Snapshot`, and
    whenever it changes. Workspaces that run keep the version that they were started with."""

    version: int
    """Rises with every change. 0: nobody has set anything, and `text` is ""."""
    text: str
    """YAML in the format of `moorage.workspace_settings`."""


class Snapshot(Message, frozen=True, tag="snapshot"):
    """Every workspace that this agent should have. What it has beyond these is stopped, kept, and
    told (`Found`): the server may have lost what it knew. Only its own word removes anything:
    `Terminated`, or `RemoveFound`."""

    workspaces: tuple[DesiredWorkspace, ...]


class Change(Message, frozen=True, tag="change"):
    workspace: DesiredWorkspace


class RemoveFound(Message, frozen=True, tag="remove-found"):
    """Remove what was found, with its data. The agent does it only to what the server does not
    list, and what has the same `mark`; else it says anew what it found."""

    name: str
    mark: str


POST_START = "postStart"
"""In the place of a container's name, which is in lower case: what the postStart commands write."""


class OpenLogs(Message, frozen=True, tag="open-logs"):
    """Answered by `ChannelOutput` and `ChannelExit`. `container` "": the main one; `clone`: what
    cloning the projects said; `POST_START`."""

    channel: str
    workspace: str
    container: str = ""
    follow: bool = False
    tail: int | None = None
    """Lines; None: all that there are."""


class OpenExec(Message, frozen=True, tag="open-exec"):
    channel: str
    workspace: str
    argv: tuple[str, ...]
    container: str = ""
    tty: bool = False
    columns: int = 80
    rows: int = 24
    env: dict[str, str] = {}
    working_dir: str = ""


class ChannelInput(Message, frozen=True, tag="input"):
    channel: str
    data: bytes
    """Empty: end of input."""


class ChannelResize(Message, frozen=True, tag="resize"):
    channel: str
    columns: int
    rows: int


class ChannelCredit(Message, frozen=True, tag="credit"):
    """The reader has taken that many bytes."""

    channel: str
    bytes: int


class ChannelClose(Message, frozen=True, tag="close"):
    """The reader has gone; the command is ended (SIGHUP, then SIGKILL)."""

    channel: str


FromAgent = (
    Hello | Capacity | SettingsTaken | Report | Found | ChannelOutput | ChannelTaken | ChannelExit
)
ToAgent = (
    Welcome
    | Settings
    | Snapshot
    | Change
    | RemoveFound
    | OpenLogs
    | OpenExec
    | ChannelInput
    | ChannelResize
    | ChannelCredit
    | ChannelClose
)

_encoder = msgspec.json.Encoder()
_from_agent = msgspec.json.Decoder(FromAgent)
_to_agent = msgspec.json.Decoder(ToAgent)


def encode(message: FromAgent | ToAgent) -> str:
    return _encoder.encode(message).decode()


def decode_from_agent(text: str | bytes) -> FromAgent:
    """Raises `msgspec.DecodeError` (`ValidationError` included) when it is none of these
    messages."""
    message: FromAgent = _from_agent.decode(text)
    return message


def decode_to_agent(text: str | bytes) -> ToAgent:
    """Raises `msgspec.DecodeError` (`ValidationError` included) when it is none of these
    messages."""
    message: ToAgent = _to_agent.decode(text)
    return message
