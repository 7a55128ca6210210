"""Client-initiated backchannel authentication: tokens for a program whose person has confirmed elsewhere (CIBA §10)."""

from ..decoupled_grant import DecoupledGrant


class CibaGrant(DecoupledGrant):
    """Answers `authorization_pending` until the person has decided; poll and ping fetch alike."""

    GRANT_TYPE = "urn:openid:params:grant-type:ciba"
    PARAMETER = "auth_req_id"
