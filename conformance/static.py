"""The plans of OpenID Connect once more, with clients that an operator registers instead of the suite itself."""

import secrets
from typing import Any

import pages
from plan import Plan

DISCOVERY = f"{pages.OP}/.well-known/openid-configuration"
VARIANT = {"server_metadata": "discovery", "client_registration": "static_client"}
HYBRID = ("code id_token", "code token", "code id_token token")
IMPLICIT = ("id_token", "id_token token")
KINDS: dict[str, tuple[str, ...]] = {
    "basic": ("code",),
    "formpost-basic": ("code",),
    "implicit": IMPLICIT,
    "formpost-implicit": IMPLICIT,
    "hybrid": HYBRID,
    "formpost-hybrid": HYBRID,
}
"""Each plan, and the response types its clients have."""
HELD = {"client": "client_secret_basic", "client2": "client_secret_basic", "client_secret_post": "client_secret_post"}
"""What the suite calls its clients, and how each proves itself."""


def plans(suite: str) -> tuple[Plan, ...]:
    """One plan for each kind."""
    return tuple(_plan(suite, kind, response_types) for kind, response_types in KINDS.items())


def _plan(suite: str, kind: str, response_types: tuple[str, ...]) -> Plan:
    name = f"{kind}-static"
    given = {held: secrets.token_hex(24) for held in HELD}
    config = {
        "alias": name,
        "description": "vpk-idp",
        "server": {"discoveryUrl": DISCOVERY, "login_hint": pages.EMAIL, "ui_locales": "de"},
        **{held: {"client_id": f"{name}-{held}", "client_secret": secret} for held, secret in given.items()},
        "options": {"browsercontrol_css_enable": False},
        "browser": pages.BROWSER,
        "override": pages.OVERRIDE,
    }
    return Plan(
        name,
        f"oidcc-{kind}-certification-test-plan",
        VARIANT,
        config,
        clients=tuple(_client(suite, name, held, response_types) for held in HELD),
        secrets={_variable(name, held): secret for held, secret in given.items()},
    )


def _client(suite: str, name: str, held: str, response_types: tuple[str, ...]) -> dict[str, Any]:
    """As an operator describes it; its secret comes from the environment."""
    has_code = any("code" in each.split() for each in response_types)
    is_implicit = response_types != ("code",)
    return {
        "client_id": f"{name}-{held}",
        "client_name": f"{name} {held}",
        "token_endpoint_auth_method": HELD[held],
        "secret_env": _variable(name, held),
        "redirect_uris": [f"{suite.rstrip('/')}/test/a/{name}/callback"],
        "response_types": list(response_types),
        "grant_types": [
            *(["authorization_code", "refresh_token"] if has_code else []),
            *(["implicit"] if is_implicit else []),
        ],
        "scope": ["openid", "profile", "email", "address", "phone", *(["offline_access"] if has_code else [])],
        "require_pkce": False,
    }


def _variable(name: str, held: str) -> str:
    return f"SECRET_{name}_{held}".replace("-", "_").upper()
