"""Agent and server: what is said, and in which order. On the runtime in memory."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import aiohttp
import pytest

from integration.agent.fake_server import TOKEN, FakeServer
from integration.agent.process import AgentProcess
from integration.gateway.connect_proxy import connect_proxy
from integration.gateway.installation import eventually
from moorage.agent import connection
from moorage.agent.runtimes.memory import MemoryBackend
from moorage.agent.settings import AgentSettings
from moorage.agent.workspaces.fleet import Fleet
from moorage.agent.workspaces.settings import SettingsReceiver
from moorage.contract import (
    ActualState,
    Command,
    Container,
    DesiredState,
    Stage,
    StageName,
    StageState,
    Step,
    WorkspaceSpec,
)
from moorage.contract import agent as contract
from moorage.contract.flow import WINDOW
from moorage.kernel.clock import SystemClock
from ports import free_port

NAME = "workspace-7-1-aaaaaa"
SPEC = WorkspaceSpec(containers=(Container(name="py", image="i:1"),), main_container="py")


async def memory_agent(home: Path) -> AgentProcess:
    agent = AgentProcess(home, runtime="memory")
    await agent.start()
    return agent


async def test_says_hello_and_a_full_report(home: Path, server: FakeServer) -> None:
    """A new connection is: hello, welcome, snapshot, and a full report of exactly what the snapshot
    lists."""
    await server.want(NAME, SPEC)
    agent = await memory_agent(home)
    await server.until(lambda: server.full_reports)
    hello = server.hellos[0]
    assert (hello.runtime, hello.protocol) == ("memory", contract.PROTOCOL)
    assert hello.capacity["cpu"] > 0
    assert [actual.name for actual in server.full_reports[0].workspaces] == [NAME]
    await server.until_state(NAME, ActualState.RUNNING)
    assert await agent.stop() == 0


async def test_behind_an_egress_proxy(
    home: Path, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes the proxy that the environment names for its server's scheme, and none where
    NO_PROXY has the server."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    async with connect_proxy({"moorage.example:80": server.socket}) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
        agent = AgentProcess(home, runtime="memory", server="http://moorage.example")
        await agent.start()
        await server.until(lambda: server.full_reports)
        assert await agent.stop() == 0
        assert proxy.asked == ["moorage.example:80"]
        monkeypatch.setenv("NO_PROXY", "127.0.0.0/8")
        direct = AgentProcess(home, runtime="memory", server="http://127.0.0.1:1")
        await direct.start()
        await eventually("it has tried", lambda: "not connected" in direct.log.read_text())
        assert await direct.stop() == 0
        assert proxy.asked == ["moorage.example:80"]
    monkeypatch.setenv("HTTP_PROXY", "socks5://u:secret@p:1")
    wrong = AgentProcess(home, runtime="memory", server="http://moorage.example")
    await wrong.start()
    assert await wrong.exit_code() == 9
    assert "HTTP_PROXY names no HTTP proxy" in wrong.log.read_text()
    assert "secret" not in wrong.log.read_text()


async def test_settings_are_taken_and_answered(home: Path, server: FakeServer) -> None:
    """A workspace says by which version it was started, and keeps it until it is restarted; what is
    unusable is answered so."""
    server.settings = contract.Settings(version=3, text="remote_development: {labels: {a: b}}")
    await server.want(NAME, SPEC)
    agent = await memory_agent(home)
    assert (await server.until_state(NAME, ActualState.RUNNING)).settings == 3
    assert server.hellos[0].settings_file is None
    await server.send(contract.Settings(version=4, text="remote_development: {labels: {a: c}}"))
    await server.send(contract.Settings(version=5, text="remote_development: {labels: 7}"))
    await server.until(lambda: len(server.taken) == 3)
    assert [(taken.version, bool(taken.problem)) for taken in server.taken] == [
        (3, False),
        (4, False),
        (5, True),
    ]
    assert "line 1" in server.taken[2].problem
    assert server.actual[NAME].settings == 3
    await server.change(NAME, DesiredState.RUNNING, restarts=1)
    await server.until(lambda: server.actual[NAME].settings == 4)
    assert await agent.stop() == 0


async def test_a_file_of_its_own_goes_with_the_hello(home: Path, server: FakeServer) -> None:
    """The server gets its text; other settings from the server are refused."""
    text = "# ours\nremote_development: {labels: {a: b}}\n"
    (home / "config.yaml").write_text(text)
    server.settings = contract.Settings(version=1, text="remote_development: {}")
    agent = AgentProcess(home, runtime="memory", workspace_settings=home / "config.yaml")
    await agent.start()
    await server.until(lambda: server.taken)
    assert server.hellos[0].settings_file == text
    assert "file of its own" in server.taken[0].problem
    assert await agent.stop() == 0


async def test_an_unusable_file_of_its_own(home: Path, server: FakeServer) -> None:
    """The agent does not start: exit code 9, and the line that is wrong."""
    (home / "config.yaml").write_text("remote_development:\n  labels: 7\n")
    agent = AgentProcess(home, runtime="memory", workspace_settings=home / "config.yaml")
    await agent.start()
    assert await agent.exit_code() == 9
    assert "config.yaml, line 2" in agent.log.read_text()


async def test_capacity_is_told_when_it_changes(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looked at now and then; said again only when it is another."""
    monkeypatch.setattr(connection, "CAPACITY_SECONDS", 0.05)
    backend = MemoryBackend(SystemClock())
    fleet = Fleet(backend, AgentSettings(), SystemClock())
    settings = SettingsReceiver(AgentSettings(), backend)
    to_server = connection.Connection(f"unix:{server.socket}", TOKEN, fleet, backend, settings)
    tasks = [asyncio.create_task(fleet.run()), asyncio.create_task(to_server.run())]
    try:
        await server.until(lambda: server.full_reports)
        assert server.hellos[0].capacity["workspaces"] == 0
        await server.want(NAME, SPEC)
        await server.until(lambda: server.capacities)
        await server.change(NAME, DesiredState.STOPPED)
        await server.until(lambda: len(server.capacities) > 1)
        assert [told.capacity["workspaces"] for told in server.capacities] == [1, 0]
        assert server.capacities[0].capacity["cpu"] == server.hellos[0].capacity["cpu"]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_workspaces_life(home: Path, server: FakeServer) -> None:
    """Start, restart, stop, start, terminate: each is done, and reported with its generation."""
    agent = await memory_agent(home)
    await server.want(NAME, SPEC)
    running = await server.until_state(NAME, ActualState.RUNNING)
    assert running.address
    assert stage(running.stages, StageName.READY).state is StageState.DONE
    assert [s.name for s in running.stages] == list(StageName)[1:]
    before = running.containers[0].started_at
    await server.change(NAME, DesiredState.RUNNING, restarts=1)
    again = await server.until_state(NAME, ActualState.RUNNING)
    assert again.containers[0].started_at != before
    await server.change(NAME, DesiredState.STOPPED)
    stopped = await server.until_state(NAME, ActualState.STOPPED)
    assert (stopped.address, stopped.containers, stopped.stages) == ("", (), ())
    await server.change(NAME, DesiredState.RUNNING)
    await server.until_state(NAME, ActualState.RUNNING)
    await server.change(NAME, DesiredState.TERMINATED)
    await server.until_state(NAME, ActualState.TERMINATED)
    states = [actual.state for actual in server.history]
    assert ActualState.STARTING in states
    assert await agent.stop() == 0


