"""Why an import has failed, with its code"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.add_column("apps", sa.Column("import_report", sa.JSON(), nullable=True), if_not_exists=True)
