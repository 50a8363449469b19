"""The extra CA bundle and the proxies of a workspace on a cluster. Pure."""

from __future__ import annotations

from moorage.agent.runtimes.trust import CA_FILE, MAKE_JAVA_STORE, environment
from moorage.contract.spec import TOOLS_ROOT
from moorage.workspace_settings import RemoteDevelopment

EXTRA_FOLDER = "/run/moorage-ca"
EXTRA_FILE = "extra.crt"


def machine_environment(settings: RemoteDevelopment) -> dict[str, str]:
    """Variables of every container."""
    proxy = settings.proxy
    return environment(
        ca_bundle=bool(settings.ca_bundle),
        http_proxy=proxy.http,
        https_proxy=proxy.https,
        no_proxy=proxy.no_proxy,
    )


def join_script() -> str:
    """Shell: joins the tools tree's CAs and the extra ones. The result would be too much for a
    Secret of each workspace."""
    join = f"cat {TOOLS_ROOT}/etc/ca-certificates.crt {EXTRA_FOLDER}/{EXTRA_FILE} > {CA_FILE}"
    return f"{join} && {MAKE_JAVA_STORE}"
