"""The plans, in the order in which they matter, with their variants and configurations."""

from dataclasses import replace
from typing import Any

import ciba
import fapi
import pages
from plan import Plan

import static

DISCOVERY = f"{pages.OP}/.well-known/openid-configuration"
DYNAMIC = {"server_metadata": "discovery", "client_registration": "dynamic_client"}
RESPONSE_TYPES = ("code", "code token", "code id_token", "code id_token token", "id_token token", "id_token")


def _dynamic(name: str) -> dict[str, Any]:
    """Clients that register themselves."""
    return {
        "alias": f"op-{name}",
        "description": "vpk-idp",
        "server": {
            "discoveryUrl": DISCOVERY,
            "login_hint": pages.EMAIL,
            "ui_locales": "de",
            "jwks_refresh_delay": 5,
        },
        "client": {"client_name": "suite-client-one"},
        "client2": {"client_name": "suite-client-two"},
        "options": {"browsercontrol_css_enable": False},
        "browser": pages.BROWSER,
        "override": pages.OVERRIDE,
    }


def _openid(name: str, plan: str, variant: dict[str, str], **more: Any) -> Plan:
    return Plan(name, f"oidcc-{plan}-test-plan", variant, _dynamic(name), **more)


def _by_hand(plan: Plan) -> Plan:
    """The same with nothing for the suite's own browser to press: its addresses wait for a real one."""
    return replace(plan, config={**plan.config, "browser": [], "override": {}}, chromium=True)


def _with_code(name: str, plan: str, **more: Any) -> Plan:
    return _openid(name, plan, {"response_type": "code", "client_registration": "dynamic_client"}, **more)


OPENID: tuple[Plan, ...] = (
    _openid("config", "config-certification", {}),
    _openid("basic", "basic-certification", DYNAMIC),
    _openid("formpost-basic", "formpost-basic-certification", DYNAMIC),
    _openid("implicit", "implicit-certification", DYNAMIC),
    _openid("formpost-implicit", "formpost-implicit-certification", DYNAMIC),
    _openid("hybrid", "hybrid-certification", DYNAMIC),
    _openid("formpost-hybrid", "formpost-hybrid-certification", DYNAMIC),
    *(
        _openid(f"dynamic-{kind.replace(' ', '-')}", "dynamic-certification", {"response_type": kind})
        for kind in RESPONSE_TYPES
    ),
    _openid("3rdparty-init-login", "3rdparty-init-login-certification", {"response_type": "code"}),
    _with_code("rp-initiated-logout", "rp-initiated-logout-certification"),
    _with_code("backchannel-logout", "backchannel-rp-initiated-logout-certification"),
    _with_code("frontchannel-logout", "frontchannel-rp-initiated-logout-certification"),
    _by_hand(_with_code("session-management", "session-management-certification")),
)


def plans(suite: str) -> tuple[Plan, ...]:
    """Every plan; most but those of `OPENID` bring clients whose addresses name the suite."""
    return (*OPENID, *static.plans(suite), *fapi.plans(suite), *ciba.plans(suite))
