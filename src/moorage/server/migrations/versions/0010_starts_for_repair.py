"""Workspaces that are started for their repair"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "workspaces", sa.Column("rescue", sa.Boolean(), nullable=False, server_default=sa.false())
    )
