"""Random identifiers and secrets."""

from __future__ import annotations

import hashlib
import secrets

ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"


def short_id(length: int = 6) -> str:
    """Lower-case letters and digits, `length` of them; fit for a DNS label; no secret."""
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def new_secret(prefix: str = "") -> str:
    """256 random bits, URL-safe. The prefix says what it opens, so that a secret scanner can
    tell."""
    return prefix + secrets.token_urlsafe(32)


def fingerprint(secret: str) -> str:
    """SHA-256 in hexadecimal: the form in which a random secret is stored. Not for passwords, which
    are not random."""
    return hashlib.sha256(secret.encode()).hexdigest()
