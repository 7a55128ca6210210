"""The plans of FAPI-CIBA: a program asks, and the test person answers the mail in a browser elsewhere."""

from typing import Any

import fapi
import pages
from plan import Plan

MODES = ("poll", "ping")
ACR = "urn:vpk:acr:password"
GRANT = "urn:openid:params:grant-type:ciba"


def plans(suite: str) -> tuple[Plan, ...]:
    """Each way of authentication with each way of hearing that the person has answered."""
    return tuple(_ciba(suite, way, mode) for way in fapi.WAYS for mode in MODES)


def _ciba(suite: str, way: str, mode: str) -> Plan:
    name = f"ciba-{way.replace('_', '-')}-{mode}"
    variant = {
        "client_auth_type": way,
        "fapi_ciba_profile": "plain_fapi",
        "ciba_mode": mode,
        "client_registration": "static_client",
    }
    told = {"backchannel_client_notification_endpoint": f"{_address(suite, name)}/ciba-notification-endpoint"}
    one, two = (_client(f"{name}-{number}", way, mode, told if mode == "ping" else {}) for number in "12")
    config = fapi.configuration(name, one, two)
    registered = (one["registered"], two["registered"])
    return Plan(name, "fapi-ciba-id1-test-plan", variant, config, registered, confirms=True)


def _client(client_id: str, way: str, mode: str, told: dict[str, Any]) -> dict[str, Any]:
    made = fapi.client(
        client_id,
        "fapi1_advanced",
        way,
        "mtls",
        redirect_uris=[],
        response_types=[],
        grant_types=[GRANT, "refresh_token"],
        backchannel_token_delivery_mode=mode,
        backchannel_authentication_request_signing_alg="ES256",
        **told,
    )
    made["suite"] |= {"hint_type": "login_hint", "hint_value": pages.EMAIL, "acr_value": ACR}
    return made


def _address(suite: str, name: str) -> str:
    return f"{suite.rstrip('/')}/test/a/{name}"
