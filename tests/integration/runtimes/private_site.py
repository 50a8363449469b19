"""What an organisation has behind its own CA: a Git host, a Python index, an npm registry and a
page; all over TLS."""

from __future__ import annotations

import base64
import functools
import hashlib
import io
import json
import ssl
import tarfile
import zipfile
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Thread
from typing import Any

from integration.runtimes.git_server import GitServer, QuietServer, run

SECRET = "behind the private CA"
FETCH = """
class Fetch {
  public static void main(String[] arguments) throws Exception {
    try (var stream = new java.net.URL(arguments[0]).openStream()) { System.out.write(stream.readAllBytes()); }
  }
}
"""


class PrivateCA:
    """`certificate`: PEM, for who is to trust it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        key = ["-newkey", "rsa:2048", "-nodes", "-keyout", str(folder / "ca.key")]
        ends = [
            "-subj",
            "/O=Moorage tests/CN=private CA",
            "-days",
            "2",
            "-out",
            str(folder / "ca.crt"),
        ]
        run("openssl", "req", "-x509", *key, *ends)
        self.certificate = (folder / "ca.crt").read_text()

    def context(self, *addresses: str) -> ssl.SSLContext:
        """Of a server with these IP addresses."""
        request, key, made = (str(self.folder / f"server.{end}") for end in ("csr", "key", "crt"))
        run(
            "openssl",
            "req",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-subj",
            "/CN=server",
            "-keyout",
            key,
            "-out",
            request,
        )
        names = self.folder / "server.ext"
        names.write_text("subjectAltName=" + ",".join(f"IP:{address}" for address in addresses))
        signer = [
            "-CA",
            str(self.folder / "ca.crt"),
            "-CAkey",
            str(self.folder / "ca.key"),
            "-CAcreateserial",
        ]
        run(
            "openssl",
            "x509",
            "-req",
            "-in",
            request,
            *signer,
            "-days",
            "2",
            "-extfile",
            str(names),
            "-out",
            made,
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(made, key)
        return context


class PrivateSite:
    """At `address`, which containers reach; `ca` is what they have to trust for it."""

    def __init__(self, folder: Path, address: str) -> None:
        self.ca = PrivateCA(folder)
        context = self.ca.context(address, "127.0.0.1")
        (folder / "git").mkdir()
        self._git = GitServer(folder / "git", context)
        self._git.add("app")
        self._http = QuietServer(("0.0.0.0", 0), _Pages)
        self._http.socket = context.wrap_socket(
            self._http.socket, server_side=True, do_handshake_on_connect=False
        )
        self._thread = Thread(target=self._http.serve_forever, daemon=True)
        self._thread.start()
        self.root = f"https://{address}:{self._http.server_address[1]}"
        self.repository = f"https://{address}:{self._git.port}/app.git"

    def programs(self) -> dict[str, str]:
        """A command of each program, which says SECRET when it trusts the site."""
        node = f"require('https').get('{self.root}/page', a => a.pipe(process.stdout))"
        npm = f"npm install --loglevel error --fetch-retries 0 --no-audit --no-fund --cache $d/npm --prefix $d --registry {self.root}/npm/ mr-private"
        return {
            "git": f"git clone -q {self.repository} $d/app && test -e $d/app/hello.txt && echo {SECRET}",
            "pip": f"pip install -q --no-cache-dir --disable-pip-version-check --no-deps --target $d --index-url "
            f"{self.root}/pip/ mr-private && cat $d/mr_private.py",
            "npm": f"{npm} >$d/said 2>&1 && cat $d/node_modules/mr-private/index.js || {{ cat $d/said; false; }}",
            "curl": f"curl -sS {self.root}/page",
            "node": f'node -e "{node}"',
            "java": f"printf %s '{FETCH}' >$d/Fetch.java && java $d/Fetch.java {self.root}/page",
        }

    def close(self) -> None:
        self._git.close()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class _Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        root = f"https://{self.headers['Host']}"
        wheel, package = _wheel(), _package()
        pages: dict[str, tuple[str, bytes]] = {
            "/page": ("text/plain", SECRET.encode()),
            "/pip/mr-private/": (
                "text/html",
                f'<a href="{root}/mr_private-1-py3-none-any.whl">mr_private-1-py3-none-any.whl</a>'.encode(),
            ),
            "/mr_private-1-py3-none-any.whl": ("application/octet-stream", wheel),
            "/npm/mr-private": ("application/json", json.dumps(_document(root, package)).encode()),
            "/mr-private-1.0.0.tgz": ("application/octet-stream", package),
        }
        kind, body = pages.get(self.path, ("text/plain", b""))
        self.send_response(200 if self.path in pages else 404)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def _wheel() -> bytes:
    """Of a package `mr-private` (PEP 427)."""
    made = io.BytesIO()
    info = "mr_private-1.dist-info"
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("mr_private.py", SECRET)
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: mr-private\nVersion: 1\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return made.getvalue()


@functools.cache
def _package() -> bytes:
    """The same for npm."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        for name, text in (
            ("package/package.json", '{"name": "mr-private", "version": "1.0.0"}'),
            ("package/index.js", SECRET),
        ):
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    return made.getvalue()


def _document(root: str, package: bytes) -> dict[str, Any]:
    digest = base64.b64encode(hashlib.sha512(package).digest()).decode()
    dist = {"tarball": f"{root}/mr-private-1.0.0.tgz", "integrity": f"sha512-{digest}"}
    version = {"name": "mr-private", "version": "1.0.0", "dist": dist}
    return {"name": "mr-private", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}}
