"""Audit log: what the audit has written, read by whoever may: filtered, paged, checked,
exported."""
