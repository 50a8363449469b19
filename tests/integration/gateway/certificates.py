"""Certificates as organisations have them: an authority of their own, and what it issues."""

from __future__ import annotations

import subprocess
from pathlib import Path

_EC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


class Authority:
    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self._issued = 0
        self.certificate, self._key = folder / "ca.crt", folder / "ca.key"
        _openssl(
            "req",
            "-x509",
            *_EC,
            "-keyout",
            self._key,
            "-out",
            self.certificate,
            "-days",
            "2",
            "-subj",
            "/CN=CA",
        )

    def issue(self, *names: str, days: int = 1) -> tuple[Path, Path]:
        """Files of a certificate for these DNS names, and of its key."""
        self._issued += 1
        stem = self._folder / f"{self._issued}"
        request, extension = stem.with_suffix(".csr"), stem.with_suffix(".ext")
        certificate, key = stem.with_suffix(".crt"), stem.with_suffix(".key")
        extension.write_text("subjectAltName=" + ",".join(f"DNS:{name}" for name in names))
        _openssl("req", *_EC, "-keyout", key, "-out", request, "-subj", f"/CN={names[0]}")
        signer = [
            "-CA",
            self.certificate,
            "-CAkey",
            self._key,
            "-CAcreateserial",
            "-extfile",
            extension,
        ]
        _openssl("x509", "-req", "-in", request, *signer, "-days", str(days), "-out", certificate)
        return certificate, key


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
