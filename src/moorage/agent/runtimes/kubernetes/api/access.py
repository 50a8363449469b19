"""Finds the way to an API server, from a kubeconfig file or from inside of a pod.

Only what needs no helper programs: tokens, token files, client certificates. A kubeconfig that asks
for an `exec` plugin is refused in plain words, since an agent is given a service account.
"""

from __future__ import annotations

import base64
import binascii
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from moorage.kernel.errors import Misconfigured

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True)
class Access:
    """`server`: the API server's URL, without a slash at its end. `ca`: PEM certificates; "": the
    system's."""

    server: str
    ca: str = ""
    token: str = ""
    token_file: Path | None = None
    """Read anew for each connection: the kubelet renews it."""
    client_certificate: str = ""
    client_key: str = ""
    insecure: bool = False
    namespace: str = "default"
    source: str = ""
    """The file or folder that this comes from, for messages."""

    def __repr__(self) -> str:
        return f"Access(server={self.server!r}, source={self.source!r})"

    def bearer(self) -> str:
        """The token that is good now; "" when a certificate is used. Raises `Misconfigured` when
        its file is gone."""
        if self.token_file is None:
            return self.token
        try:
            return self.token_file.read_text().strip()
        except OSError as error:
            raise Misconfigured(
                f"The service account's token {self.token_file} cannot be read: {error.strerror}.",
                code="cluster-token-missing",
            ) from error

    def tls(self) -> ssl.SSLContext | None:
        """None for plain http. Raises `Misconfigured` when a certificate is not usable."""
        if not self.server.startswith("https://"):
            return None
        try:
            context = ssl.create_default_context(cadata=self.ca or None)
            if self.insecure:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            if self.client_certificate:
                _load_pair(context, self.client_certificate, self.client_key)
        except (ssl.SSLError, ValueError) as error:
            raise Misconfigured(
                f"A certificate in {self.source} is not usable: {error}.",
                code="cluster-certificate-invalid",
            ) from error
        return context


def find(kubeconfig: str, context: str = "") -> Access:
    """The access that the file `kubeconfig` gives, or, when that is "", the pod that this runs in.
    Raises `Misconfigured`."""
    if kubeconfig:
        return from_kubeconfig(Path(kubeconfig), context)
    return in_cluster()


def in_cluster(folder: Path = SERVICE_ACCOUNT, environ: dict[str, str] | None = None) -> Access:
    """The access of the pod that this runs in. Raises `Misconfigured` when this is no pod with a
    service account's token."""
    import os

    env = dict(os.environ) if environ is None else environ
    host, port = env.get("KUBERNETES_SERVICE_HOST", ""), env.get("KUBERNETES_SERVICE_PORT", "443")
    if not host or not (folder / "token").exists():
        raise Misconfigured(
            "There is no kubeconfig, and this is no pod with a service account.",
            code="cluster-unknown",
            hint="Set `kubeconfig` under [agent] in settings.toml to the cluster's kubeconfig file.",
        )
    if ":" in host:
        host = f"[{host}]"
    namespace = folder / "namespace"
    return Access(
        server=f"https://{host}:{port}",
        ca=(folder / "ca.crt").read_text() if (folder / "ca.crt").exists() else "",
        token_file=folder / "token",
        namespace=namespace.read_text().strip() if namespace.exists() else "default",
        source=str(folder),
    )


def from_kubeconfig(file: Path, context: str = "") -> Access:
    """The access of the cluster and user of `context` ("": the file's current one). Raises
    `Misconfigured`, naming what is wrong."""
    try:
        document = yaml.safe_load(file.read_text())
    except OSError as error:
        raise _wrong(file, f"cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise _wrong(file, "is no YAML") from error
    if not isinstance(document, dict):
        raise _wrong(file, "is no kubeconfig")
    name = context or document.get("current-context") or ""
    if not name:
        raise _wrong(file, "names no current-context")
    chosen = _named(file, document, "contexts", "context", name)
    cluster = _named(file, document, "clusters", "cluster", chosen.get("cluster", ""))
    user = _named(file, document, "users", "user", chosen.get("user", ""))
    if not cluster.get("server"):
        raise _wrong(file, "names no server for its cluster")
    if "exec" in user or "auth-provider" in user:
        raise _wrong(
            file,
            "signs in with a helper program, which an agent does not run: give it a service account's token",
        )
    token_file = user.get("tokenFile")
    return Access(
        server=str(cluster["server"]).rstrip("/"),
        ca=_data(file, cluster, "certificate-authority"),
        token=str(user.get("token") or ""),
        token_file=_beside(file, token_file) if token_file and not user.get("token") else None,
        client_certificate=_data(file, user, "client-certificate"),
        client_key=_data(file, user, "client-key"),
        insecure=bool(cluster.get("insecure-skip-tls-verify")),
        namespace=str(chosen.get("namespace") or "default"),
        source=str(file),
    )


def _named(
    file: Path, document: dict[str, Any], table: str, kind: str, name: str
) -> dict[str, Any]:
    for item in document.get(table) or ():
        if isinstance(item, dict) and item.get("name") == name:
            return item.get(kind) or {}
    raise _wrong(file, f"has no {kind} named {name!r}")


def _data(file: Path, table: dict[str, Any], key: str) -> str:
    """The content of `<key>-data` (base64) or of the file `<key>`; "" when there is neither."""
    if inline := table.get(f"{key}-data"):
        try:
            return base64.b64decode(inline, validate=True).decode()
        except (binascii.Error, ValueError) as error:
            raise _wrong(file, f"has a {key}-data that is no base64") from error
    if path := table.get(key):
        try:
            return _beside(file, path).read_text()
        except OSError as error:
            raise _wrong(
                file, f"names the {key} {path}, which cannot be read: {error.strerror}"
            ) from error
    return ""


def _beside(file: Path, path: str) -> Path:
    return file.parent / path


def _wrong(file: Path, what: str) -> Misconfigured:
    return Misconfigured(f"The kubeconfig {file} {what}.", code="kubeconfig-invalid")


def _load_pair(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """OpenSSL takes certificate and key from files alone."""
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as pair:
        pair.write(f"{certificate}\n{key}\n")
        pair.flush()
        context.load_cert_chain(pair.name)


def own_namespace(folder: Path = SERVICE_ACCOUNT) -> str:
    """The namespace of the pod that the agent runs in; "" when it runs in none."""
    file = folder / "namespace"
    return file.read_text().strip() if file.exists() else ""
