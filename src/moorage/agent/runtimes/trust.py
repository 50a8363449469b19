"""An extra CA bundle and proxies, as every common program takes them, in the containers of every
runtime. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from moorage.contract.spec import TOOLS_ROOT

CA_FOLDER = "/etc/moorage"
CA_FILE = f"{CA_FOLDER}/ca-bundle.crt"
"""The usual CAs and the extra ones, for programs that take one file instead of their own."""
JAVA_STORE = f"{CA_FOLDER}/truststore.jks"
"""The same for Java, which reads no PEM."""
JAVA_OPTIONS = "JAVA_TOOL_OPTIONS"
MAKE_JAVA_STORE = (
    f"{TOOLS_ROOT}/bin/busybox sh {TOOLS_ROOT}/bin/workspace-truststore {CA_FILE} {JAVA_STORE}"
)
"""Shell."""

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
    """Variables of every container.

    Programs differ in whether they read the proxies' names in capitals.
    """
    env: dict[str, str] = {}
    if ca_bundle:
        env |= dict.fromkeys(_FILE_VARIABLES, CA_FILE)
        env[JAVA_OPTIONS] = f"-Djavax.net.ssl.trustStore={JAVA_STORE}"
    for name, value in (
        ("http_proxy", http_proxy),
        ("https_proxy", https_proxy),
        ("no_proxy", no_proxy),
    ):
        if value:
            env[name] = env[name.upper()] = value
    return env


def joined(machine: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """The machine's variables and those that a devfile or an image gives, which win; Java's options
    are put together, theirs last, so that a trust store of their own wins, too."""
    env = {**machine, **given}
    if JAVA_OPTIONS in machine:
        env[JAVA_OPTIONS] = f"{machine[JAVA_OPTIONS]} {given.get(JAVA_OPTIONS, '')}".strip()
    return env
