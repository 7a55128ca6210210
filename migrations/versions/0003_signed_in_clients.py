"""Which applications hear of the end of a session (back-channel logout).

Revises: 0002.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "signed_in_client",
        sa.Column("sid", sa.String(), nullable=False),
        sa.Column("client_id", sa.String(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["client_id"], ["client.client_id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("sid", "client_id"),
    )
    op.create_index("ix_signed_in_client_account_id", "signed_in_client", ["account_id"])
    op.create_index("ix_signed_in_client_expires_at", "signed_in_client", ["expires_at"])


def downgrade() -> None:
    op.drop_table("signed_in_client")
