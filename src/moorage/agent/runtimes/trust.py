"""An extra CA bundle and proxies, as every common program takes them, in the containers of every runtime. Pure."""

from __future__ import annotations

CA_FOLDER = "/etc/moorage"
CA_FILE = f"{CA_FOLDER}/ca-bundle.crt"
"""The usual CAs and the extra ones, for programs that take one file instead of their own."""

_FILE_VARIABLES = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "PIP_CERT",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "NODE_EXTRA_CA_CERTS",
    "npm_config_cafile",
)


def environment(
    *, ca_bundle: bool, http_proxy: str = "", https_proxy: str = "", no_proxy: str = ""
) -> dict[str, str]:
    """Variables of every container. Programs differ in whether they read the proxies' names in capitals."""
    env: dict[str, str] = {}
    if ca_bundle:
        env |= dict.fromkeys(_FILE_VARIABLES, CA_FILE)
    for name, value in (("http_proxy", http_proxy), ("https_proxy", https_proxy), ("no_proxy", no_proxy)):
        if value:
            env[name] = env[name.upper()] = value
    return env
