"""Certificates: which files there are, what is in them, and what HAProxy says of those that it has.
All but `locate` and `read` is pure.
"""

from __future__ import annotations

import hashlib
import os
import re
import ssl
from dataclasses import dataclass
from pathlib import Path

from moorage.gateway.haproxy import words
from moorage.kernel.errors import Misconfigured

PAYLOAD_LIMIT = 15_000
"""Bytes of a certificate with chain and key that HAProxy's runtime API takes: a buffer (16 KiB)
with the command."""
_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----.+?-----END \1-----", re.DOTALL)
_READ_AGAIN = 3


@dataclass(frozen=True)
class Files:
    """A certificate's files."""

    certificate: Path
    """The file that HAProxy knows it by."""
    key: Path | None = None
    """None: it is in the same file."""


@dataclass(frozen=True)
class Pem:
    """The content of the files: the server's own certificate first, then its chain; no line is
    empty."""

    certificates: tuple[str, ...]
    keys: tuple[str, ...]

    @property
    def text(self) -> str:
        """The text as HAProxy takes it."""
        return "".join(f"{block}\n" for block in (*self.certificates, *self.keys))

    @property
    def digest(self) -> str:
        """The SHA-256 of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def fingerprint(self) -> str:
        """SHA-1 of the server's own certificate, as HAProxy writes it; "" when that is no
        certificate."""
        try:
            raw = ssl.PEM_cert_to_DER_cert(self.certificates[0])
        except (IndexError, ValueError):
            return ""
        return hashlib.sha1(raw, usedforsecurity=False).hexdigest().upper()


@dataclass(frozen=True)
class Shown:
    """HAProxy's description of a certificate."""

    fingerprint: str
    not_before: float
    not_after: float
    """Seconds since the epoch."""
    names: tuple[str, ...]


def locate(entries: tuple[str, ...]) -> list[Files]:
    """The files that the setting `tls_certificate` means: each entry a combined PEM file, a `.crt`
    with a `.key` beside it, or a folder that holds `tls.crt` and `tls.key` (a mounted Secret), or
    combined PEM files (`*.pem`).

    Raises `Misconfigured` for an entry that is none of these, and for a name that HAProxy cannot be
    told.
    """
    found = [files for entry in entries for files in _locate(Path(entry))]
    for files in found:
        words.line(str(files.certificate))
    return found


def read(files: Files) -> Pem:
    """Raises `OSError`. Files that are being replaced are read again, so that certificate and key
    belong together."""
    for _ in range(_READ_AGAIN):
        text = files.certificate.read_text(errors="replace")
        key = files.key.read_text(errors="replace") if files.key else ""
        if text == files.certificate.read_text(errors="replace"):
            break
    return parse(f"{text}\n{key}")


def parse(text: str) -> Pem:
    """The blocks of a PEM text (RFC 7468); what stands between them is not carried over."""
    blocks = [
        (found[1], "\n".join(line.strip() for line in found[0].splitlines() if line.strip()))
        for found in _BLOCK.finditer(text)
    ]
    return Pem(
        certificates=tuple(block for kind, block in blocks if kind.endswith("CERTIFICATE")),
        keys=tuple(block for kind, block in blocks if kind.endswith("PRIVATE KEY")),
    )


def fault_of_pem(pem: Pem) -> str:
    """Why it cannot be used, in plain words; "" when nothing speaks against it."""
    if not pem.certificates:
        return "There is no certificate in it."
    if not pem.keys:
        return "There is no private key with it."
    if any("ENCRYPTED" in block for block in pem.keys):
        return "Its private key is encrypted: HAProxy has no password for it."
    if len(pem.text) > PAYLOAD_LIMIT:
        return f"With its chain it has more than {PAYLOAD_LIMIT} bytes, which HAProxy takes at its start only."
    try:
        for line in pem.text.splitlines():
            words.line(line)
    except Misconfigured:
        return "There is something in it that is no part of a certificate or key."
    return _fault_of_pair(pem)


def fault_of_new(new: Shown, zone: str, now: float) -> str:
    """Says what speaks against using it from now on; "" when nothing does."""
    if new.not_after <= now:
        return "It has ended already."
    if new.not_before > now:
        return "It is not valid yet."
    if new.names and not any(
        _covers(name, host) for name in new.names for host in (zone, f"1-w.{zone}")
    ):
        return f"It is for {', '.join(new.names[:5])}: neither for {zone} nor for *.{zone}."
    return ""


def shown(answer: str) -> Shown | None:
    """Reads the answer to `show ssl cert <file>`; None when HAProxy has none of that name."""
    lines = (line.partition(": ") for line in answer.splitlines())
    said = {name: value.strip() for name, _, value in lines}
    try:
        return Shown(
            fingerprint=said["SHA1 FingerPrint"],
            not_before=float(ssl.cert_time_to_seconds(said["notBefore"])),
            not_after=float(ssl.cert_time_to_seconds(said["notAfter"])),
            names=tuple(
                name.strip().removeprefix("DNS:").lower()
                for name in said.get("Subject Alternative Name", "").split(",")
                if name.strip().startswith("DNS:")
            ),
        )
    except (KeyError, ValueError):
        return None


def _locate(path: Path) -> list[Files]:
    if path.is_dir():
        if (path / "tls.crt").exists():
            return [Files(path / "tls.crt", path / "tls.key")]
        if found := sorted(path.glob("*.pem")):
            return [Files(file) for file in found]
        raise _missing(
            f"The folder {path} holds no certificate: neither tls.crt and tls.key, nor files *.pem."
        )
    if not path.is_file():
        raise _missing(f"The certificate {path} is not there.")
    key = path.with_suffix(".key")
    return [Files(path, key if path.suffix == ".crt" and key.exists() else None)]


def _missing(message: str) -> Misconfigured:
    return Misconfigured(
        message,
        code="certificate-missing",
        hint="Correct tls_certificate under [gateway], or MOORAGE_GATEWAY_TLS_CERTIFICATE.",
    )


def _fault_of_pair(pem: Pem) -> str:
    """OpenSSL reads files only; this one is in memory alone."""
    descriptor = os.memfd_create("certificate", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, pem.text.encode())
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
            f"/proc/self/fd/{descriptor}", password=lambda: ""
        )
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            return "Its private key belongs to another certificate."
        return f"It cannot be read: {error.reason or error}."
    finally:
        os.close(descriptor)
    return ""


def _covers(name: str, host: str) -> bool:
    """RFC 6125, 6.4.3: a star stands for one label."""
    return name == host or (name.startswith("*.") and host.partition(".")[2] == name[2:])
