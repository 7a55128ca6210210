"""Software statements: what somebody whom the operator trusts says of an application, signed (RFC 7591 §2.3)."""

import json
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from typing import Any

from authlib.oauth2.rfc7591.errors import InvalidSoftwareStatementError
from authlib.oauth2.rfc7591.errors import UnapprovedSoftwareStatementError

from keys import InvalidToken
from keys.algorithms import ACCEPTED
from keys.algorithms import read_header

from . import client_keys
from .clock import epoch
from .models import Client
from .provider import provider

SKEW = 60


def read(statement: object) -> dict[str, Any]:
    """Its claims, if one of the trusted issuers signed it; raises the errors of RFC 7591 §3.2.2."""
    if not isinstance(statement, str):
        raise InvalidSoftwareStatementError("The software_statement must be a JWT.")
    issuer = _issuer(statement)
    trusted = provider.settings.software_statement_issuers.get(issuer)
    if trusted is None:
        raise UnapprovedSoftwareStatementError("The issuer of the software_statement is not approved.")
    try:
        stated = _verified(statement, issuer, trusted)
    except InvalidToken:
        raise InvalidSoftwareStatementError("The software_statement is not signed by its issuer.") from None
    if not _is_timely(stated):
        raise InvalidSoftwareStatementError("The software_statement is not valid at this time.")
    return stated


def _issuer(statement: str) -> str:
    """Who it says has made it: good for finding the keys, for nothing else."""
    try:
        payload = statement.split(".")[1].encode("ascii")
        issuer = json.loads(urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)))["iss"]
    except (ValueError, LookupError, TypeError, RecursionError):
        raise InvalidSoftwareStatementError("The software_statement cannot be read.") from None
    return issuer if isinstance(issuer, str) else ""


def _verified(statement: str, issuer: str, trusted: Mapping[str, Any]) -> dict[str, Any]:
    """Its claims under one of the issuer's keys, which are read and renewed as those of a client are."""
    alg = read_header(statement).get("alg")
    if alg not in ACCEPTED:
        raise InvalidToken("The statement is signed with no algorithm of ours.")
    holder = Client(
        client_id=f"software statements of {issuer}", jwks=trusted.get("jwks"), jwks_uri=trusted.get("jwks_uri")
    )
    return client_keys.verify(statement, holder, str(alg))


def _is_timely(stated: Mapping[str, Any]) -> bool:
    """Within its `nbf` and `exp`, where it has them (RFC 7519 §4.1)."""
    times = [stated[name] for name in ("exp", "nbf") if name in stated]
    if not all(isinstance(each, int | float) and not isinstance(each, bool) for each in times):
        return False
    moment = epoch()
    return bool(stated.get("nbf", moment) <= moment + SKEW and stated.get("exp", moment) > moment - SKEW)
