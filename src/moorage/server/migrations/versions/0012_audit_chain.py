"""Entries of the audit are chained, and say by what, from where and with what outcome"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_INDEXED = ("actor_name", "action", "target_id", "outcome")


def upgrade() -> None:
    for name in ("by", "address", "hash"):
        op.add_column(
            "audit_entries", sa.Column(name, sa.String(), nullable=False, server_default="")
        )
    op.add_column(
        "audit_entries", sa.Column("outcome", sa.String(), nullable=False, server_default="done")
    )
    op.add_column("audit_entries", sa.Column("number", sa.Integer(), nullable=True))
    op.create_index("ix_audit_entries_number", "audit_entries", ["number"], unique=True)
    for name in _INDEXED:
        op.create_index(f"ix_audit_entries_{name}", "audit_entries", [name, "id"])
    chain = op.create_table(
        "audit_chain",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("first_number", sa.Integer(), nullable=False),
        sa.Column("first_hash", sa.String(), nullable=False),
        sa.Column("last_number", sa.Integer(), nullable=False),
        sa.Column("last_hash", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    start = {"id": 1, "first_number": 0, "first_hash": "", "last_number": 0, "last_hash": ""}
    op.bulk_insert(chain, [start])
