"""Names of headers that are Moorage's own."""

from __future__ import annotations

PASS = "moorage-pass"  # noqa: S105 - a name, no secret
"""Of a request that one replica passes on to another: see `accounts.passes`."""
