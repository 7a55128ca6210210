"""What a client can say of itself: the metadata of the whole protocol, each with a default for clients of before.

Revises: 0001.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TEXTS = (
    *("client_uri", "logo_uri", "policy_uri", "tos_uri", "jwks_uri", "software_id", "software_version"),
    *("tls_client_auth_subject_dn", "tls_client_auth_san_dns", "tls_client_auth_san_uri"),
    *("tls_client_auth_san_ip", "tls_client_auth_san_email"),
    *("request_object_signing_alg", "sector_identifier_uri", "registration_token_hash"),
    *("id_token_encrypted_response_alg", "id_token_encrypted_response_enc"),
    *("userinfo_signed_response_alg", "userinfo_encrypted_response_alg", "userinfo_encrypted_response_enc"),
    *("authorization_signed_response_alg", "introspection_signed_response_alg"),
    *("backchannel_logout_uri", "frontchannel_logout_uri"),
    *("backchannel_token_delivery_mode", "backchannel_client_notification_endpoint"),
    "backchannel_authentication_request_signing_alg",
)
LISTS = (
    *("contacts", "resources", "authorization_details_types", "request_uris", "default_acr_values"),
    "token_exchange_audiences",
)
FLAGS = (
    *("require_signed_request_object", "require_pushed_authorization_requests", "require_auth_time"),
    *("dpop_bound_access_tokens", "tls_client_certificate_bound_access_tokens"),
    *("backchannel_logout_session_required", "frontchannel_logout_session_required"),
    "backchannel_user_code_parameter",
)
WORDS = {"profile": "standard", "subject_type": "public", "access_token_format": "opaque"}


def upgrade() -> None:
    with op.batch_alter_table("client") as table:
        for name in TEXTS:
            table.add_column(sa.Column(name, sa.String(), nullable=True))
        for name in LISTS:
            table.add_column(sa.Column(name, sa.JSON(), nullable=False, server_default=sa.text("'[]'")))
        for name in FLAGS:
            table.add_column(sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false()))
        for name, word in WORDS.items():
            table.add_column(sa.Column(name, sa.String(), nullable=False, server_default=word))
        table.add_column(sa.Column("secret_sealed", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("client") as table:
        for name in (*TEXTS, *LISTS, *FLAGS, *WORDS, "secret_sealed"):
            table.drop_column(name)
