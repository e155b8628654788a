"""Apps that begin with source from elsewhere"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0004"


def upgrade() -> None:
    for column in (
        sa.Column("git_url", sa.String(length=500), nullable=True),
        sa.Column("import_state", sa.String(length=16), nullable=True),
        sa.Column("import_error", sa.Text(), nullable=True),
    ):
        op.add_column("apps", column, if_not_exists=True)