async def test_an_older_generation_is_ignored(home: Path, server: FakeServer) -> None:
    """A message that comes late, or twice, changes nothing."""
    agent = await memory_agent(home)
    first = await server.want(NAME, SPEC)
    await server.until_state(NAME, ActualState.RUNNING)
    await server.change(NAME, DesiredState.STOPPED)
    await server.until_state(NAME, ActualState.STOPPED)
    await server.send(contract.Change(workspace=first))
    await server.send(contract.Change(workspace=server.desired[NAME]))
    await server.want("workspace-7-1-bbbbbb", SPEC)
    await server.until_state("workspace-7-1-bbbbbb", ActualState.RUNNING)
    assert server.actual[NAME].state is ActualState.STOPPED
    await agent.stop()


async def test_works_on_while_the_server_is_away(home: Path, server: FakeServer) -> None:
    """When the server comes back, the agent does too, says everything anew, and takes what has
    changed."""
    agent = await memory_agent(home)
    await server.want(NAME, SPEC)
    await server.until_state(NAME, ActualState.RUNNING)
    await server.stop()
    await server.until(lambda: not server.connected)
    await server.change(NAME, DesiredState.STOPPED)
    server.actual.clear()
    reports = len(server.full_reports)
    await server.start()
    await server.until(lambda: len(server.full_reports) > reports, timeout=20)
    await server.until_state(NAME, ActualState.STOPPED)
    await agent.stop()


