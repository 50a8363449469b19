"""The messages between server and agent."""

import msgspec
import pytest

from moorage.contract import (
    ActualState,
    ActualWorkspace,
    Cause,
    Container,
    Credential,
    DesiredState,
    DesiredWorkspace,
    Project,
    Stage,
    StageName,
    StageState,
    WorkspaceSpec,
    agent,
)

SPEC = WorkspaceSpec(
    containers=(Container(name="py", image="example/python", env={"A": "b"}),),
    main_container="py",
    projects=(
        Project(
            name="app",
            clone_path="app",
            url="https://git.example.com/app",
            credential=Credential(host="git.example.com", username="ana", password="swordfish"),
        ),
    ),
)
DESIRED = DesiredWorkspace(
    name="workspace-1-7-abc123", generation=3, desired=DesiredState.RUNNING, spec=SPEC
)
ACTUAL = ActualWorkspace(
    name=DESIRED.name,
    generation=3,
    state=ActualState.FAILED,
    stages=(Stage(name=StageName.IMAGE, state=StageState.FAILED, started_at=1.0, finished_at=2.5),),
    cause=Cause(code="image-not-found", message="There is no such image."),
)

TO_AGENT = [
    agent.Welcome(installation="i", agent_id=1, agent_name="local", version="0.1.0"),
    agent.Snapshot(workspaces=(DESIRED,)),
    agent.Change(workspace=DESIRED),
    agent.OpenExec(channel="c", workspace=DESIRED.name, argv=("ls", "-l"), tty=True),
    agent.OpenLogs(channel="c", workspace=DESIRED.name, follow=True, tail=10),
    agent.ChannelInput(channel="c", data=b"\x00\xff"),
    agent.ChannelResize(channel="c", columns=100, rows=40),
    agent.ChannelCredit(channel="c", bytes=1024),
    agent.ChannelClose(channel="c"),
]
FROM_AGENT = [
    agent.Hello(version="0.1.0", runtime="docker"),
    agent.Report(workspaces=(ACTUAL,), full=True),
    agent.ChannelOutput(channel="c", data=b"\xfe", stream="stderr"),
    agent.ChannelTaken(channel="c", bytes=3),
    agent.ChannelExit(channel="c", code=3),
]


@pytest.mark.parametrize("message", TO_AGENT, ids=lambda m: type(m).__name__)
def test_what_the_server_says_survives_the_wire(message):
    """Every message to an agent is decoded to the same value, binary data included."""
    assert agent.decode_to_agent(agent.encode(message)) == message


@pytest.mark.parametrize("message", FROM_AGENT, ids=lambda m: type(m).__name__)
def test_what_the_agent_says_survives_the_wire(message):
    """Every message from an agent is decoded to the same value, binary data included."""
    assert agent.decode_from_agent(agent.encode(message)) == message


def test_a_newer_peer_may_say_more():
    """Fields that this version does not know are ignored, so that neighbouring versions talk."""
    text = '{"type":"hello","version":"9","mood":"fine","capacity":{"cpu":2000}}'
    assert agent.decode_from_agent(text) == agent.Hello(version="9", capacity={"cpu": 2000})


@pytest.mark.parametrize("text", ["", "{", "{}", '{"type":"snapshot"}', '{"type":"hello"}'])
def test_anything_else_is_refused(text):
    """A frame that is no message from an agent raises a decoding error."""
    with pytest.raises(msgspec.DecodeError):
        agent.decode_from_agent(text)


def test_a_credential_never_shows_its_password():
    """The text form of a spec, as a log line would have it, holds no password."""
    assert "swordfish" not in repr(DESIRED)
    assert "swordfish" in agent.encode(agent.Change(workspace=DESIRED))


def test_a_stage_knows_how_long_it_took():
    """Duration in seconds once it has ended; none while it runs; never negative when clocks
    jump."""
    assert ACTUAL.stages[0].duration == 1.5
    assert Stage(name=StageName.CLONE, state=StageState.RUNNING, started_at=1.0).duration is None
    assert Stage(name=StageName.CLONE, started_at=5.0, finished_at=4.0).duration == 0.0
