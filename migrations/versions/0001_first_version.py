"""All tables of the first version.

Constraints carry the names that PostgreSQL would give them, on SQLite too, so that later revisions can speak of them.
Revises: nothing.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def text(name: str, *, optional: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(), nullable=optional)


def whole(name: str, *, optional: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=optional)


def big(name: str, *, optional: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=optional)


def sequence(name: str, *, optional: bool = False, autoincrement: bool = False) -> sa.Column[int]:
    """A large number; SQLite numbers rows by itself for plain INTEGER only."""
    kind = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return sa.Column(name, kind, nullable=optional, autoincrement=autoincrement)


def flag(name: str, *, optional: bool = False) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(), nullable=optional)


def moment(name: str, *, optional: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=optional)


def blob(name: str, *, optional: bool = False) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary(), nullable=optional)


def json(name: str, *, optional: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.JSON(), nullable=optional)


def unique(table: str, *columns: str) -> sa.UniqueConstraint:
    return sa.UniqueConstraint(*columns, name=f"{table}_{'_'.join(columns)}_key")


def reference(table: str, column: str, target: str, on_delete: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [target], name=f"{table}_{column}_fkey", ondelete=on_delete)


def upgrade() -> None:
    op.create_table(
        "account",
        text("id"),
        blob("email_sealed", optional=True),
        text("email_fingerprint"),
        moment("email_verified_at"),
        text("password_hash"),
        moment("password_changed_at"),
        text("language"),
        text("terms_version"),
        moment("terms_accepted_at"),
        moment("created_at"),
        moment("factors_changed_at"),
        moment("sessions_valid_after"),
        moment("disabled_at", optional=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("account_email", "account", ["email_fingerprint"])
    op.create_table(
        "audit_event",
        sequence("sequence", autoincrement=True),
        moment("at"),
        text("event"),
        text("outcome"),
        text("account_id", optional=True),
        text("subject", optional=True),
        text("client_id", optional=True),
        text("session", optional=True),
        text("address", optional=True),
        text("reason", optional=True),
        json("details", optional=True),
        sa.PrimaryKeyConstraint("sequence"),
    )
    op.create_index("ix_audit_event_account_id", "audit_event", ["account_id"])
    op.create_index("ix_audit_event_at", "audit_event", ["at"])
    op.create_index("ix_audit_event_event", "audit_event", ["event"])
    op.create_table(
        "audit_seal",
        sequence("number", autoincrement=False),
        sequence("last_sequence"),
        whole("events"),
        text("digest"),
        text("mark"),
        moment("sealed_at"),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_table(
        "client",
        text("client_id"),
        json("client_name"),
        text("application_type"),
        json("secret_hashes"),
        text("token_endpoint_auth_method"),
        json("redirect_uris"),
        json("post_logout_redirect_uris"),
        json("grant_types"),
        json("response_types"),
        json("scope"),
        text("id_token_signed_response_alg"),
        text("token_endpoint_auth_signing_alg", optional=True),
        json("jwks", optional=True),
        flag("require_pkce"),
        flag("first_party"),
        flag("is_default"),
        text("initiate_login_uri", optional=True),
        text("audience", optional=True),
        text("minimum_acr", optional=True),
        whole("default_max_age", optional=True),
        moment("created_at"),
        moment("disabled_at", optional=True),
        sa.PrimaryKeyConstraint("client_id"),
    )
    op.create_table(
        "failure_counter",
        text("limit"),
        text("subject"),
        whole("spent"),
        moment("window_ends_at"),
        moment("paused_until", optional=True),
        moment("expires_at"),
        sa.PrimaryKeyConstraint("limit", "subject"),
    )
    op.create_index("ix_failure_counter_expires_at", "failure_counter", ["expires_at"])
    op.create_table(
        "one_time_code",
        text("id"),
        text("purpose"),
        text("holder"),
        text("person", optional=True),
        text("target"),
        text("code_hash", optional=True),
        whole("tries"),
        moment("sent_at"),
        moment("expires_at"),
        moment("used_at", optional=True),
        moment("replaced_at", optional=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_one_time_code_expires_at", "one_time_code", ["expires_at"])
    op.create_index("ix_one_time_code_person", "one_time_code", ["person"])
    op.create_index("ix_one_time_code_target", "one_time_code", ["target"])
    op.create_index("one_time_code_holder", "one_time_code", ["purpose", "holder"])
    op.create_index("one_time_code_sent", "one_time_code", ["purpose", "sent_at"])
    op.create_table(
        "outbox_message",
        text("id"),
        text("medium"),
        text("name"),
        blob("body_sealed", optional=True),
        text("target"),
        text("state"),
        whole("tries"),
        whole("doubts"),
        moment("created_at"),
        moment("next_try_at"),
        moment("expires_at"),
        moment("sent_at", optional=True),
        text("last_error", optional=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_outbox_message_created_at", "outbox_message", ["created_at"])
    op.create_index("ix_outbox_message_target", "outbox_message", ["target"])
    op.create_index("outbox_due", "outbox_message", ["state", "next_try_at"])
    op.create_table(
        "register_import",
        text("id"),
        text("follows"),
        moment("at"),
        text("file_name"),
        whole("new"),
        whole("changed"),
        whole("unchanged"),
        whole("gone"),
        whole("skipped"),
        sa.PrimaryKeyConstraint("id"),
        unique("register_import", "follows"),
    )
    op.create_index("ix_register_import_at", "register_import", ["at"])
    op.create_table(
        "signing_key",
        text("kid"),
        text("alg"),
        blob("sealed"),
        moment("created_at"),
        moment("signs_from"),
        moment("signs_until"),
        moment("shown_until"),
        moment("revoked_at", optional=True),
        sa.PrimaryKeyConstraint("kid"),
        unique("signing_key", "alg", "signs_from"),
    )
    op.create_table(
        "store_entry",
        text("kind"),
        text("key"),
        blob("value", optional=True),
        whole("counter"),
        moment("taken_at", optional=True),
        moment("expires_at"),
        sa.PrimaryKeyConstraint("kind", "key"),
    )
    op.create_index("ix_store_entry_expires_at", "store_entry", ["expires_at"])
    op.create_table(
        "authenticator",
        text("id"),
        text("account_id"),
        text("kind"),
        blob("data_sealed", optional=True),
        big("last_step", optional=True),
        moment("created_at"),
        moment("last_used_at", optional=True),
        sa.PrimaryKeyConstraint("id"),
        reference("authenticator", "account_id", "account.id", "CASCADE"),
    )
    op.create_index("ix_authenticator_account_id", "authenticator", ["account_id"])
    op.create_table(
        "consent",
        text("account_id"),
        text("client_id"),
        json("scope"),
        moment("granted_at"),
        sa.PrimaryKeyConstraint("account_id", "client_id"),
        reference("consent", "account_id", "account.id", "CASCADE"),
        reference("consent", "client_id", "client.client_id", "CASCADE"),
    )
    op.create_table(
        "pensioner",
        text("id"),
        text("person_number"),
        blob("ahv_sealed", optional=True),
        text("ahv_fingerprint"),
        blob("birth_date_sealed", optional=True),
        text("salutation"),
        text("first_name"),
        text("last_name"),
        blob("street_sealed", optional=True),
        text("postcode"),
        text("town"),
        text("country"),
        text("language"),
        blob("email_sealed", optional=True),
        text("email_fingerprint", optional=True),
        text("entitlement"),
        text("status"),
        text("account_id", optional=True),
        moment("enrolled_at", optional=True),
        moment("access_ended_at", optional=True),
        moment("imported_at"),
        moment("updated_at"),
        text("seen_in_import"),
        text("row_hash"),
        sa.PrimaryKeyConstraint("id"),
        unique("pensioner", "account_id"),
        unique("pensioner", "ahv_fingerprint"),
        unique("pensioner", "person_number"),
        reference("pensioner", "account_id", "account.id", "SET NULL"),
    )
    op.create_index("pensioner_email", "pensioner", ["email_fingerprint"])
    op.create_table(
        "refresh_family",
        text("id"),
        text("account_id"),
        text("client_id"),
        json("scope"),
        json("authentication"),
        text("current_hash"),
        text("previous_hash", optional=True),
        moment("rotated_at", optional=True),
        moment("grace_used_at", optional=True),
        whole("generation"),
        moment("created_at"),
        moment("idle_until"),
        moment("expires_at"),
        moment("ended_at", optional=True),
        text("end_reason", optional=True),
        sa.PrimaryKeyConstraint("id"),
        reference("refresh_family", "account_id", "account.id", "CASCADE"),
        reference("refresh_family", "client_id", "client.client_id", "CASCADE"),
    )
    op.create_index("ix_refresh_family_account_id", "refresh_family", ["account_id"])
    op.create_index("ix_refresh_family_client_id", "refresh_family", ["client_id"])
    op.create_index("ix_refresh_family_current_hash", "refresh_family", ["current_hash"])
    op.create_index("ix_refresh_family_expires_at", "refresh_family", ["expires_at"])
    op.create_index("ix_refresh_family_previous_hash", "refresh_family", ["previous_hash"])
    op.create_table(
        "activation_code",
        text("id"),
        text("pensioner_id"),
        text("campaign"),
        text("code_fingerprint"),
        moment("issued_at"),
        moment("expires_at"),
        moment("used_at", optional=True),
        moment("replaced_at", optional=True),
        text("void_reason", optional=True),
        sa.PrimaryKeyConstraint("id"),
        unique("activation_code", "code_fingerprint"),
        reference("activation_code", "pensioner_id", "pensioner.id", "CASCADE"),
    )
    op.create_index("activation_code_campaign", "activation_code", ["campaign"])
    op.create_index("ix_activation_code_pensioner_id", "activation_code", ["pensioner_id"])


def downgrade() -> None:
    op.drop_table("activation_code")
    op.drop_table("refresh_family")
    op.drop_table("pensioner")
    op.drop_table("consent")
    op.drop_table("authenticator")
    op.drop_table("store_entry")
    op.drop_table("signing_key")
    op.drop_table("register_import")
    op.drop_table("outbox_message")
    op.drop_table("one_time_code")
    op.drop_table("failure_counter")
    op.drop_table("client")
    op.drop_table("audit_seal")
    op.drop_table("audit_event")
    op.drop_table("account")
