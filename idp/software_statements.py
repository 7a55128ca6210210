"""Software statements: what somebody whom the operator trusts says of an application, signed (RFC 7591 §2.3)."""

from collections.abc import Mapping
from typing import Any

from authlib.oauth2.rfc7591.errors import InvalidSoftwareStatementError
from authlib.oauth2.rfc7591.errors import UnapprovedSoftwareStatementError

from keys import InvalidToken

from . import assertions
from . import issuers
from .clock import epoch
from .provider import provider

SKEW = 60


def read(statement: object) -> dict[str, Any]:
    """Its claims, if one of the trusted issuers signed it; raises the errors of RFC 7591 §3.2.2."""
    if not isinstance(statement, str):
        raise InvalidSoftwareStatementError("The software_statement must be a JWT.")
    issuer = assertions.before_proof(statement, "iss")
    if issuer is None:
        raise InvalidSoftwareStatementError("The software_statement cannot be read.")
    trusted = provider.settings.software_statement_issuers.get(str(issuer))
    if trusted is None:
        raise UnapprovedSoftwareStatementError("The issuer of the software_statement is not approved.")
    try:
        stated = issuers.verified(statement, f"software statements of {issuer}", trusted)
    except InvalidToken:
        raise InvalidSoftwareStatementError("The software_statement is not signed by its issuer.") from None
    if not _is_timely(stated):
        raise InvalidSoftwareStatementError("The software_statement is not valid at this time.")
    return stated


def _is_timely(stated: Mapping[str, Any]) -> bool:
    """Within its `nbf` and `exp`, where it has them (RFC 7519 §4.1)."""
    times = [stated[name] for name in ("exp", "nbf") if name in stated]
    if not all(isinstance(each, int | float) and not isinstance(each, bool) for each in times):
        return False
    moment = epoch()
    return bool(stated.get("nbf", moment) <= moment + SKEW and stated.get("exp", moment) > moment - SKEW)
