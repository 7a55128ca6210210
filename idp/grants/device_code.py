"""The device code: tokens for a device whose person has allowed it elsewhere (RFC 8628 §3.4)."""

from ..decoupled_grant import DecoupledGrant


class DeviceCodeGrant(DecoupledGrant):
    """Answers `authorization_pending` until the person has decided."""

    GRANT_TYPE = "urn:ietf:params:oauth:grant-type:device_code"
    PARAMETER = "device_code"
