"""Profiles: one word per client that sets everything a security profile demands of it.

`standard` is OpenID Connect with the rules of this house. The others are the OpenID Foundation's profiles for high
security: an operator names one, and no combination of switches can fall short of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

STRONG_ALGORITHMS = ("PS256", "ES256", "EdDSA", "Ed25519")
"""FAPI 2.0 Security Profile §5.4.1."""


@dataclass(frozen=True)
class Profile:
    """What is demanded of a client, beyond what is demanded of all."""

    algorithms: tuple[str, ...] | None = None
    """The algorithms it may sign with; None where every safe one will do."""
    auth_methods: tuple[str, ...] | None = None
    """The ways it may prove who it is; None where any will do."""
    response_types: tuple[str, ...] | None = None
    pushed_request: bool = False
    """Requests come by the pushed authorization request endpoint only (RFC 9126)."""
    signed_request: bool = False
    """Requests come as a signed object with `exp`, `nbf` and `aud`, and nothing beside it counts (RFC 9101)."""
    signed_answer: bool = False
    """A code travels in a signed answer (JARM), or beside an ID token that vouches for it."""
    nonce: bool = False
    """Every request carries one (FAPI 1.0 Baseline §5.2.2.2)."""
    state_hash: bool = False
    """ID tokens from the authorization endpoint carry `s_hash` (FAPI 1.0 Advanced §5.1.1)."""
    strict_audience: bool = False
    """Assertions name the issuer as their one audience (FAPI 2.0 Security Profile §5.3.2.1)."""
    interaction_id: bool = False
    """Answers of a protected resource carry `x-fapi-interaction-id` (FAPI 1.0 Baseline §6.2.1-11)."""
    sender_constrained: bool = False
    """Access tokens are bound to a key of the client's: DPoP or its certificate."""
    code_seconds: int | None = None
    """The longest life of a code, whatever the operator set (FAPI 2.0 Security Profile §5.3.2.1)."""
    binding_message: bool = False
    """What is asked by CIBA says what it is about: nothing else tells it from a stranger's (FAPI-CIBA §5.2.2)."""
    rotates_refresh_tokens: bool = True
    """FAPI 2.0 Security Profile §5.3.2.1: rotation costs more than it gains where the client proves a key."""


PROFILES = {
    "standard": Profile(),
    "fapi2": Profile(
        algorithms=STRONG_ALGORITHMS,
        auth_methods=("private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth"),
        response_types=("code",),
        pushed_request=True,
        strict_audience=True,
        sender_constrained=True,
        code_seconds=60,
        rotates_refresh_tokens=False,
    ),
    "fapi2_message_signing": Profile(
        algorithms=STRONG_ALGORITHMS,
        auth_methods=("private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth"),
        response_types=("code",),
        pushed_request=True,
        signed_request=True,
        signed_answer=True,
        strict_audience=True,
        sender_constrained=True,
        code_seconds=60,
        rotates_refresh_tokens=False,
    ),
    "fapi1_advanced": Profile(
        algorithms=("PS256", "ES256"),
        auth_methods=("private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth"),
        response_types=("code", "code id_token"),
        signed_request=True,
        signed_answer=True,
        nonce=True,
        state_hash=True,
        interaction_id=True,
        sender_constrained=True,
        binding_message=True,
    ),
}
"""FAPI 2.0 Security Profile and Message Signing (final), FAPI 1.0 Advanced; by the name in `Client.profile`."""


class Profiled(Protocol):
    """A client, as far as its profile is concerned."""

    @property
    def profile(self) -> str:
        """The name of its profile."""

    @property
    def id_token_signed_response_alg(self) -> str:
        """What its ID tokens are signed with."""


def of(client: Profiled) -> Profile:
    """The profile of a client."""
    return PROFILES[client.profile]


def usual_algorithm(client: Profiled, offered: Sequence[str]) -> str:
    """What answers are signed with where the client registered nothing: RS256 (JARM §3, RFC 9701 §6).

    Where there is no such key, or the profile forbids it, as its ID tokens.
    """
    allowed = of(client).algorithms or ("RS256",)
    return "RS256" if "RS256" in offered and "RS256" in allowed else client.id_token_signed_response_alg
