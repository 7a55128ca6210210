"""jwt: the whole answer as one signed parameter, which travels by another mode (JARM §2.3)."""

from collections.abc import Mapping

from ..clock import epoch
from ..provider import provider
from ..response import ReturnAddress

SIGNED = ".jwt"
"""What stands behind the name of the mode it travels by."""
SECONDS = 600


def sign(address: ReturnAddress, params: Mapping[str, str]) -> dict[str, str]:
    """The answer as a JWT for this client, good for some minutes (JARM §2.1)."""
    stated = {**params, "aud": address.client_id, "exp": epoch() + SECONDS}
    return {"response": provider.keys.sign(stated, alg=address.signed_with)}
