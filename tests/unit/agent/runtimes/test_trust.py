"""The variables that name an extra CA bundle and proxies."""

from __future__ import annotations

import pytest

from moorage.agent.runtimes import trust

OURS = "-Djavax.net.ssl.trustStore=/etc/moorage/truststore.jks"


def test_every_program_is_told() -> None:
    """Each of the common programs has a variable of its own for a CA bundle; Java takes a store
    instead."""
    env = trust.environment(ca_bundle=True)
    assert env.pop("JAVA_TOOL_OPTIONS") == OURS
    assert set(env.values()) == {"/etc/moorage/ca-bundle.crt"}
    assert env.keys() >= {
        "GIT_SSL_CAINFO",
        "PIP_CERT",
        "npm_config_cafile",
        "CURL_CA_BUNDLE",
        "NODE_EXTRA_CA_CERTS",
    }


def test_proxies_in_both_spellings() -> None:
    """A proxy is named in small letters and in capitals; what is not set is left out."""
    assert trust.environment(ca_bundle=False, https_proxy="http://p:1") == {
        "https_proxy": "http://p:1",
        "HTTPS_PROXY": "http://p:1",
    }


@pytest.mark.parametrize(
    ("given", "options"),
    [
        ({}, OURS),
        ({"JAVA_TOOL_OPTIONS": ""}, OURS),
        ({"JAVA_TOOL_OPTIONS": "-Xmx1g"}, f"{OURS} -Xmx1g"),
    ],
)
def test_javas_options_are_put_together(given: dict[str, str], options: str) -> None:
    """Options of the devfile stay, and come last, so that they win."""
    machine = trust.environment(ca_bundle=True)
    assert trust.joined(machine, {**given, "A": "1"})["JAVA_TOOL_OPTIONS"] == options
    assert trust.joined(machine, {"PIP_CERT": "mine"})["PIP_CERT"] == "mine"


def test_without_a_bundle_options_are_the_devfiles() -> None:
    """Where there is no CA bundle, nothing is added."""
    assert trust.joined({}, {"JAVA_TOOL_OPTIONS": "-Xmx1g"}) == {"JAVA_TOOL_OPTIONS": "-Xmx1g"}
