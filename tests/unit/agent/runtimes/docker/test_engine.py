"""Requests to the engine stay on the paths that they were meant for."""

from __future__ import annotations

import pytest

from moorage.agent.runtimes.docker.engine import Engine, EngineError
from moorage.agent.runtimes.docker.images import Images
from moorage.agent.runtimes.port import RuntimeFault
from moorage.agent.runtimes.registries import Registries

ODD = [
    "../containers",
    "a/../../containers",
    "..",
    ".",
    "a?force=1",
    "a#b",
    "a%2f..%2fb",
    "a b",
    "a/b",
    "a\n",
    "a\r\nHost: x",
    "a\\b",
    "",
    "ä",
]


@pytest.mark.parametrize("name", ODD)
async def test_a_name_stays_in_its_segment(name: str) -> None:
    """What could leave its segment, or begin a query, is refused before anything is sent."""
    engine = Engine("unix:///nonexistent/engine.sock")
    try:
        with pytest.raises(EngineError, match="is no path of the engine's API"):
            await engine.request("DELETE", f"containers/{name}/json")
        with pytest.raises(EngineError, match="is no path of the engine's API"):
            await engine.upload(name, "/", b"", doing="preparing")
        with pytest.raises(EngineError, match="is no path of the engine's API"):
            async with engine.stream("GET", f"containers/{name}/logs", doing="reading"):
                pass
        with pytest.raises(EngineError, match="is no path of the engine's API"):
            async with engine.attach_exec(name, tty=False):
                pass
    finally:
        await engine.close()


@pytest.mark.parametrize(
    "image", ["x/../../containers", "../containers/json?all=1", "x/..", "a%2f..", "A b", ""]
)
async def test_what_is_no_image_is_not_asked_for(image: str) -> None:
    """An image that is no reference is refused in words, and no request is made of it."""
    engine = Engine("unix:///nonexistent/engine.sock")
    try:
        with pytest.raises(RuntimeFault) as caught:
            await Images(engine, 5, Registries(())).ensure(image, lambda _: None)
        assert caught.value.cause.code == "image-name-invalid"
        assert caught.value.final
    finally:
        await engine.close()