async def test_a_wrong_token_is_told(home: Path, server: FakeServer) -> None:
    """An agent whose token is refused says so in its log and its health, and goes on trying."""
    agent = AgentProcess(home, runtime="memory")
    agent.home.secret_file("agent-token").write_text("another")
    await agent.start()
    await server.until(lambda: server.refused >= 2)
    status, body = await agent.get("/healthz")
    assert status == 200
    assert json.loads(body)["connected"] is False
    assert "does not know this agent's token" in json.loads(body)["server"]
    assert "does not know this agent's token" in agent.log.read_text()
    await agent.stop()


async def test_unusable_settings_end_it(home: Path) -> None:
    """Settings that cannot work end the process with the exit code that means so, and a
    sentence."""
    cases = {
        "network_pool": ("10.0.0.1/8", "network_pool"),
        "ca_bundle": ("/no/such/file", "CA bundle"),
        "server": ("gopher://x", "no server's address"),
        "crash_limit": ("many", "crash_limit"),
    }
    for name, (value, words) in cases.items():
        agent = AgentProcess(home, runtime="memory", **{name: value})
        await agent.start()
        assert await agent.exit_code() == 9, name
        assert words in agent.log.read_text()


async def test_metrics_and_health(home: Path, server: FakeServer) -> None:
    """The agent's own socket tells its figures, and whether it is connected."""
    agent = await memory_agent(home)
    await server.want(NAME, SPEC)
    await server.until_state(NAME, ActualState.RUNNING)
    status, text = await agent.get("/metrics")
    assert status == 200
    assert 'moorage_agent_workspaces{state="Running"} 1.0' in text
    assert 'moorage_agent_reconcile_seconds_count{action="start"} 1.0' in text
    assert "moorage_agent_connected 1.0" in text
    _, body = await agent.get("/healthz")
    assert json.loads(body) == {
        "connected": True,
        "server": "",
        "engine": None,
        "caveat": "",
        "workspaces": 1,
    }
    await agent.stop()


async def test_metrics_and_health_by_tcp(home: Path, server: FakeServer) -> None:
    """Where the settings say so, the same is answered on a port; what cannot be listened on is
    said, with exit code 9."""
    port = free_port()
    agent = AgentProcess(home, runtime="memory", status_listen=f"*:{port}")
    await agent.start()
    await server.until(lambda: server.full_reports)
    for address in ("127.0.0.1", "[::1]"):
        async with aiohttp.ClientSession(f"http://{address}:{port}") as session:
            for path, words in (("/healthz", '"connected":true'), ("/metrics", "moorage_agent_")):
                async with session.get(path) as answer:
                    assert answer.status == 200
                    assert words in await answer.text()
            async with session.get("/other") as answer:
                assert answer.status == 404
    for listen, words in (
        (f"127.0.0.1:{port}", "cannot listen on"),
        ("8082", "no address to listen on"),
    ):
        second = AgentProcess(home / "second", runtime="memory", status_listen=listen)
        await second.start()
        assert await second.exit_code() == 9
        assert words in second.log.read_text()
    assert await agent.stop() == 0


async def test_commands_and_logs(home: Path, server: FakeServer) -> None:
    """Commands and logs are channels; an error is the channel's end, in plain words."""
    agent = await memory_agent(home)
    await server.want(NAME, SPEC)
    await server.until_state(NAME, ActualState.RUNNING)
    assert await server.run(NAME, "echo", "hello") == (
        b"hello\n", contract.ChannelExit(channel=list(server.exits)[-1], code=0),
    )  # fmt: skip
    _, end = await server.run(NAME, "sh", "-c", "exit 7")
    assert end.code == 7
    _, end = await server.run("workspace-7-1-zzzzzz", "true")
    assert (end.code, "does not run" in end.error) == (None, True)
    await server.open(contract.OpenExec(channel="in", workspace=NAME, argv=("cat",)))
    await server.send(contract.ChannelInput(channel="in", data=b"one "))
    await server.send(contract.ChannelInput(channel="in", data=b"two"))
    await server.send(contract.ChannelInput(channel="in", data=b""))
    assert (await server.output("in"))[0] == b"one two"
    await server.open(contract.OpenLogs(channel="log", workspace=NAME))
    assert (await server.output("log"))[0] == b"py has started\n"
    await agent.stop()


