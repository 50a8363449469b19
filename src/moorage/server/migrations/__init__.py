"""Brings the database to this version, at start, under a lock."""
