"""The account that a person goes on with after a new letter.

Revises: 0007.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

KEY = "pensioner_former_account_id_fkey"


def upgrade() -> None:
    with op.batch_alter_table("pensioner") as table:
        table.add_column(sa.Column("former_account_id", sa.String(), nullable=True))
        table.create_foreign_key(KEY, "account", ["former_account_id"], ["id"], ondelete="SET NULL")


def downgrade() -> None:
    with op.batch_alter_table("pensioner") as table:
        table.drop_constraint(KEY, type_="foreignkey")
        table.drop_column("former_account_id")
