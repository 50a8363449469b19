"""How the sandbox tells of the clone, and takes credentials."""

from __future__ import annotations

import msgspec
import pytest

from moorage.agent.runtimes.cloning import CloneLog, deliver_again, deliver_credentials
from moorage.agent.runtimes.port import RuntimeFault
from moorage.contract import Credential, DesiredState, DesiredWorkspace, Project, WorkspaceSpec

URL = "https://git.example.com/app.git"


def wanted(credential: Credential | None = None) -> DesiredWorkspace:
    project = Project(name="app", clone_path="app", url=URL, credential=credential)
    spec = WorkspaceSpec(containers=(), main_container="dev", projects=(project,))
    return DesiredWorkspace(name="w", generation=1, desired=DesiredState.RUNNING, spec=spec)


@pytest.mark.parametrize(
    ("line", "detail"),
    [
        (b'{"event":"cloning","detail":"https://me:secret@h/x"}', "Cloning https://h/x."),
        (b'{"event":"retrying","detail":"https://t0ken@h/x"}', "Trying again: https://h/x"),
        (b'{"event":"empty"}', "The repository is empty: so is its folder."),
    ],
)
def test_events(line: bytes, detail: str) -> None:
    """They are told as a sentence, without the passwords that addresses may have."""
    log = CloneLog()
    assert log.take_line(line, wanted())
    assert (log.detail, log.ended) == (detail, False)


def test_the_end() -> None:
    """A clone ends well, or with a cause that names the project."""
    log = CloneLog()
    assert log.take_line(b'{"event":"done"}', wanted())
    assert log.done
    assert log.ended
    log = CloneLog()
    failed = b'{"event":"failed","path":"app","code":"unknown-ref","detail":""}'
    assert log.take_line(failed, wanted())
    assert log.fault is not None
    assert log.fault.code == "ref-not-found"
    assert URL in log.fault.message


@pytest.mark.parametrize(
    "line", [b"", b"hello", b'{"event":', b'{"event":"of-tomorrow"}', b'{"event":1}']
)
def test_what_is_no_event(line: bytes) -> None:
    """Other lines of the sandbox, and events of a later version, tell nothing."""
    assert not CloneLog().take_line(line, wanted())


def test_a_submodule_that_is_missing_ends_nothing() -> None:
    """It is told once, however often the log is read, and the clone goes on to its end."""
    log = CloneLog()
    line = (
        b'{"event":"missing","path":"app","submodule":"libs/x","detail":"its path leads elsewhere"}'
    )
    assert log.take_line(line, wanted())
    assert log.take_line(line, wanted())
    assert (len(log.troubles), log.ended) == (1, False)
    assert "libs/x" in log.troubles[0].message


def test_gits_own_progress() -> None:
    """The last figure of a piece of Git's output is told."""
    log = CloneLog()
    assert log.take_progress(b"Receiving objects:  10% (1/9)\rReceiving objects:  62% (5/9)\r")
    assert log.detail == "Receiving objects: 62 %"
    assert not log.take_progress(b"remote: Enumerating objects: 9, done.")


def event(**fields: str) -> bytes:
    return msgspec.json.encode({"event": "history", "path": "app", **fields})


def test_a_history_that_comes_behind_the_start() -> None:
    """The clone is done, and has more to tell: how far the history is, in steps of ten; why it does
    not come, while it does not; and its end."""
    log = CloneLog()
    assert log.take_line(b'{"event":"done","path":"","history":"1"}', wanted())
    assert (log.done, log.ended, log.detail) == (True, False, "The history is still being fetched.")
    assert log.take_line(event(state="wanted"), wanted())
    assert log.wants_credential
    assert log.take_progress(b"Receiving objects:  42% (1/9)\r")
    assert not log.take_progress(b"Receiving objects:  47% (2/9)\r")
    assert log.detail == "The history is still being fetched: 40 %."
    said = "fatal: unable to access 'https://x/': Could not resolve host: x"
    assert log.take_line(event(state="failed", url=URL, detail=said), wanted())
    assert [cause.code for cause in log.troubles] == ["history-not-fetched"]
    assert "tried again by itself" in log.troubles[0].hint
    assert log.take_line(event(state="here"), wanted())
    assert (log.troubles, log.ended, log.detail) == ((), True, "")


def test_a_history_that_is_given_up() -> None:
    """It ends what is told, and stays a trouble that says what to do."""
    log = CloneLog()
    log.take_line(b'{"event":"done","path":"","history":"1"}', wanted())
    log.take_line(event(state="given-up", url=URL, detail="fatal: Authentication failed"), wanted())
    assert log.ended
    assert "Restart the workspace" in log.troubles[0].hint


async def test_credentials_are_handed_over_once_more() -> None:
    """Only when they are asked for, and a sandbox that does not take them is left alone."""
    ran: list[bytes] = []

    async def execute(argv: tuple[str, ...], given: bytes) -> int:
        ran.append(given)
        return 9

    log = CloneLog()
    with_one = wanted(Credential(host="git.example.com", username="u", password="s3cret"))
    await deliver_again(log, with_one, execute)
    assert ran == []
    log.take_line(event(state="wanted"), with_one)
    await deliver_again(log, with_one, execute)
    await deliver_again(log, with_one, execute)
    assert len(ran) == 1


async def test_credentials_are_handed_over_on_standard_input() -> None:
    """They are in no argument; without any, nothing is run; a sandbox that does not take them ends
    the start."""
    ran: list[tuple[tuple[str, ...], bytes]] = []
    code = 0

    async def execute(argv: tuple[str, ...], given: bytes) -> int:
        ran.append((argv, given))
        return code

    await deliver_credentials(wanted(), execute)
    assert ran == []
    with_one = wanted(Credential(host="git.example.com", username="u", password="s3cret"))
    await deliver_credentials(with_one, execute)
    ((argv, given),) = ran
    assert b"s3cret" in given
    assert not any("s3cret" in word for word in argv)
    code = 9
    with pytest.raises(RuntimeFault) as refused:
        await deliver_credentials(with_one, execute)
    assert refused.value.final
    assert refused.value.cause.code == "credential-not-taken"
