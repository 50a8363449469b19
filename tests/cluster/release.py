"""Moorage as the chart installs it on the cluster, and the ways in that a person has: kubectl, Helm
and a browser."""

from __future__ import annotations

import base64
import json
import os
import re
import shlex
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from cluster.clusters import Cluster
from e2e.installation import eventually
from integration.chart.rendering import CHART, Object, as_text, merged, program

NAME = "moorage"
ZONE = "ws.test"
EAST, EAST_PORT = "east.test", 30081
"""Zone of a second cluster, for which this one stands in."""
SERVER_ADDRESS = "10.96.7.7"
"""This cluster has no DNS: the server's Service has a fixed address."""
PRIVATE = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]
KINDS = (
    "namespaces,persistentvolumes,persistentvolumeclaims,secrets,configmaps,serviceaccounts,services,deployments,pods,\
networkpolicies,poddisruptionbudgets,clusterroles,clusterrolebindings"
)
OF_THE_CLUSTER = re.compile(
    r"default-token-|kube-root-ca\.crt|/default$|ServiceAccount/default|^Namespace/kube-|system:"
)


def run(
    *command: str, stdin: str = "", check: bool = True, env: dict[str, str] | None = None
) -> str:
    done = subprocess.run(
        command, input=stdin, capture_output=True, text=True, check=False, timeout=280, env=env
    )
    assert done.returncode == 0 or not check, (
        f"{command}: {done.stdout[-3000:]} {done.stderr[-3000:]}"
    )
    return done.stdout if check else done.stdout + done.stderr


@dataclass
class Release:
    """A Helm release of its own namespace."""

    cluster: Cluster
    images: dict[str, str]
    """Name of the image of each part."""
    database: str
    port: int = 30080
    namespace: str = "moorage-test"
    values: Object = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://{ZONE}:{self.port}"

    def _values(self) -> Object:
        own = {
            "image": {"tag": self.images["server"].rpartition(":")[2]},
            "ingress": {"host": {"workspaceDomain": ZONE}, "publicPort": self.port},
            "database": {"url": self.database},
            # The example is served on this machine, beside the cluster.
            "server": {"service": {"clusterIP": SERVER_ADDRESS}, "repositoryNetworks": PRIVATE},
            "gateway": {
                "replicas": 2,
                "drainSeconds": 120,
                "lameduckSeconds": 5,
                "service": {"type": "NodePort", "nodePort": self.port},
            },
            "agent": {
                "toolsImage": self.images["tools"],
                "workspaceSettings": {"remote_development": {"storage": {"size": "1Gi"}}},
            },
        }
        return merged(own, self.values)

    def install(self, *values: Object, wait: bool = True) -> str:
        """Also upgrades; returns Helm's notes."""
        flags = ["--wait", "--timeout", "4m"] if wait else []
        given = as_text(merged(self._values(), *values))
        return self.helm(
            "upgrade",
            "--install",
            NAME,
            str(CHART),
            "--create-namespace",
            "-f",
            "-",
            *flags,
            stdin=given,
        )

    def uninstall(self) -> None:
        self.helm("uninstall", NAME, "--ignore-not-found", "--wait", "--timeout", "4m")
        self.until_no_pods(self.namespace)
        self.kubectl("delete", "namespace", self.namespace, "--ignore-not-found", "--wait=true")

    def until_no_pods(self, namespace: str) -> None:
        """Waits for it. A namespace that is removed while it has pods is looked at again only after
        half of the longest time that one of them may take to end, however long it does take."""
        eventually(
            f"the pods of {namespace} have ended",
            lambda: not self.get("pods", "-n", namespace)["items"],
            within=240,
            every=0.5,
        )

    def helm(self, *arguments: str, stdin: str = "", check: bool = True) -> str:
        """In the release's namespace, unless the arguments name another."""
        return run(
            program("helm"),
            "-n",
            self.namespace,
            *arguments,
            stdin=stdin,
            check=check,
            env=self.environment(),
        )

    def kubectl(self, *arguments: str, stdin: str = "", check: bool = True) -> str:
        return run(
            program("kubectl"),
            "-n",
            self.namespace,
            *arguments,
            stdin=stdin,
            check=check,
            env=self.environment(),
        )

    def moor(self, *arguments: str, check: bool = True) -> str:
        """In the server's pod, as the first administrator."""
        return self.kubectl(
            "exec", f"deployment/{NAME}-server", "--", "moor", *arguments, check=check
        )

    def json(self, *arguments: str) -> Any:
        return json.loads(self.moor(*arguments, "-o", "json"))

    def api(self) -> httpx.Client:
        """The REST API, through the gateway, as the first administrator."""
        token = base64.b64decode(
            self.get("secret", f"{NAME}-secrets")["data"]["admin-token"]
        ).decode()
        return httpx.Client(
            base_url=f"http://{self.cluster.node_address()}:{self.port}/api/v1",
            headers={"Authorization": f"Bearer {token}", "Host": f"{ZONE}:{self.port}"},
            trust_env=False,
            timeout=30,
        )

    def get(self, what: str, *arguments: str) -> Any:
        return json.loads(self.kubectl("get", what, *arguments, "-o", "json"))

    def pods(self, part: str) -> list[Object]:
        found = self.get("pods", "-l", f"app.kubernetes.io/name=moorage-{part}")["items"]
        return [pod for pod in found if not pod["metadata"].get("deletionTimestamp")]

    def log(self, part: str) -> str:
        """What its pods say, and what those that ended before said."""
        selector = (
            "-l",
            f"app.kubernetes.io/name=moorage-{part}",
            "--all-containers",
            "--tail",
            "200",
        )
        return self.kubectl("logs", *selector) + self.kubectl(
            "logs", *selector, "--previous", check=False
        )

    def everything(self) -> set[str]:
        """`Kind/namespace/name` of all that people and programs made in the cluster."""
        answer = json.loads(
            run(program("kubectl"), "get", KINDS, "-A", "-o", "json", env=self.environment())
        )
        found = {
            f"{item['kind']}/{item['metadata'].get('namespace', '')}/{item['metadata']['name']}"
            for item in answer["items"]
        }
        return {name for name in found if not OF_THE_CLUSTER.search(name)}

    def expect_nothing_beyond(self, before: set[str]) -> None:
        """Waits for it: what is deleted takes a moment to be gone."""
        eventually(
            "nothing is left over",
            lambda: not (self.everything() - before) or None,
            within=90,
            every=1,
        )

    def remove(self, names: set[str]) -> None:
        """The namespaces among them, with all that is in them."""
        for name in names:
            if name.startswith("Namespace/"):
                self.kubectl("delete", "namespace", name.rpartition("/")[2], "--ignore-not-found")

    def keep_logs(self, folder: Path) -> None:
        """Where a person can look at them."""
        folder.mkdir(parents=True, exist_ok=True)
        for part in ("server", "gateway", "agent"):
            (folder / f"{part}.log").write_text(
                self.kubectl(
                    "logs",
                    "-l",
                    f"app.kubernetes.io/name=moorage-{part}",
                    "--all-containers",
                    "--tail=-1",
                    check=False,
                )
            )
        (folder / "pods.txt").write_text(self.kubectl("describe", "pods", check=False))

    def environment(self) -> dict[str, str]:
        return {**os.environ, "KUBECONFIG": str(self.cluster.kubeconfig)}


