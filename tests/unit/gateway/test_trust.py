"""What a server is verified by: the same for Python and HAProxy."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from integration.gateway.certificates import Authority
from moorage.gateway import trust
from moorage.kernel.errors import Misconfigured


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that trusts nobody yet; its folder of CAs."""
    folder = tmp_path / "certs"
    folder.mkdir()
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("SSL_CERT_DIR", f"{tmp_path / 'none'}:{folder}")
    return folder


def test_everything_once(machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file, the folder as OpenSSL reads it, and the bundle, without what stands between the
    certificates."""
    file, listed, own = (Authority(tmp_path / name) for name in ("file", "listed", "own"))
    monkeypatch.setenv("SSL_CERT_FILE", str(file.certificate))
    digest = subprocess.run(
        ["openssl", "x509", "-noout", "-hash", "-in", listed.certificate],
        capture_output=True,
        text=True,
        check=True,
    )
    (machine / f"{digest.stdout.strip()}.0").symlink_to(listed.certificate)
    (machine / "not-by-hash.pem").write_bytes(
        Authority(tmp_path / "unlisted").certificate.read_bytes()
    )
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(
        b"# ours\r\n"
        + own.certificate.read_bytes().replace(b"\n", b"\r\n")
        + b"again: "
        + file.certificate.read_bytes()
    )
    found = trust.authorities(str(bundle))
    assert found.count(b"BEGIN CERTIFICATE") == 3
    assert b"#" not in found
    assert b"again" not in found
    for authority in (file, listed):
        assert authority.certificate.read_bytes().strip() in found
    assert len(trust.context(str(bundle)).get_ca_certs()) == 2, (
        "those of the folder are looked up when needed"
    )


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_a_bundle_that_cannot_be_used(machine: Path, tmp_path: Path, content: str | None) -> None:
    """Says which it is, and which setting names it."""
    bundle = tmp_path / "bundle.pem"
    if content is not None:
        bundle.write_text(content)
    with pytest.raises(Misconfigured, match=rf"The CA bundle {bundle} cannot be used") as refused:
        trust.authorities(str(bundle))
    assert "server_ca_bundle" in refused.value.hint


def test_nobody_to_verify_by(machine: Path) -> None:
    """Without any authority HAProxy could not start, and says so in its own words."""
    with pytest.raises(Misconfigured, match="no certificate authority"):
        trust.authorities("")
