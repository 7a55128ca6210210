"""How the suite's own browser presses our pages (its configuration's `browser` and `override`)."""

import os
from typing import Any

PORT = int(os.environ.get("CONFORMANCE_PORT", "9443"))
"""The first of four ports: pages, clients' certificates, mail, the provider behind nginx."""
OP = f"https://op.test:{PORT}"
CERTIFICATES = f"https://op.test:{PORT + 1}"
EMAIL, PASSWORD = "alice@op.test", "correct-Horse-7-battery"
"""The test person of `idp conformance account`."""
REFUSED = f"{OP}/device/refused"
PRIMARY = "//main//button[contains(@class,'primary')]"
WRONG_REQUEST = "This sign-in request is not correct"

Command = list[Any]
Task = dict[str, Any]


def seen(text: str, *, optional: bool = False) -> Command:
    """The page says this; it stands for the picture a person would upload."""
    return ["wait", "xpath", "//*", 10, text, f"update-image-placeholder{'-optional' if optional else ''}"]


def sign_in(*before: Command) -> Task:
    """Password, and the only button."""
    keys = [["text", "name", "username", EMAIL], ["text", "name", "password", PASSWORD], ["click", "xpath", PRIMARY]]
    return {"task": "Sign in", "optional": True, "match": f"{OP}/i/*/sign_in/*", "commands": [*before, *keys]}


def consent(*before: Command) -> Task:
    """Yes."""
    page = f"{OP}/i/*/consent/*"
    return {"task": "Consent", "optional": True, "match": page, "commands": [*before, ["click", "xpath", PRIMARY]]}


BACK: Task = {
    "task": "Back at the suite",
    "match": "*/test/*/callback*",
    "commands": [["wait", "id", "submission_complete", 10]],
}
LOGOUT = {
    "match": f"{OP}/logout*",
    "tasks": [
        {
            "task": "Confirm",
            "optional": True,
            "match": f"{OP}/logout*",
            "commands": [["click", "xpath", PRIMARY, "optional"]],
        },
        {
            "task": "Leave",
            "optional": True,
            "match": f"{OP}/sign*",
            "commands": [["wait", "contains", "post_logout_redirect", 15]],
        },
        {"task": "Back at the suite", "match": "*/test/*/post_logout_redirect*"},
    ],
}


def authorize(*tasks: Task) -> dict[str, Any]:
    """What happens at the authorization endpoint."""
    return {"match": f"{OP}/authorize*", "tasks": list(tasks)}


BROWSER = [authorize(sign_in(), consent(), BACK), LOGOUT]


def _stays(match: str, text: str) -> dict[str, Any]:
    return {"match": match, "tasks": [{"task": "A page of ours", "match": f"{OP}/*", "commands": [seen(text)]}]}


def _asked_again() -> dict[str, Any]:
    return {"browser": [authorize(sign_in(seen("Sign in", optional=True)), consent(), BACK)]}


def _refused() -> dict[str, Any]:
    return {"browser": [_stays(f"{OP}/authorize*", WRONG_REQUEST)]}


def _shows(css: str) -> dict[str, Any]:
    """The application is described where the person decides about it."""
    picture = ["wait", "css", css, 10, ".*", "update-image-placeholder"]
    return {
        "browser": [authorize(sign_in(), {"task": "Consent", "match": f"{OP}/i/*/consent/*", "commands": [picture]})]
    }


def _stays_signed_out(text: str) -> dict[str, Any]:
    return {"browser": [authorize(sign_in(), consent(), BACK), _stays(f"{OP}/logout*", text)]}


def _once() -> list[dict[str, Any]]:
    """One whole sign-in; what comes afterwards is another entry's."""
    return [{**authorize(sign_in(), consent(), BACK), "match-limit": 1}]


def _declines() -> dict[str, Any]:
    press = ["click", "xpath", "//main//button[contains(@formaction,'/cancel')]"]
    refusal = {"task": "Refuse", "match": f"{OP}/i/*/consent/*", "commands": [press]}
    return {"browser": [authorize(sign_in(), refusal, BACK)]}


def _looks_first() -> dict[str, Any]:
    look = {"task": "Look only", "match": f"{OP}/i/*/sign_in/*", "commands": []}
    return {"browser": [{**authorize(look), "match-limit": 1}, *BROWSER]}


ASKS, DONE = "Do you want to sign out", "You are signed out"
_LOGOUT = "oidcc-rp-initiated-logout"

OVERRIDE: dict[str, dict[str, Any]] = {
    "oidcc-prompt-login": _asked_again(),
    "oidcc-max-age-1": _asked_again(),
    "oidcc-ensure-registered-redirect-uri": _refused(),
    "oidcc-ensure-redirect-uri-in-authorization-request": _refused(),
    "oidcc-redirect-uri-query-added": _refused(),
    "oidcc-redirect-uri-query-mismatch": _refused(),
    "oidcc-registration-logo-uri": _shows("img#client-logo"),
    "oidcc-registration-policy-uri": _shows("a#client-policy"),
    "oidcc-registration-tos-uri": _shows("a#client-tos"),
    f"{_LOGOUT}-bad-post-logout-redirect-uri": _stays_signed_out(f"({ASKS}|{DONE}|not correct)"),
    f"{_LOGOUT}-query-added-to-post-logout-redirect-uri": _stays_signed_out(f"({ASKS}|{DONE}|not correct)"),
    f"{_LOGOUT}-modified-id-token-hint": _stays_signed_out(f"({ASKS}|{DONE}|not correct)"),
    f"{_LOGOUT}-bad-id-token-hint": _stays_signed_out(f"({ASKS}|{DONE}|not correct)"),
    f"{_LOGOUT}-no-id-token-hint": _stays_signed_out(f"({ASKS}|{DONE}|not correct)"),
    f"{_LOGOUT}-no-params": _stays_signed_out(f"({ASKS}|{DONE})"),
    f"{_LOGOUT}-no-post-logout-redirect-uri": _stays_signed_out(f"({ASKS}|{DONE})"),
    f"{_LOGOUT}-only-state": _stays_signed_out(f"({ASKS}|{DONE})"),
    **{
        f"{kind}-final-{name}": pressed
        for kind in ("fapi2-security-profile", "fapi2-message-signing")
        for name, pressed in {
            "user-rejects-authentication": _declines(),
            "par-ensure-reused-request-uri-prior-to-auth-completion-succeeds": _looks_first(),
            "par-attempt-reuse-request_uri": {"browser": [*_once(), _stays(f"{OP}/authorize*", WRONG_REQUEST)]},
            "par-attempt-to-use-expired-request_uri": _refused(),
            "par-attempt-to-use-request_uri-for-different-client": _refused(),
        }.items()
    },
    **{
        f"fapi1-advanced-final-{name}": pressed
        for name, pressed in {
            "user-rejects-authentication": _declines(),
            "ensure-registered-redirect-uri": _refused(),
            "ensure-request-object-without-redirect-uri-fails": _refused(),
            "ensure-redirect-uri-in-authorization-request": _refused(),
            "par-ensure-reused-request-uri-prior-to-auth-completion-succeeds": _looks_first(),
            "par-attempt-reuse-request_uri": {"browser": [*_once(), _stays(f"{OP}/authorize*", WRONG_REQUEST)]},
            "par-attempt-to-use-expired-request_uri": _refused(),
            "par-attempt-to-use-request_uri-for-different-client": _refused(),
        }.items()
    },
}
"""Modules that end on a page of ours; an override replaces the whole browser section."""
