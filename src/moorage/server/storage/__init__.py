"""Stores rows, tells of changes, and takes locks: in SQLite for one server, in PostgreSQL for
several.

Must not: know a domain. Tables stand in each domain's `models`, migrations in `migrations`.
"""
