"""Names of headers that are Moorage's own."""

from __future__ import annotations

REPLICA_TICKET = "moorage-pass"
"""Of a request that one replica passes on to another: see `accounts.replica_tickets`."""
