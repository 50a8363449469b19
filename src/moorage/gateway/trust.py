"""Finds the authorities that an https server's certificate is verified by: those of this machine,
and those of a bundle beside them.

Python and HAProxy are to trust the same. Python asks OpenSSL for the machine's, which heeds
`SSL_CERT_FILE` and `SSL_CERT_DIR`; HAProxy's own `@system-ca` heeds no file, so that it gets all of
them as one.
"""

from __future__ import annotations

import os
import re
import ssl
from pathlib import Path

from moorage.kernel.errors import Misconfigured

_CERTIFICATE = re.compile(
    rb"-----BEGIN CERTIFICATE-----\s+[A-Za-z0-9+/=\s]+?\s-----END CERTIFICATE-----", re.ASCII
)
_BY_HASH = re.compile(r"[0-9a-f]{8}\.[0-9]+")
"""Files of a folder of CAs that OpenSSL looks at (X509_LOOKUP_hash_dir(3))."""


def context(bundle: str) -> ssl.SSLContext:
    """`bundle`: a PEM file; "": none. Raises `Misconfigured` when it cannot be used."""
    made = ssl.create_default_context()
    if bundle:
        try:
            made.load_verify_locations(cafile=bundle)
        except OSError as error:
            raise _unusable(bundle, str(error)) from error
    return made


def authorities(bundle: str) -> bytes:
    """The same as PEM, each once. Raises `Misconfigured` when the bundle cannot be used, or there
    are none at all."""
    context(bundle)
    paths = ssl.get_default_verify_paths()
    files = [Path(paths.cafile)] if paths.cafile else []
    for folder in os.environ.get(paths.openssl_capath_env, paths.openssl_capath).split(os.pathsep):
        if Path(folder).is_dir():
            files += sorted(
                file for file in Path(folder).iterdir() if _BY_HASH.fullmatch(file.name)
            )
    files += [Path(bundle)] if bundle else []
    found: dict[bytes, bytes] = {}
    for file in files:
        for text in _CERTIFICATE.findall(_bytes(file)):
            found.setdefault(b"".join(text.split()), text)
    if not found:
        raise Misconfigured(
            "There is no certificate authority on this machine that the server's certificate could be verified by.",
            code="no-authorities",
            hint="Install ca-certificates, or set server_ca_bundle under [gateway].",
        )
    return b"\n".join(found.values()) + b"\n"


def _bytes(file: Path) -> bytes:
    """b"" for one that cannot be read: OpenSSL, too, goes on without."""
    try:
        return file.read_bytes()
    except OSError:
        return b""


def _unusable(bundle: str, why: str) -> Misconfigured:
    return Misconfigured(
        f"The CA bundle {bundle} cannot be used: {why}.",
        code="ca-bundle-unreadable",
        hint="Correct server_ca_bundle under [gateway], or MOORAGE_GATEWAY_SERVER_CA_BUNDLE.",
    )
