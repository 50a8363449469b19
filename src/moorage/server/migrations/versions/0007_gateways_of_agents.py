"""Gateways belong to their agents by a foreign key, no longer by the name alone"""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # By hand, as in 0005. Without NOT NULL: SQLite adds no such column, and a replica of the
    # version before, which still runs while this one starts, adds gateways without it
    # (`registration._gateway_of` finds those by their name).
    op.execute(
        "ALTER TABLE gateways ADD COLUMN agent_id INTEGER REFERENCES agents (id) ON DELETE CASCADE"
    )
    op.create_index("ix_gateways_agent_id", "gateways", ["agent_id"])
    op.execute(
        "UPDATE gateways SET agent_id = (SELECT agents.id FROM agents WHERE agents.name = gateways.name)"
    )
