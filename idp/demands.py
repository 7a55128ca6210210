"""What is demanded of a sign-in: the strongest of the operator's rule, the client's and the request's."""

from . import assurance
from .authorization_request import AuthorizationRequest
from .models import Client
from .provider import provider


def demanded(request: AuthorizationRequest | None, client: Client | None) -> str:
    """The class that must be reached before anybody is answered.

    A second factor is demanded of everybody unless the settings say otherwise (decision 8); a client's minimum wins
    over the request; of `acr_values`, which are a wish, the first class we know counts (OIDC Core §3.1.2.1).
    """
    rule = assurance.PASSWORD if provider.settings.second_factor == "off" else assurance.TWO_FACTOR
    wished = [value for value in (request.acr_values if request else ()) if value in assurance.ACR_VALUES]
    reachable = [value for value in wished if value != assurance.PHISHING_RESISTANT][:1]
    return assurance.strongest(rule, client.minimum_acr if client else None, *reachable, *_essential(request))


def _essential(request: AuthorizationRequest | None) -> list[str]:
    """The least of the classes an essential `acr` claim accepts (OIDC Core §5.5.1.1)."""
    claims = (request.claims if request else None) or {}
    acr = (claims.get("id_token") or {}).get("acr") or {}
    if not isinstance(acr, dict) or not acr.get("essential"):
        return []
    values = acr.get("values") or [acr.get("value")]
    known = [value for value in values if value in assurance.ACR_VALUES]
    if not known:
        return []
    return [min(known, key=assurance.ACR_VALUES.index)]
