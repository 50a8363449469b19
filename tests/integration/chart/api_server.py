"""The part of Kubernetes' API that Helm asks while it renders: which kinds there are, and single
objects."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Object = dict[str, Any]
KINDS = {
    "v1": ["ConfigMap", "PersistentVolumeClaim", "Secret", "Service", "ServiceAccount"],
    "apps/v1": ["Deployment"],
    "networking.k8s.io/v1": ["NetworkPolicy"],
    "policy/v1": ["PodDisruptionBudget"],
    "rbac.authorization.k8s.io/v1": ["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"],
}


@contextmanager
def serving(folder: Path, *objects: Object) -> Iterator[Path]:
    """A server that has these objects, and nothing else; gives the kubeconfig for it."""
    answers = _discovery() | {_path(item): item for item in objects}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            answer = answers.get(self.path.partition("?")[0])
            body = json.dumps(
                answer or {"kind": "Status", "reason": "NotFound", "code": 404}
            ).encode()
            self.send_response(200 if answer else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield _kubeconfig(folder, server.server_port)
        finally:
            server.shutdown()
            thread.join()


def _plural(kind: str) -> str:
    name = kind.lower()
    return f"{name[:-1]}ies" if name.endswith("y") else f"{name}s"


def _path(item: Object) -> str:
    metadata = item["metadata"]
    return f"/api/v1/namespaces/{metadata['namespace']}/{_plural(item['kind'])}/{metadata['name']}"


def _discovery() -> dict[str, Object]:
    groups = [version.partition("/") for version in KINDS if "/" in version]
    lists = {
        f"/apis/{version}" if "/" in version else f"/api/{version}": {
            "kind": "APIResourceList",
            "groupVersion": version,
            "resources": [
                {
                    "name": _plural(kind),
                    "kind": kind,
                    "namespaced": not kind.startswith("Cluster"),
                    "verbs": ["get"],
                }
                for kind in kinds
            ],
        }
        for version, kinds in KINDS.items()
    }
    return {
        "/version": {"major": "1", "minor": "36", "gitVersion": "v1.36.0"},
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {
            "kind": "APIGroupList",
            "apiVersion": "v1",
            "groups": [
                {
                    "name": group,
                    "versions": [{"groupVersion": f"{group}/{version}", "version": version}],
                    "preferredVersion": {"groupVersion": f"{group}/{version}", "version": version},
                }
                for group, _, version in groups
            ],
        },
        **lists,
    }


def _kubeconfig(folder: Path, port: int) -> Path:
    file = folder / "kubeconfig"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "it", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "it", "user": {}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "current-context": "it",
    }
    file.write_text(json.dumps(document))
    return file
