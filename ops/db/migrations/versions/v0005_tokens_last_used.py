"""When a token was used last"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0005"
down_revision = "0002"


def upgrade() -> None:
    op.add_column(
        "tokens",
        sa.Column("last_used_at", mysql.DATETIME(fsp=6), nullable=True),
        if_not_exists=True,
    )
