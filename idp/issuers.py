"""Issuers: what somebody whom the operator trusts has signed, verified under the keys the operator named.

Software statements (RFC 7591 §2.3) and assertions about people (RFC 7523 §2.1) are read by the same rules.
"""

from collections.abc import Mapping
from typing import Any

from keys import InvalidToken
from keys.algorithms import ACCEPTED
from keys.algorithms import read_header

from . import client_keys
from .models import Client


def verified(token: str, holder: str, keys: Mapping[str, Any]) -> dict[str, Any]:
    """Its claims under one of the issuer's keys (`jwks` or `jwks_uri`), read and renewed as a client's are.

    Raises `InvalidToken`.
    """
    alg = read_header(token).get("alg")
    if alg not in ACCEPTED:
        raise InvalidToken("It is signed with no algorithm of ours.")
    owner = Client(client_id=holder, jwks=keys.get("jwks"), jwks_uri=keys.get("jwks_uri"))
    return client_keys.verify(token, owner, str(alg))