async def test_a_slow_reader_slows_its_channel_only(home: Path, server: FakeServer) -> None:
    """Without credit, a channel sends a window and no more, while others go on; with credit, it
    goes on."""
    agent = await memory_agent(home)
    await server.want(NAME, SPEC)
    await server.until_state(NAME, ActualState.RUNNING)
    await server.open(contract.OpenExec(channel="slow", workspace=NAME, argv=("cat",)))
    piece = b"x" * 100_000
    for _ in range(10):
        await server.send(contract.ChannelInput(channel="slow", data=piece))
    await server.send(contract.ChannelInput(channel="slow", data=b""))

    def sent() -> int:
        return sum(len(output.data) for output in server.outputs["slow"])

    await server.until(lambda: sent() == WINDOW)
    assert (await server.run(NAME, "echo", "quick"))[0] == b"quick\n"
    assert sent() == WINDOW
    await server.send(contract.ChannelCredit(channel="slow", bytes=100))
    await server.until(lambda: sent() == WINDOW + 100)
    for _ in range(10):
        await server.send(contract.ChannelCredit(channel="slow", bytes=WINDOW))
        await asyncio.sleep(0.05)
    data, end = await server.output("slow")
    assert (data, end.code) == (piece * 10, 0)
    await agent.stop()


async def test_a_channel_that_is_closed_ends(home: Path, server: FakeServer) -> None:
    """A channel whose reader goes ends without a word, and takes no other with it."""
    agent = await memory_agent(home)
    await server.want(NAME, SPEC)
    await server.until_state(NAME, ActualState.RUNNING)
    await server.open(contract.OpenExec(channel="gone", workspace=NAME, argv=("cat",)))
    await server.send(contract.ChannelClose(channel="gone"))
    assert (await server.run(NAME, "echo", "on"))[0] == b"on\n"
    assert "gone" not in server.exits
    assert 'moorage_agent_channels{kind="exec"} 0.0' in (await agent.get("/metrics"))[1]
    await agent.stop()


async def test_post_start(home: Path, server: FakeServer) -> None:
    """PostStart steps run once the workspace is ready, in order; each one's outcome is reported;
    none holds it up. What they write is read as a log is."""
    agent = await memory_agent(home)

    def command(name: str, line: str) -> Command:
        return Command(id=name, container="py", command_line=line)

    steps = (
        Step(id="good", commands=(command("good", "true"),)),
        Step(id="bad", commands=(command("one", "exit 3"), command("two", "true"))),
        Step(id="both", commands=(command("a", "true"), command("b", "true")), parallel=True),
    )
    spec = WorkspaceSpec(containers=SPEC.containers, main_container="py", post_start=steps)
    await server.want(NAME, spec)
    await server.until(
        lambda: (
            NAME in server.actual
            and all(server.actual[NAME].post_start.values())
            and server.actual[NAME].post_start
        )
    )
    outcomes = server.actual[NAME].post_start
    assert (outcomes["good"], outcomes["both"]) == ("done", "done")
    assert outcomes["bad"].startswith("one ended with exit code 3")
    assert server.actual[NAME].state is ActualState.RUNNING
    for name, follow in (("whole", False), ("followed", True)):
        await server.open(
            contract.OpenLogs(
                channel=name, workspace=NAME, container=contract.POST_START, follow=follow
            )
        )
        written, end = await server.output(name)
        assert not end.error
        assert b"[postStart] good: true\n[postStart] good: done\n" in written
        assert b"[postStart] one: one ended with exit code 3." in written
    await server.open(
        contract.OpenLogs(channel="none", workspace="workspace-7-1-nobody", container="postStart")
    )
    assert (await server.output("none"))[1].error
    await agent.stop()


def stage(stages: tuple[Stage, ...], name: StageName) -> Stage:
    return next(stage for stage in stages if stage.name is name)
