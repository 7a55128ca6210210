"""One table a file."""

from .account import Account
from .audit_event import AuditEvent
from .audit_seal import AuditSeal
from .authenticator import Authenticator
from .client import Client
from .consent import Consent
from .consent_detail import ConsentDetail
from .failure_counter import FailureCounter
from .initial_access_token import InitialAccessToken
from .one_time_code import OneTimeCode
from .outbox_message import OutboxMessage
from .pairwise_subject import PairwiseSubject
from .refresh_family import RefreshFamily
from .signed_in_client import SignedInClient
from .signing_key import SigningKeyRecord
from .store_entry import StoreEntry

__all__ = [
    "Account",
    "AuditEvent",
    "AuditSeal",
    "Authenticator",
    "Client",
    "Consent",
    "ConsentDetail",
    "FailureCounter",
    "InitialAccessToken",
    "OneTimeCode",
    "OutboxMessage",
    "PairwiseSubject",
    "RefreshFamily",
    "SignedInClient",
    "SigningKeyRecord",
    "StoreEntry",
]
