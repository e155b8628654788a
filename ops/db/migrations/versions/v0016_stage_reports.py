"""Why a stage has failed, with its code"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.add_column(
        "deployment_stages", sa.Column("report", sa.JSON(), nullable=True), if_not_exists=True
    )
