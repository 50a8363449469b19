"""Several agents: tokens that can be taken back, settings, capacity; and the clocks of
workspaces"""

from __future__ import annotations

import time

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "agent_settings_versions",
        sa.Column("agent_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("agent_id", "version"),
    )
    # Columns are only added: SQLite would have to make the table anew for anything else, with what
    # refers to it.
    for column in (
        sa.Column("revoked", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("capacity", sa.String(), server_default="{}", nullable=False),
        sa.Column("second_seen", sa.Double(), nullable=True),
        sa.Column("replica", sa.String(), server_default="", nullable=False),
        sa.Column("settings_file", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("settings_taken", sa.Integer(), server_default="0", nullable=False),
        sa.Column("settings_problem", sa.String(), server_default="", nullable=False),
    ):
        op.add_column("agents", column)
    op.add_column(
        "gateways", sa.Column("revoked", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    op.add_column("workspaces", sa.Column("stopped_at", sa.Double(), nullable=True))
    op.add_column(
        "workspaces", sa.Column("stopped_by", sa.String(), server_default="", nullable=False)
    )
    op.add_column("workspaces", sa.Column("delete_at", sa.Double(), nullable=True))
    # Nobody knows since when these have been stopped: their time begins now.
    stopped = sa.table(
        "workspaces", sa.column("stopped_at", sa.Double()), sa.column("desired", sa.String())
    )
    op.execute(
        sa.update(stopped).where(stopped.c.desired == "Stopped").values(stopped_at=time.time())
    )
