"""Images: those that are on the engine, and pulls of those that are not."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from moorage.agent import causes
from moorage.agent.runtimes.docker.engine import Engine, EngineError
from moorage.agent.runtimes.docker.objects import ImageConfig, image_config
from moorage.agent.runtimes.port import RuntimeFault
from moorage.agent.runtimes.registries import Registries
from moorage.contract.images import ImageReference, parse_image

TRIES = 3
"""Pulls, when a registry does not answer."""
HUB = "https://index.docker.io/v1/"


class Images:
    """The images on an engine. Each is pulled once, however many starts wait for it."""

    def __init__(
        self,
        engine: Engine,
        pull_timeout: float,
        registries: Registries,
        docker_config: Path | None = None,
    ) -> None:
        self._engine = engine
        self._registries = registries
        self._timeout = pull_timeout
        self._docker_config = docker_config or Path.home() / ".docker/config.json"
        self._pulling: dict[str, asyncio.Lock] = {}

    async def find(self, reference: str) -> ImageConfig | None:
        answer = await self._engine.request(
            "GET",
            f"images/{_parsed(reference)}/json",
            doing=f"looking for {reference}",
            missing_ok=True,
        )
        return image_config(answer) if answer is not None else None

    async def ensure(
        self, reference: str, on_progress: Callable[[str], None], *, own: bool = False
    ) -> ImageConfig:
        """The image, pulled when it is not there; `on_progress` hears how far that is. `own`: the
        installation names it, and not a devfile.

        Raises `RuntimeFault`.
        """
        _parsed(reference)
        try:
            found = await self.find(reference)
        except EngineError as error:  # the engine refuses what is no image's name
            raise _fault(
                causes.of_pull(reference, error.status, error.message, causes.DOCKER)
            ) from error
        if found is not None:
            return found
        if not own:
            await self._registries.check([reference])
        lock = self._pulling.setdefault(reference, asyncio.Lock())
        if lock.locked():
            on_progress(f"Waiting for {reference}: it is being pulled already.")
        async with lock:  # several workspaces that want the same one pull it once
            found = await self.find(reference)
            if found is None:
                await self._pull_patiently(reference, on_progress)
                found = await self.find(reference)
        self._pulling.pop(reference, None)
        if found is None:
            raise _fault(
                causes.of_pull(reference, 404, "it was pulled, and is not there", causes.DOCKER)
            )
        return found

    async def _pull_patiently(self, reference: str, on_progress: Callable[[str], None]) -> None:
        for attempt in range(1, TRIES + 1):
            try:
                async with asyncio.timeout(self._timeout):
                    await self._pull(reference, on_progress)
            except TimeoutError as error:
                raise _fault(causes.pull_timeout(reference, self._timeout)) from error
            except EngineError as error:
                verdict = causes.of_pull(reference, error.status, error.message, causes.DOCKER)
                if verdict.final or attempt == TRIES:
                    raise RuntimeFault(verdict.cause, final=True) from error
                on_progress(f"{verdict.cause.message} Trying again.")
                await asyncio.sleep(attempt)
            else:
                return

    async def _pull(self, reference: str, on_progress: Callable[[str], None]) -> None:
        on_progress(f"Pulling {reference}.")
        parsed = _parsed(reference)
        layers: dict[str, tuple[int, int]] = {}
        headers = self._auth(reference)
        async with self._engine.stream(
            "POST",
            "images/create",
            doing=f"pulling {reference}",
            headers=headers,
            **_wanted(parsed),
        ) as content:
            async for raw in content:
                if not raw.strip():
                    continue
                line = json.loads(raw)
                if "error" in line or "errorDetail" in line:
                    message = (
                        (line.get("errorDetail") or {}).get("message") or line.get("error") or ""
                    )
                    raise EngineError(f"pulling {reference}", 500, str(message))
                if detail := _far(line, layers):
                    on_progress(f"Pulling {reference}: {detail}")

    def _auth(self, reference: str) -> dict[str, str]:
        """The credentials that `docker login` has stored for this user in the file itself, as a
        header."""
        try:
            auths = json.loads(self._docker_config.read_text()).get("auths") or {}
        except (OSError, ValueError):
            return {}
        registry = _parsed(reference).domain or HUB
        entry = auths.get(registry) or auths.get(f"https://{registry}")
        if not isinstance(entry, dict) or not entry.get("auth"):
            return {}
        user, _, password = base64.b64decode(entry["auth"]).decode().partition(":")
        value = json.dumps(
            {"username": user, "password": password, "serveraddress": registry}
        ).encode()
        return {"X-Registry-Auth": base64.urlsafe_b64encode(value).decode()}


def _parsed(reference: str) -> ImageReference:
    """Raises `RuntimeFault` (final) for what is no reference: nothing else becomes a part of a
    request to the engine."""
    found = parse_image(reference)
    if found is None:
        raise _fault(causes.of_pull(reference, 400, "invalid reference format", causes.DOCKER))
    return found


def _wanted(image: ImageReference) -> dict[str, str | None]:
    """The parameters of a pull: a digest stays with the name.

    Without a tag it is `latest`, as everywhere.
    """
    if image.digest:
        return {"fromImage": str(image), "tag": None}
    return {"fromImage": image.name, "tag": image.tag or "latest"}


def _far(line: dict[str, Any], layers: dict[str, tuple[int, int]]) -> str:
    """How far a pull is, out of the engine's lines; "" when this one tells nothing new."""
    detail = line.get("progressDetail") or {}
    if line.get("status") != "Downloading" or not detail.get("total"):
        return ""
    before = _percent(layers)
    layers[line.get("id", "")] = (int(detail.get("current", 0)), int(detail["total"]))
    now = _percent(layers)
    total = sum(size for _, size in layers.values()) / 1e6
    return f"{now} % of {total:.0f} MB" if now != before else ""


def _percent(layers: dict[str, tuple[int, int]]) -> int:
    total = sum(size for _, size in layers.values())
    return 100 * sum(done for done, _ in layers.values()) // total if total else -1


def _fault(verdict: causes.Verdict) -> RuntimeFault:
    return RuntimeFault(verdict.cause, final=verdict.final)
