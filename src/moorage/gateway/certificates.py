"""Gives HAProxy the certificates that are renewed while it runs, and says when one is about to end.

Level-triggered, by looking: kubelet and others replace files in many ways, and a certificate has
weeks. What cannot be used is refused with its cause, and HAProxy keeps what it has.
"""

from __future__ import annotations

import asyncio

from moorage.gateway.haproxy import certificates
from moorage.gateway.haproxy.certificates import Files, Pem, Shown
from moorage.gateway.haproxy.runtime import Runtime
from moorage.gateway.metrics import Metrics
from moorage.kernel import log
from moorage.kernel.clock import Clock
from moorage.kernel.errors import Misconfigured, Unavailable

WARN_BEFORE = 21 * 86_400.0
_WARN_EVERY = 86_400.0

_log = log.get(part="gateway.certificates")


class Certificates:
    """Watches the files of certificates."""

    def __init__(
        self,
        *,
        entries: tuple[str, ...],
        seconds: float,
        zone: str,
        runtime: Runtime,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        """`entries`: as of `certificates.locate`; `seconds`: between two looks; `zone`: its DNS
        name."""
        self._seconds = seconds
        self._entries = entries
        self._zone = zone
        self._runtime = runtime
        self._metrics = metrics
        self._clock = clock
        self._given: dict[str, str] = {}
        """By certificate: the digest of the content that HAProxy was given last, or had at
        first."""
        self._faults: dict[str, tuple[str, str]] = {}
        """By certificate: the digest of the content that was refused for good ("": it is tried
        again), and why."""
        self._warned: dict[str, float] = {}

    async def keep(self) -> None:
        """One look, and the time until the next. Raises `Unavailable` when HAProxy is away."""
        for entry in self._entries:
            try:
                found = await asyncio.to_thread(certificates.locate, (entry,))
            except Misconfigured as error:
                self._refuse(entry, "", error.message)
                continue
            for files in found:
                await self._look(files)
        await asyncio.sleep(self._seconds)

    async def _look(self, files: Files) -> None:
        name = str(files.certificate)
        has = certificates.shown(await self._runtime.ask(f"show ssl cert {name}"))
        if has is None:
            self._refuse(
                name,
                "",
                "HAProxy does not know this file yet: it takes further ones at its start only.",
            )
            return
        self._tell_end(name, has)
        try:
            pem = await asyncio.to_thread(certificates.read, files)
        except OSError as error:
            self._refuse(name, "", f"It cannot be read: {error.strerror}.")
            return
        if (
            has.fingerprint == pem.fingerprint
            and self._given.setdefault(name, pem.digest) == pem.digest
        ):
            self._accept(name)
        elif pem.digest != self._faults.get(name, ("", ""))[0]:
            await self._give(name, pem)

    async def _give(self, name: str, pem: Pem) -> None:
        fault = unusable = await asyncio.to_thread(certificates.fault_of_pem, pem)
        if not fault:
            try:
                staged = certificates.shown(await self._runtime.stage_certificate(name, pem.text))
                fault = (
                    certificates.fault_of_new(staged, self._zone, self._clock.now())
                    if staged
                    else "HAProxy lost it."
                )
                if not fault:
                    await self._runtime.commit_certificate(name)
            except Unavailable as error:
                if error.code != "haproxy-refused":
                    raise
                fault = error.message
            if fault:
                await self._runtime.abort_certificate(name)
        if fault:
            # Whatever else speaks against it may pass, as "not valid yet" does: it is tried again.
            self._refuse(name, pem.digest if unusable else "", fault)
            return
        self._given[name] = pem.digest
        self._accept(name)
        self._metrics.certificate_updates.labels(name, "given").inc()
        has = certificates.shown(await self._runtime.ask(f"show ssl cert {name}"))
        _log.info(
            "HAProxy has a new certificate", certificate=name, names=list(has.names) if has else []
        )
        if has is not None:
            self._warned.pop(name, None)
            self._tell_end(name, has)

    def _accept(self, name: str) -> None:
        self._faults.pop(name, None)
        self._metrics.certificate_refused.labels(name).set(0)

    def _refuse(self, name: str, digest: str, fault: str) -> None:
        """Said once for each content and cause."""
        self._metrics.certificate_refused.labels(name).set(1)
        if self._faults.get(name) != (digest, fault):
            self._faults[name] = (digest, fault)
            self._metrics.certificate_updates.labels(name, "refused").inc()
            _log.warning(
                "a certificate is refused; the one before goes on", certificate=name, cause=fault
            )

    def _tell_end(self, name: str, has: Shown) -> None:
        self._metrics.certificate_expiry.labels(name).set(has.not_after)
        now = self._clock.now()
        left = has.not_after - now
        if left < WARN_BEFORE and now - self._warned.get(name, 0.0) >= _WARN_EVERY:
            self._warned[name] = now
            said = f"in {left / 86_400:.1f} days" if left > 0 else "already"
            _log.warning(
                "a certificate ends soon", certificate=name, ends=said, names=list(has.names)
            )
