"""Names of people that differ from sector to sector.

Revises: 0004.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pairwise_subject",
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("sector", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "sector"),
        sa.UniqueConstraint("subject", name="pairwise_subject_subject_key"),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name="pairwise_subject_account_id_fkey", ondelete="CASCADE"
        ),
    )


def downgrade() -> None:
    op.drop_table("pairwise_subject")
