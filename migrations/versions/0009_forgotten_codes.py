"""Activation codes are forgotten some time after they ended.

Revises: 0008.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("activation_code") as table:
        table.alter_column("code_fingerprint", existing_type=sa.String(), nullable=True)


def downgrade() -> None:
    op.execute("UPDATE activation_code SET code_fingerprint = 'forgotten ' || id WHERE code_fingerprint IS NULL")
    with op.batch_alter_table("activation_code") as table:
        table.alter_column("code_fingerprint", existing_type=sa.String(), nullable=False)
