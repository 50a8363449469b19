"""Tokens and sessions know what they came from, and end with it; sessions have a longest life"""

from __future__ import annotations

import time

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_DAY = 86400.0
_LEFT_DAYS = 365.0
"""Of tokens that had no end: as long as a new one may have at most."""


def upgrade() -> None:
    # By hand, as Alembic adds no column with a foreign key to SQLite without making the table anew;
    # both databases take this.
    for table, column in (
        ("api_tokens", "parent_id"),
        ("sessions", "token_id"),
        ("sign_in_links", "token_id"),
    ):
        op.execute(
            f"ALTER TABLE {table} ADD COLUMN {column} INTEGER REFERENCES api_tokens (id) ON DELETE CASCADE"
        )
        op.create_index(f"ix_{table}_{column}", table, [column])
    op.add_column(
        "api_tokens",
        sa.Column("bootstrap", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
    # 0: the server sets it when it starts, by its settings and the time of signing in.
    op.add_column("sessions", sa.Column("ends_at", sa.Double(), server_default="0", nullable=False))
    op.add_column("sign_in_links", sa.Column("ends_at", sa.Double(), nullable=True))
    _mark_and_end()


def _mark_and_end() -> None:
    """The state folder's token, which was known by its label until now, has no end; all others get
    one."""
    tokens = sa.table(
        "api_tokens",
        sa.column("id", sa.Integer()),
        sa.column("user_id", sa.Integer()),
        sa.column("label", sa.String()),
        sa.column("expires_at", sa.Double()),
        sa.column("bootstrap", sa.Boolean()),
    )
    users = sa.table("users", sa.column("id", sa.Integer()), sa.column("name", sa.String()))
    each = tokens.alias()
    first = (
        sa.select(sa.func.min(each.c.id))
        .join(users, users.c.id == each.c.user_id)
        .where(users.c.name == "admin", each.c.label == "first administrator")
        .scalar_subquery()
    )
    op.execute(
        sa.update(tokens).where(tokens.c.id == first).values(bootstrap=sa.true(), expires_at=None)
    )
    endless = sa.and_(tokens.c.expires_at.is_(None), tokens.c.bootstrap.is_(sa.false()))
    op.execute(sa.update(tokens).where(endless).values(expires_at=time.time() + _LEFT_DAYS * _DAY))
