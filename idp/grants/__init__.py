"""The grants: how a client obtains tokens. A grant is one file, its test, and a word in this list."""

from .authorization_code import AuthorizationCodeGrant
from .ciba import CibaGrant
from .client_credentials import ClientCredentialsGrant
from .device_code import DeviceCodeGrant
from .jwt_bearer import JwtBearerGrant
from .refresh_token import RefreshTokenGrant
from .token_exchange import TokenExchangeGrant

GRANTS = (
    *(AuthorizationCodeGrant, RefreshTokenGrant, ClientCredentialsGrant, DeviceCodeGrant, CibaGrant),
    *(TokenExchangeGrant, JwtBearerGrant),
)
