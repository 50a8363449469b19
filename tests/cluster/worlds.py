"""The contract tests' world on a real cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

import aiohttp
import msgspec

from cluster.clusters import Cluster, OwnCluster, own
from integration.runtimes.git_server import PASSWORD, USER, GitServer
from integration.runtimes.registry import EmptyRegistry
from integration.runtimes.worlds import Agent
from moorage.agent.runtimes.kubernetes.api import access, resources
from moorage.agent.runtimes.kubernetes.api.client import Client
from moorage.agent.runtimes.kubernetes.api.rate import TokenBucket
from moorage.agent.runtimes.kubernetes.api.resources import Kind, Object
from moorage.agent.runtimes.kubernetes.backend import KubernetesBackend
from moorage.agent.runtimes.ownership import INSTALLATION
from moorage.agent.runtimes.port import Identity
from moorage.agent.settings import AgentSettings
from moorage.agent.workspaces.fleet import Fleet
from moorage.contract import ActualState, ActualWorkspace, Credential, DesiredWorkspace
from moorage.kernel.clock import SystemClock
from moorage.kernel.ids import short_id
from moorage.workspace_settings import RemoteDevelopment, Storage

T = TypeVar("T")
SETTINGS = RemoteDevelopment(storage=Storage(size="1Gi"))


class WholeClient(Client):
    """Reads objects as the API server sends them: tests look at what no agent does."""

    async def get(self, kind: Kind, namespace: str, name: str) -> Object | None:  # type: ignore[override]
        items = await self.list_all(kind, namespace=namespace, fields=f"metadata.name={name}")
        return items[0] if items else None

    async def list_all(  # type: ignore[override]
        self, kind: Kind, *, namespace: str = "", labels: str = "", fields: str = ""
    ) -> list[Object]:
        pages = self.pages(kind, namespace=namespace, labels=labels, fields=fields)
        return [item async for items, _ in pages for item in items]


class KubernetesWorld:
    """Everything made here carries an installation of its own, and is removed at the end."""

    def __init__(
        self,
        cluster: Cluster,
        image: str,
        crashing_image: str,
        git: GitServer,
        registry: EmptyRegistry,
    ) -> None:
        self.cluster = cluster
        self.image = image
        self.crashing_image = crashing_image
        self.registry = registry
        self.git = git
        self.identity = Identity(f"mrtest-{short_id()}", 7)
        self.options = AgentSettings(
            tools_image=image, editor_timeout=90, stop_timeout=2, image_networks=("127.0.0.0/8",)
        )
        self.settings = SETTINGS
        self.access = access.from_kubeconfig(cluster.agent_kubeconfig)
        """The agent's: no more rights than it needs."""
        admin = access.from_kubeconfig(cluster.kubeconfig)
        self.client = WholeClient(admin, TokenBucket(100, 100, SystemClock()))
        """Of a hand that meddles, and may do anything."""
        self.client_timeout = aiohttp.ClientTimeout(total=30)
        self._agents: list[Agent] = []
        self.whole_agents: list[WholeAgent] = []

    @property
    def missing_image(self) -> str:
        """Of a registry on this machine's loopback address, which is the node's."""
        self.own_cluster()
        return f"{self.registry.address}/none:1"

    @property
    def private_image(self) -> str:
        self.own_cluster()
        return f"{self.registry.address}/private/none:1"

    def repository(self) -> str:
        return self.git.url("app", self.cluster.address())

    def closed_repository(self) -> str:
        return self.git.url("private-app", self.cluster.address())

    def credential(self, password: str = PASSWORD) -> Credential:
        return Credential(
            host=f"{self.cluster.address()}:{self.git.port}", username=USER, password=password
        )

    def backend(
        self, settings: RemoteDevelopment | None = None, **options: Any
    ) -> KubernetesBackend:
        return KubernetesBackend(
            self.access,
            msgspec.structs.replace(self.options, **options),
            settings or self.settings,
            SystemClock(),
        )

    async def agent(self, settings: RemoteDevelopment | None = None, **options: Any) -> Agent:
        agent = Agent(self.backend(settings, **options), self.identity)
        self._agents.append(agent)
        async with asyncio.timeout(90):
            await agent.hearing.is_up.wait()
        return agent

    def new_name(self) -> str:
        return f"workspace-7-1-{short_id()}"

    async def pod(self, workspace: str) -> Object:
        """The one that is to stay, once the cluster has made it: of a Deployment that was just
        applied there is none yet."""

        async def there() -> Object | None:
            pods = await self.of(resources.POD, workspace)
            return next((pod for pod in pods if not pod["metadata"].get("deletionTimestamp")), None)

        return await eventually(there)

    async def of(self, kind: Kind, workspace: str = "") -> list[Object]:
        labels = f"{INSTALLATION}={self.identity.installation}"
        if workspace:
            labels += f",moorage.dev/workspace={workspace}"
        return await self.client.list_all(kind, labels=labels)

    async def only(self, kind: Kind, workspace: str) -> Object:
        items = await self.of(kind, workspace)
        assert len(items) == 1, items
        return items[0]

    async def edit(self, kind: Kind, item: Object, *operations: Any) -> None:
        """As a person with kubectl would: RFC 6902."""
        metadata = item["metadata"]
        path = kind.path(metadata.get("namespace", ""), metadata["name"])
        async with self.client._request(  # the client itself writes under the agent's name only
            "patch",
            kind,
            "PATCH",
            path,
            timeout=self.client_timeout,
            query={"fieldManager": "kubectl-edit"},
            body=list(operations),
            content="application/json-patch+json",
        ) as answer:
            await answer.read()

    def end_container(self, workspace: str, container: str) -> None:
        """The contract's tests call this from a running loop: what has to be asked is asked by
        another."""
        self.own_cluster().end_container(workspace, container)

    def lose_container(self, workspace: str, container: str) -> None:
        """Nobody but the kubelet can remove one; to it, one that was killed is as good as lost: it
        makes another."""
        self.end_container(workspace, container)

    def own_cluster(self) -> OwnCluster:
        """The cluster with its node. A test that needs it is skipped where the cluster is not
        ours."""
        return own(self.cluster)

    async def everything(self) -> list[str]:
        """All objects of this installation, by kind and name."""
        return [
            f"{kind.name} {item['metadata']['name']}"
            for kind in resources.WATCHED
            for item in await self.of(kind)
        ]

    async def close(self) -> None:
        for agent in self._agents:
            await agent.close()
        for whole in self.whole_agents:
            await whole.kill()
        async with self.client:
            for item in await self.of(resources.NAMESPACE):
                await self.client.delete(resources.NAMESPACE, "", item["metadata"]["name"])


