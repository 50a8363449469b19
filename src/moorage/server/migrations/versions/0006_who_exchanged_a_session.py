"""Sessions are known to the gateways that took them over, and to no other"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "exchanges",
        sa.Column(
            "session_id",
            sa.String(),
            sa.ForeignKey("sessions.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column(
            "gateway_id",
            sa.Integer(),
            sa.ForeignKey("gateways.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("session_id", "gateway_id"),
    )
    op.create_index("ix_exchanges_gateway_id", "exchanges", ["gateway_id"])
    # Nobody wrote down who took over the sessions that there are. This installation's own gateway
    # keeps them; at another one people are led through the server once, unseen.
    op.execute(
        "INSERT INTO exchanges (session_id, gateway_id)"
        " SELECT sessions.id, gateways.id FROM sessions, gateways WHERE gateways.name = 'local'"
    )
