"""What workspaces were asked for, and whether their devfile has changed"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("asked", "flat", "look"):
        op.add_column("workspaces", sa.Column(name, sa.String(), nullable=False, server_default=""))
    op.add_column("workspaces", sa.Column("looked_at", sa.Double(), nullable=True))
