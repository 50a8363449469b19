"""What programs of a workspace find: servers that are reached, and text."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from integration.runtimes.test_contract import said
from integration.runtimes.worlds import DockerWorld, desired_of, simple_spec
from moorage.agent.runtimes.port import ExecRequest
from moorage.contract import Container

pytestmark = pytest.mark.docker

SERVE = "nohup /opt/moorage/bin/busybox httpd -f -p {place} -h /opt/moorage/etc >/dev/null 2>&1 & echo $!"


async def fetched(address: str, port: int) -> bytes | None:
    """The answer of `SERVE`; b"" while it ends, None where nobody listens."""
    try:
        reader, writer = await asyncio.open_connection(address, port)
        writer.write(b"GET /ca-certificates.crt HTTP/1.0\r\n\r\n")
        answer = await reader.read()
        writer.close()
    except ConnectionRefusedError:
        return None
    except ConnectionError:
        return b""
    return answer


@pytest.mark.parametrize("loopback", ["127.0.0.1", "[::1]"])
async def test_servers_on_a_loopback_address_are_reached(
    docker_world: DockerWorld, loopback: str
) -> None:
    """What listens on 127.0.0.1 or ::1 alone, as the development servers of Vite, Flask and Rails
    do by default, is reached at the workspace's address like any other port, but for the editor's
    and SSH's; and the port is free for whoever binds it next."""
    agent = await docker_world.agent()
    desired = desired_of(docker_world)
    await agent.start(desired)
    run = (await agent.runtime.observe(desired.name, desired)).run
    assert run is not None

    async def sh(line: str) -> str:
        async with agent.runtime.execute(
            desired.name, ExecRequest(argv=("sh", "-c", line))
        ) as session:
            chunks = [chunk async for chunk in session.output()]
            assert await session.exit_code() == 0, chunks
            return said(chunks, "stdout").decode()

    async def until_fetched(port: int, *, free: bool = False) -> bytes:
        async with asyncio.timeout(60):
            answer = await fetched(run.address, port)
            while answer is not None if free else not answer:
                await asyncio.sleep(0.1)
                answer = await fetched(run.address, port)
        return answer or b""

    await sh(SERVE.format(place=f"{loopback}:60022"))
    server = await sh(SERVE.format(place=f"{loopback}:8123"))
    assert (await until_fetched(8123)).startswith(b"HTTP/1.")
    for answer in await asyncio.gather(*(fetched(run.address, 8123) for _ in range(20))):
        assert answer is not None
        assert answer.rstrip().endswith(b"-----END CERTIFICATE-----"), "to its last byte"
    assert await fetched(run.address, 60022) is None, (
        "the editor's and SSH's ports are no one else's"
    )
    await sh(f"kill {server}")
    await until_fetched(8123, free=True)
    await sh(SERVE.format(place="0.0.0.0:8123"))
    assert (await until_fetched(8123)).rstrip().endswith(b"-----END CERTIFICATE-----")


async def test_text_is_utf_8(docker_world: DockerWorld) -> None:
    """Where neither image nor devfile sets a locale, it is UTF-8's; what they set stays."""
    agent = await docker_world.agent()
    main = Container(name="py", image=docker_world.image, override_command=True, env={"LANG": ""})
    side = Container(
        name="side",
        image=docker_world.image,
        override_command=True,
        env={"LANG": "", "LC_ALL": "C"},
    )
    spec = msgspec.structs.replace(simple_spec(docker_world), containers=(main, side))
    desired = desired_of(docker_world, spec=spec)
    await agent.start(desired)
    for container, locale in (("py", b"C.UTF-8 \n"), ("side", b" C\n")):
        argv = ("sh", "-c", 'echo "$LANG $LC_ALL"')
        request = ExecRequest(argv=argv, container=container)
        async with agent.runtime.execute(desired.name, request) as session:
            chunks = [chunk async for chunk in session.output()]
            assert said(chunks, "stdout") == locale


async def test_packets_are_as_large_as_the_setting_says(docker_world: DockerWorld) -> None:
    """What programs send out of a workspace fits the way out of its machine."""
    agent = await docker_world.agent(
        msgspec.structs.replace(docker_world.settings, network_mtu=1400)
    )
    desired = desired_of(docker_world)
    await agent.start(desired)
    request = ExecRequest(argv=("cat", "/sys/class/net/eth0/mtu"))
    async with agent.runtime.execute(desired.name, request) as session:
        assert said([chunk async for chunk in session.output()], "stdout") == b"1400\n"
