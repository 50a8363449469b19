"""An agent's connection to its cluster: what it knows of it, and what it works with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

import msgspec

from moorage.agent.runtimes.bounds import Bounds
from moorage.agent.runtimes.kubernetes.api.client import Client
from moorage.agent.runtimes.kubernetes.api.faults import cause_of
from moorage.agent.runtimes.kubernetes.api.model import ClusterObject, Deployment, Pod
from moorage.agent.runtimes.kubernetes.api.resources import POD
from moorage.agent.runtimes.kubernetes.apply import planning
from moorage.agent.runtimes.kubernetes.apply.waiting import Waiter
from moorage.agent.runtimes.kubernetes.apply.writer import Writer
from moorage.agent.runtimes.kubernetes.cluster import discovery
from moorage.agent.runtimes.kubernetes.cluster.abilities import Abilities
from moorage.agent.runtimes.kubernetes.cluster.pull_secrets import PullSecrets
from moorage.agent.runtimes.kubernetes.observed.store import Store
from moorage.agent.runtimes.kubernetes.starting.monitor import StartMonitor
from moorage.agent.runtimes.kubernetes.wanted import names
from moorage.agent.runtimes.kubernetes.wanted.plan import LeftOut, Plan
from moorage.agent.runtimes.port import Identity, Listener, Rescue
from moorage.agent.runtimes.registries import Registries
from moorage.agent.runtimes.versioned_settings import VersionedSettings
from moorage.agent.settings import AgentSettings
from moorage.contract import DesiredWorkspace
from moorage.kernel import log
from moorage.kernel.clock import Clock
from moorage.kernel.errors import MoorageError
from moorage.kernel.tasks import Backoff

_log = log.get(part="agent.kubernetes")


class Connection:
    """`options`: what the agent was told about its own work; `settings()`: by which workspaces
    start from now on; `bounds`: what those that run may have kept."""

    def __init__(
        self,
        client: Client,
        *,
        options: AgentSettings,
        settings: Callable[[], VersionedSettings],
        bounds: Bounds | None,
        clock: Clock,
        identity: Identity,
        listener: Listener,
        registries: Registries,
    ) -> None:
        self.client, self.options, self.clock, self.identity = client, options, clock, identity
        self._settings, self._bounds, self._listener = settings, bounds, listener
        self.registries = registries
        self._abilities = Abilities()
        """As little as any cluster can do, until the store is up to date: see `run`."""
        self.store = Store(
            client,
            names.selector(identity),
            changed=self._changed,
            lost=lambda error: listener.lost(cause_of(error)),
            found=listener.recovered,
            namespace=options.only_namespace,
        )
        self.writer = Writer(client, self.store)
        self.monitor = StartMonitor(client, options, clock, listener, self.store.of)
        self.waiter = Waiter()
        self.pull_secrets = PullSecrets(client, self._all_changed, self._pull_namespaces)

    async def run(self) -> None:
        """Follows the cluster until cancelled."""
        self._abilities = await self._discover()
        server = self.client.access.server
        _log.info("connected", server=server, abilities=msgspec.to_builtins(self._abilities))
        only = self.options.only_namespace
        following = discovery.follow(self.client, self._abilities, self._learn, namespace=only)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.store.run(), name="store")
            tasks.create_task(self.pull_secrets.follow(), name="pull secrets")
            tasks.create_task(following, name="abilities")

    async def close(self) -> None:
        await self.monitor.close()

    def forget(self, name: str) -> None:
        """Forgets a workspace that has no run any more."""
        self.monitor.forget(name)
        self.writer.forget(name)

    def plan(
        self,
        desired: DesiredWorkspace,
        deployment: Deployment | None,
        found: Sequence[ClusterObject],
        *,
        run: str,
        rescue: Rescue | None = None,
        left_out: Mapping[str, LeftOut] | None = None,
    ) -> Plan:
        """The plan by which the workspace is to be made; see `planning.plan_of`. Image pull secrets
        are as they were read last."""
        frame = planning.Frame(
            identity=self.identity,
            options=self.options,
            settings=self._settings(),
            abilities=self._abilities,
            bounds=None if self.options.workspace_settings else self._bounds,
        )
        plan = planning.plan_of(
            frame, desired, deployment, found, run=run, rescue=rescue, left_out=left_out
        )
        return planning.with_sources(plan, found, self.pull_secrets.known(plan.settings))

    async def until(self, name: str, done: Callable[[], bool]) -> None:
        """Waits for the store to hear of what was removed. Raises `RuntimeFault`, not final, when
        that takes too long."""
        await self.waiter.gone(name, done, self.store.of)

    async def delete(self, items: Sequence[ClusterObject]) -> None:
        """Asks for the end of those that are not ending yet."""
        async with asyncio.TaskGroup() as tasks:
            for item in items:
                if not item.metadata.deleted:
                    tasks.create_task(self.writer.delete(item))

    async def drop_pods(self, over: Sequence[Pod]) -> None:
        """Takes pods in which nothing runs any more off the list; their node would do so some
        seconds later."""
        async with asyncio.TaskGroup() as tasks:
            for pod in over:
                tasks.create_task(self.client.delete(POD, pod.namespace, pod.name, grace=0))

    async def _discover(self) -> Abilities:
        """The abilities of the cluster, once it answers."""
        backoff = Backoff(0.2, 5.0)
        while True:
            try:
                self.client.open()
                return await discovery.abilities_of(
                    self.client, namespace=self.options.only_namespace
                )
            except MoorageError as error:
                self._listener.lost(cause_of(error))
                await asyncio.sleep(backoff.delay())

    def _learn(self, abilities: Abilities) -> None:
        self._abilities = abilities

    def _pull_namespaces(self) -> frozenset[str]:
        """The namespaces of image pull secrets: those that the agent's owner allows, and those that
        are set now, which were looked at."""
        allowed = self._bounds.pull_secret_namespaces if self._bounds is not None else frozenset()
        return allowed | {
            secret.namespace for secret in self._settings().settings.image_pull_secrets
        }

    def _all_changed(self) -> None:
        for workspace in self.store.names():
            self._changed(workspace)

    def _changed(self, workspace: str) -> None:
        self.waiter.changed(workspace)
        self.monitor.wake(workspace)
        if workspace:
            self._listener.changed(workspace)
