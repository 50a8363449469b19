"""An extra CA bundle and proxies, as every common program takes them. Pure."""

from __future__ import annotations

from moorage.agent_settings import RemoteDevelopment
from moorage.contract.spec import TOOLS_ROOT

CA_FOLDER = "/etc/moorage"
CA_FILE = f"{CA_FOLDER}/ca-bundle.crt"
"""The usual CAs and the extra ones, for programs that take one file instead of their own."""
EXTRA_FOLDER = "/run/moorage-ca"
EXTRA_FILE = "extra.crt"

_FILE_VARIABLES = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "PIP_CERT",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "NODE_EXTRA_CA_CERTS",
    "npm_config_cafile",
)


def machine_environment(settings: RemoteDevelopment) -> dict[str, str]:
    """Variables of every container. Programs differ in whether they read the proxies' names in capitals."""
    env: dict[str, str] = {}
    if settings.ca_bundle:
        env |= dict.fromkeys(_FILE_VARIABLES, CA_FILE)
    proxy = settings.proxy
    for name, value in (
        ("http_proxy", proxy.http),
        ("https_proxy", proxy.https),
        ("no_proxy", proxy.no_proxy),
    ):
        if value:
            env[name] = env[name.upper()] = value
    return env


def join_script(target: str) -> str:
    """Shell: writes the tools tree's CAs and the extra ones into `target`."""
    return f"cat {TOOLS_ROOT}/etc/ca-certificates.crt {EXTRA_FOLDER}/{EXTRA_FILE} > {target}/ca-bundle.crt"