class Elsewhere:
    """What the server's command for a new agent installs, pasted into a shell, with the images that
    the command names; and what this cluster needs beside it."""

    namespace = "moorage"

    def __init__(self, release: Release, command: str, folder: Path) -> None:
        self._release = release
        self._command = command
        self._file = folder / "values.yaml"
        names = [{"ip": release.cluster.node_address(), "hostnames": [ZONE]}]
        self._values: Object = {
            "agent": {"hostAliases": names},
            "gateway": {
                "replicas": 1,
                "drainSeconds": 5,
                "lameduckSeconds": 1,
                "hostAliases": names,
                "service": {"type": "NodePort", "nodePort": EAST_PORT},
            },
        }

    def install(self, token: str = "") -> None:
        """`token`: another one than the server's command has."""
        wrong = {"config": {"token": token}} if token else {}
        self._file.write_text(as_text(merged(self._values, wrong)))
        more = f" --values - --values {shlex.quote(str(self._file))} --wait --timeout 3m"
        assert " --values -" in self._command
        command = self._command.replace(" --values -", more, 1)
        folder = str(Path(program("helm")).parent)
        environment = {**self._release.environment(), "PATH": f"{folder}:{os.environ['PATH']}"}
        run("bash", "-euc", f"cd {shlex.quote(str(CHART.parents[2]))}; {command}", env=environment)

    def log(self, part: str) -> str:
        selector = (
            "-l",
            f"app.kubernetes.io/name=moorage-{part}",
            "--all-containers",
            "--tail",
            "200",
        )
        return self._release.kubectl("logs", "-n", self.namespace, *selector)

    def uninstall(self) -> None:
        names = self._release.helm("list", "-q", "-n", self.namespace).split()
        for name in names:
            self._release.helm("uninstall", name, "--wait", "-n", self.namespace)
        self._release.until_no_pods(self.namespace)
        self._release.kubectl("delete", "namespace", self.namespace, "--ignore-not-found")
