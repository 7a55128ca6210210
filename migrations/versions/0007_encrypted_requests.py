"""How a client encrypts its request objects.

Revises: 0006.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

NAMES = ("request_object_encryption_alg", "request_object_encryption_enc")


def upgrade() -> None:
    with op.batch_alter_table("client") as table:
        for name in NAMES:
            table.add_column(sa.Column(name, sa.String(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("client") as table:
        for name in NAMES:
            table.drop_column(name)
