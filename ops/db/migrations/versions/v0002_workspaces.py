"""Workspaces, and the passes to their previews"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "workspaces",
        sa.Column("user_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("node_id", sa.String(length=50), nullable=True),
        sa.Column("slot", sa.Integer(), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("app_id", sa.Integer(), nullable=True),
        sa.Column("run", sa.JSON(), nullable=True),
        sa.Column("run_count", sa.Integer(), nullable=False),
        sa.Column("dev_mongo", sa.Boolean(), nullable=False),
        sa.Column("private_key", sa.LargeBinary(length=2048), nullable=True),
        sa.Column("public_key", sa.Text(), nullable=True),
        sa.Column("gitea_key_id", sa.Integer(), nullable=True),
        sa.Column("created_at", mysql.DATETIME(fsp=6), nullable=False),
        sa.Column("changed_at", mysql.DATETIME(fsp=6), nullable=False),
        sa.PrimaryKeyConstraint("user_id"),
        sa.UniqueConstraint("node_id", "slot"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["app_id"], ["apps.id"], ondelete="SET NULL"),
        if_not_exists=True,
    )
    op.create_table(
        "preview_passes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("token_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("expires_at", mysql.DATETIME(fsp=6), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["token_id"], ["tokens.id"], ondelete="CASCADE"),
        sa.UniqueConstraint("hash"),
        if_not_exists=True,
    )
