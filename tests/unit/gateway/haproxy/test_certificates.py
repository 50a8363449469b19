"""Certificates: which files, what is in them, and what speaks against them."""

from __future__ import annotations

from pathlib import Path

import pytest

from integration.gateway.certificates import Authority
from moorage.gateway.haproxy.certificates import (
    Files,
    Shown,
    fault_of_new,
    fault_of_pem,
    locate,
    parse,
    read,
    shown,
)
from moorage.kernel.errors import Misconfigured

ANSWER = """\
Filename: /tls/zone/tls.crt
Status: Used
Serial: 1010890743C83E1FB4EBFE3C3A806F09A837A38A
notBefore: Nov 25 23:19:32 2026 GMT
notAfter: Nov 26 23:19:32 2026 GMT
Subject Alternative Name: DNS:Localhost, DNS:*.localhost, IP Address:10.0.0.1
Algorithm: EC256
SHA1 FingerPrint: 554304D9B45690A0BB273E1D258208495E73E7D8
Subject: /CN=localhost
Issuer: /CN=CA

"""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates") / "ca")


def test_the_files_that_entries_mean(tmp_path: Path):
    """A combined file, a pair, a mounted Secret, a folder of combined files; whatever else is an
    error that names it."""
    for name in (
        "secret/tls.crt",
        "secret/tls.key",
        "pair.crt",
        "pair.key",
        "lone.crt",
        "all/b.pem",
        "all/a.pem",
        "all/x",
    ):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.touch()
    (tmp_path / "empty").mkdir()
    entries = tuple(str(tmp_path / name) for name in ("secret", "pair.crt", "lone.crt", "all"))
    assert locate(entries) == [
        Files(tmp_path / "secret/tls.crt", tmp_path / "secret/tls.key"),
        Files(tmp_path / "pair.crt", tmp_path / "pair.key"),
        Files(tmp_path / "lone.crt"),
        Files(tmp_path / "all/a.pem"),
        Files(tmp_path / "all/b.pem"),
    ]
    for name, words in (
        ("empty", "holds no certificate"),
        ("nothing.pem", "nothing.pem is not there"),
    ):
        with pytest.raises(Misconfigured, match=words):
            locate((str(tmp_path / name),))


def test_a_pair_is_read_as_haproxy_takes_it(authority: Authority):
    """The certificate, its chain, its key; nothing of what stands between, and no empty line, which
    would end the command."""
    certificate, key = authority.issue("localhost")
    chain = f"# ours\r\n{certificate.read_text()}\n\n{authority.certificate.read_text()}".replace(
        "\n", "\r\n"
    )
    pem = parse(f"{chain}\n{key.read_text()}")
    assert (len(pem.certificates), len(pem.keys)) == (2, 1)
    assert "\n\n" not in pem.text
    assert "\r" not in pem.text
    assert "# ours" not in pem.text
    assert pem.text.endswith("-----END PRIVATE KEY-----\n")
    assert fault_of_pem(pem) == ""
    assert len(pem.fingerprint) == 40
    assert read(Files(certificate, key)).fingerprint == pem.fingerprint


def test_what_cannot_be_used(authority: Authority):
    """Each with its own cause."""
    certificate, key = (file.read_text() for file in authority.issue("localhost"))
    other = authority.issue("localhost")[1].read_text()
    encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY")
    cases = {
        "": "no certificate",
        key: "no certificate",
        certificate: "no private key",
        certificate + encrypted: "encrypted",
        certificate + other: "belongs to another certificate",
        certificate.replace("M", "N") + key: "cannot be read",
        certificate * 40 + key: "more than 15000 bytes",
    }
    for text, words in cases.items():
        assert words in fault_of_pem(parse(text)), words


def test_what_haproxy_shows():
    """Its fingerprint, its time and its DNS names; nothing when it has none."""
    found = shown(ANSWER)
    assert found is not None
    assert found.names == ("localhost", "*.localhost")
    assert found.not_after - found.not_before == 86_400
    assert found.fingerprint == "554304D9B45690A0BB273E1D258208495E73E7D8"
    assert (
        shown("Can't display the certificate: Not found or the certificate is a bundle!\n") is None
    )
    assert shown("") is None


@pytest.mark.parametrize(
    ("names", "now", "words"),
    [
        (("z.example",), 100.0, ""),
        (("*.z.example", "other"), 100.0, ""),
        (("*.example",), 100.0, ""),
        ((), 100.0, ""),
        (("*.*.example", "a.z.example"), 100.0, "neither for z.example nor for *.z.example"),
        (("z.example",), 200.0, "ended already"),
        (("z.example",), 40.0, "not valid yet"),
    ],
)
def test_a_new_certificate_must_be_of_use(names: tuple[str, ...], now: float, words: str):
    """Now, and for the zone or what is below it; one that says no names is left to browsers."""
    fault = fault_of_new(Shown("F", 50.0, 200.0, names), "z.example", now)
    assert words in fault
    assert bool(fault) is bool(words)
