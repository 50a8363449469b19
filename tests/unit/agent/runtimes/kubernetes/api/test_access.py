from __future__ import annotations

import base64
from pathlib import Path

import pytest

from moorage.agent.runtimes.kubernetes.api import access
from moorage.kernel.errors import Misconfigured

CA = "-----BEGIN CERTIFICATE-----\nbm8gcmVhbCBvbmU=\n-----END CERTIFICATE-----\n"


def write(
    folder: Path, *, cluster: str = "", user: str = "", rest: str = "current-context: one"
) -> Path:
    file = folder / "config"
    file.write_text(
        f"""\
apiVersion: v1
kind: Config
clusters: [{{name: c, cluster: {{server: "https://api.example.com:6443/", {cluster}}}}}]
users: [{{name: u, user: {{{user}}}}}]
contexts: [{{name: one, context: {{cluster: c, user: u, namespace: team}}}}]
{rest}
"""
    )
    return file


def test_reads_token_and_authority(tmp_path: Path) -> None:
    """Server, token, namespace, and certificates given inline or as a file beside are read."""
    data = base64.b64encode(CA.encode()).decode()
    found = access.from_kubeconfig(
        write(tmp_path, cluster=f"certificate-authority-data: {data}", user="token: t0k")
    )
    assert (found.server, found.bearer(), found.ca, found.namespace) == (
        "https://api.example.com:6443",
        "t0k",
        CA,
        "team",
    )
    (tmp_path / "ca.crt").write_text(CA)
    assert access.from_kubeconfig(write(tmp_path, cluster="certificate-authority: ca.crt")).ca == CA


def test_a_token_file_is_read_each_time(tmp_path: Path) -> None:
    """A token that the kubelet renews is taken as it is then."""
    file = tmp_path / "token"
    file.write_text("first\n")
    found = access.from_kubeconfig(write(tmp_path, user="tokenFile: token"))
    assert found.bearer() == "first"
    file.write_text("second\n")
    assert found.bearer() == "second"
    file.unlink()
    with pytest.raises(Misconfigured, match="cannot be read"):
        found.bearer()


def test_inside_of_a_pod(tmp_path: Path) -> None:
    """In a pod, the service account's files and the environment say where the API server is."""
    for name, text in (("token", "pod-token"), ("ca.crt", CA), ("namespace", "moorage")):
        (tmp_path / name).write_text(text)
    environ = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    found = access.in_cluster(tmp_path, environ)
    assert (found.server, found.bearer(), found.ca, found.namespace) == (
        "https://[fd00::1]:443",
        "pod-token",
        CA,
        "moorage",
    )
    with pytest.raises(Misconfigured, match="no kubeconfig"):
        access.in_cluster(tmp_path, {})


def test_no_secret_in_its_text(tmp_path: Path) -> None:
    """Neither token nor key stand in what a log might print."""
    found = access.from_kubeconfig(write(tmp_path, user="token: t0k-secret"))
    assert "t0k-secret" not in repr(found)


@pytest.mark.parametrize(
    ("cluster", "user", "rest", "words"),
    [
        ("", "", "", "no current-context"),
        ("", "", "current-context: two", "no context named 'two'"),
        ("", "exec: {command: aws}", "current-context: one", "helper program"),
        ("certificate-authority-data: '###'", "", "current-context: one", "no base64"),
        (
            "certificate-authority: nowhere.crt",
            "",
            "current-context: one",
            "nowhere.crt, which cannot be read",
        ),
        ("", "", "current-context: [", "no YAML"),
    ],
)
def test_says_what_is_wrong_with_a_kubeconfig(
    tmp_path: Path, cluster: str, user: str, rest: str, words: str
) -> None:
    """A kubeconfig that is not usable is named, with the reason."""
    with pytest.raises(Misconfigured, match="The kubeconfig") as caught:
        access.from_kubeconfig(write(tmp_path, cluster=cluster, user=user, rest=rest))
    assert words in caught.value.message
    with pytest.raises(Misconfigured, match="cannot be read"):
        access.from_kubeconfig(tmp_path / "missing")


def test_a_certificate_that_is_none(tmp_path: Path) -> None:
    """A CA that is no certificate is an error that names where it stands."""
    (tmp_path / "ca.crt").write_text(CA)
    found = access.from_kubeconfig(write(tmp_path, cluster="certificate-authority: ca.crt"))
    with pytest.raises(Misconfigured, match="is not usable"):
        found.tls()