async def eventually(holds: Callable[[], Awaitable[T | None]], timeout: float = 90) -> T:
    """Asks again and again, until the answer is true; that answer."""
    async with asyncio.timeout(timeout):
        while True:
            if answer := await holds():
                return answer
            await asyncio.sleep(0.2)


class WholeAgent:
    """Runtime and reconciler together, as an agent process has them. The server's part is a
    snapshot of wishes."""

    def __init__(
        self,
        world: KubernetesWorld,
        wishes: Iterable[DesiredWorkspace],
        *,
        backend: KubernetesBackend | None = None,
        **options: Any,
    ) -> None:
        self.backend = backend or world.backend(**options)
        self.fleet = Fleet(self.backend, AgentSettings(), SystemClock())
        self.fleet.introduce(world.identity)
        self.runtime = self.fleet.runtime
        self.fleet.snapshot(wishes)
        self.last: dict[str, ActualWorkspace] = {}
        self._task = asyncio.create_task(self.fleet.run())
        world.whole_agents.append(self)

    async def until(self, holds: Callable[[], Any], timeout: float = 180) -> Any:
        """Reads what would be reported until `holds`; what it says then."""
        async with asyncio.timeout(timeout):
            while not (result := holds()):
                self.last |= {actual.name: actual for actual in await self.fleet.news()}
            return result

    async def until_state(
        self, name: str, state: ActualState, timeout: float = 180
    ) -> ActualWorkspace:
        await self.until(lambda: name in self.last and self.last[name].state is state, timeout)
        return self.last[name]

    async def kill(self) -> None:
        """Ends it wherever it is, as the end of its process would: nothing is put in order."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self.backend.close()
