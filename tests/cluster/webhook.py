"""A policy of a cluster: an admission webhook that refuses everything it is asked about
(admission.k8s.io/v1)."""

from __future__ import annotations

import json
import ssl
from http.server import BaseHTTPRequestHandler
from threading import Thread

from integration.runtimes.git_server import QuietServer
from moorage.agent.runtimes.kubernetes.api.resources import Kind

WEBHOOK = Kind(
    "ValidatingWebhookConfiguration",
    "admissionregistration.k8s.io/v1",
    "validatingwebhookconfigurations",
    namespaced=False,
)
STORAGE_CLASS = Kind("StorageClass", "storage.k8s.io/v1", "storageclasses", namespaced=False)


class RefusingWebhook:
    """At `url`, where the API server of the tests' cluster reaches it."""

    def __init__(self, tls: ssl.SSLContext, words: str, *, image: str = "") -> None:
        """`image`: of the containers that it refuses; "": it refuses everything."""
        handler = type("Handler", (_Handler,), {"words": words, "image": image})
        self._http = QuietServer(("127.0.0.1", 0), handler)
        self._http.socket = tls.wrap_socket(
            self._http.socket, server_side=True, do_handshake_on_connect=False
        )
        self.url = f"https://127.0.0.1:{self._http.server_address[1]}/refuse"
        self._thread = Thread(target=self._http.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    words: str
    image: str

    def do_POST(self) -> None:
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        containers = review["request"]["object"]["spec"]["containers"]
        allowed = bool(self.image) and all(each["image"] != self.image for each in containers)
        answer = {
            "uid": review["request"]["uid"],
            "allowed": allowed,
            "status": {"message": "" if allowed else self.words},
        }
        body = json.dumps({**review, "request": None, "response": answer}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""
