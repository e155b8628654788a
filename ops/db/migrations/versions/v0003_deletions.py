"""Deletions of accounts, and what deleted apps left in workspaces"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0003"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "owed_checkouts",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("app_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("created_at", mysql.DATETIME(fsp=6), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "app_id"),
        sa.ForeignKeyConstraint(["user_id"], ["workspaces.user_id"], ondelete="CASCADE"),
        if_not_exists=True,
    )
    op.create_table(
        "account_deletions",
        sa.Column("user_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("receipt_hash", sa.String(length=64), nullable=False),
        sa.Column("gone", sa.JSON(), nullable=False),
        sa.Column("left", sa.JSON(), nullable=False),
        sa.Column("asked_at", mysql.DATETIME(fsp=6), nullable=False),
        sa.Column("ended_at", mysql.DATETIME(fsp=6), nullable=True),
        sa.PrimaryKeyConstraint("user_id"),
        sa.UniqueConstraint("receipt_hash"),
        if_not_exists=True,
    )
