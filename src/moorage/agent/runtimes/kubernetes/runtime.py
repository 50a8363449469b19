"""The port's implementation: `Backend` and `Runtime` on a Kubernetes cluster.

Everything is read from the store's memory of the cluster; only what differs is written. What an action started is waited
for, so that its end is the end of the work.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Self

import msgspec

from moorage.agent.causes import DETAIL_LIMIT
from moorage.agent.runtimes.bounds import Bounds, of_agent
from moorage.agent.runtimes.kubernetes.api import commands
from moorage.agent.runtimes.kubernetes.api.access import Access, own_namespace
from moorage.agent.runtimes.kubernetes.api.access import find as find_access
from moorage.agent.runtimes.kubernetes.api.client import Client
from moorage.agent.runtimes.kubernetes.api.faults import cause_of, faults, still_ending
from moorage.agent.runtimes.kubernetes.api.rate import TokenBucket
from moorage.agent.runtimes.kubernetes.api.resources import DEPLOYMENT, NAMESPACE, POD, VOLUME_CLAIM, Object
from moorage.agent.runtimes.kubernetes.apply import planning, reconcile, scale_down
from moorage.agent.runtimes.kubernetes.apply.reconcile import Writer
from moorage.agent.runtimes.kubernetes.apply.waiting import Waiting, left_over
from moorage.agent.runtimes.kubernetes.cluster import discovery, pull_secrets
from moorage.agent.runtimes.kubernetes.cluster.abilities import Abilities
from moorage.agent.runtimes.kubernetes.cluster.pull_secrets import PullSecrets
from moorage.agent.runtimes.kubernetes.observed import containers, observation, states
from moorage.agent.runtimes.kubernetes.observed.store import Store
from moorage.agent.runtimes.kubernetes.starting.monitor import Attendant
from moorage.agent.runtimes.kubernetes.wanted import names, records
from moorage.agent.runtimes.kubernetes.wanted.names import Plan
from moorage.agent.runtimes.kubernetes.wanted.objects import objects_of
from moorage.agent.runtimes.port import (
    ExecRequest,
    ExecSession,
    Identity,
    Listener,
    LogChunk,
    Observed,
    Progress,
    RuntimeFault,
    RuntimeInfo,
    StepRequest,
)
from moorage.agent.runtimes.versioned_settings import VersionedSettings, completed
from moorage.agent.settings import AgentSettings
from moorage.contract import DesiredState, DesiredWorkspace, WorkspaceSpec
from moorage.kernel import log
from moorage.kernel.clock import Clock
from moorage.kernel.errors import MoorageError, Unavailable
from moorage.kernel.tasks import Backoff
from moorage.workspace_settings import RemoteDevelopment

_log = log.get(part="agent.kubernetes")


class KubernetesBackend:
    """`options`: what the agent was told about its own work; `settings`: about workspaces that start from now on (see
    `apply.planning` for those that run); `bounds`: what those that run may have kept."""

    caveat = ""
    """Who reaches its workspaces, NetworkPolicies decide."""

    def __init__(
        self,
        access: Access,
        options: AgentSettings,
        settings: RemoteDevelopment,
        clock: Clock,
        bounds: Bounds | None = None,
    ) -> None:
        self.settings = VersionedSettings(settings)
        rate = options.requests_per_second
        self.client = Client(access, TokenBucket(rate, max(1, int(rate * 2)), clock))
        self.options, self.clock, self.bounds = options, clock, bounds
        self._opened = asyncio.Lock()

    @classmethod
    def from_settings(cls, options: AgentSettings, clock: Clock) -> Self:
        """Raises `Misconfigured` when the cluster's access or a file of the agent's settings is not usable."""
        return cls(
            find_access(options.kubeconfig, options.kubernetes_context),
            options,
            completed(RemoteDevelopment(), options),
            clock,
            of_agent(options, own_namespace()),
        )

    def configure(self, settings: RemoteDevelopment, version: int) -> None:
        self.settings = VersionedSettings(settings, version)

    async def describe(self) -> RuntimeInfo:
        with faults("asking what the cluster is"):
            await self.open()
            return await discovery.describe(self.client)

    def runtime_for(self, identity: Identity, listener: Listener) -> KubernetesRuntime:
        return KubernetesRuntime(self, identity, listener)

    async def open(self) -> None:
        async with self._opened:
            await self.client.open()

    async def close(self) -> None:
        await self.client.close()


class KubernetesRuntime:
    def __init__(self, backend: KubernetesBackend, identity: Identity, listener: Listener) -> None:
        self._backend = backend
        self.client = backend.client
        self._options, self._clock = backend.options, backend.clock
        self._identity, self._listener = identity, listener
        self._abilities = Abilities()
        """As little as any cluster can do, until the store is up to date: see `run`."""
        self._store = Store(
            self.client,
            names.selector(identity),
            changed=self._changed,
            lost=lambda error: listener.lost(cause_of(error)),
            found=listener.recovered,
            namespace=self._options.only_namespace,
        )
        self._writer = Writer(self.client, self._store)
        self._attendant = Attendant(self.client, self._options, self._clock, listener, self._store.of)
        self._pull_secrets = PullSecrets(self.client, self._all_changed, self._pull_namespaces)
        self._waiting = Waiting()

    async def close(self) -> None:
        await self._attendant.close()

    async def run(self) -> None:
        self._abilities = await self._discover()
        _log.info(
            "connected", server=self.client.access.server, abilities=msgspec.to_builtins(self._abilities)
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._store.run(), name="store")
            tasks.create_task(self._pull_secrets.follow(), name="pull secrets")
            only = self._options.only_namespace
            following = discovery.follow(self.client, self._abilities, self._learn, namespace=only)
            tasks.create_task(following, name="abilities")

    async def _discover(self) -> Abilities:
        """What the cluster can do, once it answers."""
        backoff = Backoff(0.2, 5.0)
        while True:
            try:
                await self._backend.open()
                only = self._options.only_namespace
                return await discovery.abilities_of(self.client, namespace=only)
            except MoorageError as error:
                self._listener.lost(cause_of(error))
                await asyncio.sleep(backoff.delay())

    def _learn(self, abilities: Abilities) -> None:
        self._abilities = abilities

    def _pull_namespaces(self) -> frozenset[str]:
        """Where image pull secrets may lie: where the agent's owner allows it, and what is set now, which was looked at."""
        bounds = self._backend.bounds
        allowed = bounds.pull_secret_namespaces if bounds is not None else frozenset()
        return allowed | {secret.namespace for secret in self._backend.settings.settings.image_pull_secrets}

    def _all_changed(self) -> None:
        for workspace in self._store.names():
            self._changed(workspace)

    def _changed(self, workspace: str) -> None:
        self._waiting.changed(workspace)
        self._attendant.nudge(workspace)
        if workspace:
            self._listener.changed(workspace)

    # ------------------------------------------------------------------------------------------ observe
    async def names(self) -> frozenset[str]:
        return self._known().names() - {""}

    async def observe(self, name: str, desired: DesiredWorkspace | None) -> Observed:
        store = self._known()
        found = states.present(store.of(name))
        kinds = {item["kind"] for item in found}
        run = None
        deployment = _first(found, "Deployment")
        if kinds & {"Deployment", "Pod"}:
            with faults("looking at the workspace"):
                lines = await self._attendant.attend(name, desired, found, ask=False)
            facts = states.Facts(
                deployment=deployment,
                pods=_pods(found),
                lines=lines,
                unwatched=self._attendant.unwatched(name, _pods(found)),
                missing=self._missing(desired, found),
                crash_limit=self._options.crash_limit,
                crash_window=self._options.crash_window,
            )
            run = states.run_of(facts, self.progress(name))
        else:
            self._forget(name)
        return observation.observed(name, found, run)

    def _forget(self, name: str) -> None:
        """It has no run any more."""
        self._attendant.forget(name)
        self._writer.forget(name)

    def progress(self, name: str) -> Progress:
        return self._attendant.progress(name)

    def _missing(self, desired: DesiredWorkspace | None, found: list[Object]) -> tuple[str, ...]:
        """What `start` would write now."""
        deployment = _first(found, "Deployment")
        if desired is None or desired.desired is not DesiredState.RUNNING:
            return ()
        if deployment is None:
            return ("its deployment",)
        if states.halted_of(deployment) is not None or not planning.is_run_of(deployment, desired):
            return ()
        given_up = [item for item in found if item["kind"] == "Pod" and states.failed(item)]
        plan = self._plan(desired, deployment, found, run=planning.run_of(deployment))
        words = self._writer.settled(reconcile.changes(objects_of(plan), found)).in_words()
        return (*words, *("a pod that its node put out" for _ in given_up))

    # ------------------------------------------------------------------------------------------ apply
    async def start(self, desired: DesiredWorkspace, *, received: float, fresh: bool = False) -> None:
        store, writer = self._known(), self._writer
        found = states.present(store.of(desired.name))
        self._refuse_while_ending(desired.name, found)
        deployment = _first(found, "Deployment")
        kept = (
            deployment is not None
            and not fresh
            and planning.is_run_of(deployment, desired)
            and states.halted_of(deployment) is None
        )
        run = planning.run_of(deployment) if kept and deployment is not None else f"{received:.3f}"
        with faults("applying the workspace's objects"):
            plan = self._plan(desired, deployment if kept else None, found, run=run)
            if not kept and (cause := planning.impossible(plan)) is not None:
                raise RuntimeFault(cause, final=True)
            sources = await self._pull_secrets.read(plan.settings, needed=not kept)
            plan, lacking = planning.without_lacking(planning.with_sources(plan, found, sources))
            objects = objects_of(plan)
            if not kept:
                halted = deployment is not None and states.halted_of(deployment) is not None
                await self._discard_claims(desired.name, objects, failed=halted)
                found = states.present(store.of(desired.name))
            word = records.newer(desired, self._identity, plan.namespace, found)
            await writer.write(writer.settled(reconcile.changes([*word, *objects], found)))
            await self._end_former_run(desired.name, run)
            # What a node gave up stays in the way of nothing but readers; the Deployment has made another.
            await self._delete([pod for pod in store.of(desired.name, POD) if states.failed(pod)])
            await self._until(
                desired.name, lambda: not any(states.failed(pod) for pod in store.of(desired.name, POD))
            )
            # What ended is started again by the kubelet, after a pause that it chooses.
            ended = states.ended_keys(_pods(found))
            await self._waiting.restarted(
                desired.name, lambda: not ended & states.ended_keys(store.of(desired.name, POD))
            )
            if lacking is not None:  # all else has been mended
                raise RuntimeFault(pull_secrets.missing(lacking), final=False)

    async def _discard_claims(self, name: str, wanted: list[Object], *, failed: bool) -> None:
        """They are made anew, as the settings are now. `failed`: the former start, so that nobody waits for them."""
        store, writer = self._known(), self._writer
        before = self._clock.now() - (0.0 if failed else reconcile.YOUNG_CLAIM)
        stale = reconcile.stale_claims(wanted, store.of(name, VOLUME_CLAIM), before)
        # One that has changed meanwhile may be getting its volume.
        uids = {claim["metadata"]["uid"] for claim in stale if await writer.delete(claim, exact=True)}
        await self._until(
            name, lambda: not any(c["metadata"]["uid"] in uids for c in store.of(name, VOLUME_CLAIM))
        )

    async def _end_former_run(self, name: str, run: str) -> None:
        """The Deployment makes the new pod once the old one has left the list, which its node is in no hurry to do."""
        store = self._known()

        def former() -> list[Object]:
            return [pod for pod in store.of(name, POD) if states.run_of_pod(pod) not in ("", run)]

        await self._until(name, lambda: not states.living(former()))
        await self._forget_pods(former())

    async def note(self, desired: DesiredWorkspace) -> None:
        found = states.present(self._known().of(desired.name))
        if not (namespace := records.namespace_in(found)):
            return
        with faults("keeping a record of the workspace"):
            for item in records.newer(desired, self._identity, namespace, found):
                await self._writer.keep(item)

    async def halt(self, name: str) -> None:
        store = self._known()
        deployment = next(iter(store.of(name, DEPLOYMENT)), None)
        pods = store.of(name, POD)
        if deployment is None:
            with faults("ending what was left of the workspace"):
                await self._delete(pods)
                await self._until(name, lambda: not states.living(store.of(name, POD)))
            return
        with faults("ending a failed workspace's processes"):
            if states.halted_of(deployment) is None:
                halted = await scale_down.halted_of(self._attendant, self._options, name, deployment, pods)
                store.put(await scale_down.scale_down(self.client, deployment, halted))
            await self._until(name, lambda: not states.living(store.of(name, POD)))

    async def stop(self, name: str) -> None:
        store = self._known()

        def left() -> list[Object]:
            return [item for item in states.present(store.of(name)) if not records.is_kept(item)]

        with faults("stopping the workspace"):
            await self._delete([item for item in left() if item["kind"] != "Pod"])
            orphans = [pod for pod in store.of(name, POD) if not pod["metadata"].get("ownerReferences")]
            await self._delete(orphans)
            await self._until(name, lambda: not left())
        self._forget(name)

    async def remove(self, name: str) -> None:
        store = self._known()
        with faults("removing the workspace"):
            spaces = store.of(name, NAMESPACE)
            found = [item for item in store.of(name) if item["kind"] != "Namespace"]
            own = [space for space in spaces if space["metadata"]["name"] == name]
            for space in spaces:
                if space not in own:
                    await self._writer.release(space)
            await self._delete(own)
            inside = {space["metadata"]["name"] for space in own}
            await self._delete([item for item in found if item["metadata"].get("namespace") not in inside])
            await self._until(name, lambda: not states.living(store.of(name, POD)))
            await self._forget_pods(store.of(name, POD))
            await self._until(name, lambda: not store.of(name))
        self._forget(name)

    async def _delete(self, items: list[Object]) -> None:
        async with asyncio.TaskGroup() as tasks:
            for item in items:
                if not item["metadata"].get("deletionTimestamp"):
                    tasks.create_task(self._writer.delete(item))

    async def _forget_pods(self, over: list[Object]) -> None:
        """Nothing runs in them any more; their node would take them off the list some seconds later."""
        async with asyncio.TaskGroup() as tasks:
            for pod in over:
                metadata = pod["metadata"]
                tasks.create_task(self.client.delete(POD, metadata["namespace"], metadata["name"], grace=0))

    async def _until(self, name: str, done: Callable[[], bool]) -> None:
        """Waits for the store to hear of it. Raises `RuntimeFault`, not final, when that takes too long."""
        await self._waiting.gone(name, done, self._known().of)

    def _plan(
        self, desired: DesiredWorkspace, deployment: Object | None, found: list[Object], *, run: str
    ) -> Plan:
        frame = planning.Frame(
            identity=self._identity,
            options=self._options,
            chosen=self._backend.settings,
            abilities=self._abilities,
            bounds=None if self._options.workspace_settings else self._backend.bounds,
        )
        plan = planning.plan_of(frame, desired, deployment, found, run=run)
        return planning.with_sources(plan, found, self._pull_secrets.known(plan.settings))

    def _refuse_while_ending(self, name: str, found: list[Object]) -> None:
        ending = [
            item
            for item in found
            if item["kind"] == "Namespace" and item["metadata"].get("deletionTimestamp")
        ]
        if ending:
            raise RuntimeFault(still_ending(left_over(ending)), final=False)

    # ------------------------------------------------------------------------------------------ logs and commands
    async def logs(
        self, name: str, container: str = "", *, follow: bool = False, tail: int | None = None
    ) -> AsyncIterator[LogChunk]:
        async for chunk in containers.logs(
            self.client, self._known(), name, container, follow=follow, tail=tail
        ):
            yield chunk

    @asynccontextmanager
    async def execute(
        self, name: str, request: ExecRequest, spec: WorkspaceSpec | None = None
    ) -> AsyncIterator[ExecSession]:
        place = containers.place(self._known(), name, request.container)
        folder = spec.folder if spec is not None and place.container == spec.main_container else ""
        async with commands.running(self.client, place, request, folder) as session:
            yield session

    async def run_step(self, name: str, request: StepRequest) -> tuple[int, str]:
        place = containers.place(self._known(), name, request.container)
        code, text = await commands.run(self.client, place, commands.step_argv(request))
        return code, text[-DETAIL_LIMIT:]

    # ------------------------------------------------------------------------------------------ the cluster
    def _known(self) -> Store:
        """The store, while it is up to date. Raises `RuntimeFault`."""
        if not self._store.ready.is_set():
            error = Unavailable(
                f"The cluster's API server {self.client.access.server} does not answer.",
                code="cluster-unreachable",
            )
            raise RuntimeFault(cause_of(error), final=False)
        return self._store


def _first(found: list[Object], kind: str) -> Object | None:
    return next((item for item in found if item["kind"] == kind), None)


def _pods(found: list[Object]) -> list[Object]:
    return [item for item in found if item["kind"] == POD.name]
