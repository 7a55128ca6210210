"""Every place of the provider that takes something secret or signed, and one of each thing that might be put there.

Rows V11 and 2.23 put everything everywhere. Where clients cannot register themselves there are fewer of both.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs
from urllib.parse import urlsplit

import requests
from proofs import assertion
from proofs import sign
from target import ACCESS_TOKEN
from target import CALLBACK
from target import CIBA
from target import DEVICE
from target import STAFF_KEY
from target import WAIT
from target import Target
from target import answer

RETYPED = ("at+jwt", "logout+jwt", "token-introspection+jwt")
"""Types of what else is signed here; each with all that a living ID token says."""
TOKEN_TYPES = [f"urn:ietf:params:oauth:token-type:{name}" for name in ("access_token", "id_token", "jwt")]


@dataclass(frozen=True)
class Place:
    """Somewhere, what belongs there, and whether it does nothing for anything else."""

    own: frozenset[str]
    refuses: Callable[[str], bool]


def things(target: Target) -> dict[str, str]:
    """One of each thing that is worth something once or for a while, none of them used."""
    return {
        **_things_of_programs(target),
        **_things_of_people(target),
        **(_things_of_those_who_register(target) if target.lets_register else {}),
        "nothing": "x" * 43,
        "nobody": "",
    }


def _things_of_programs(target: Target) -> dict[str, str]:
    browser = target.signed_in()
    tokens, code = target.tokens(browser), target.code(browser)
    pushed = target.post("/par", "web", **target.request_of()).json()["request_uri"]
    device = target.post("/device_authorization", "device", scope="openid").json()
    asked = target.post("/bc-authorize", "telephone", scope="openid", login_hint=target.member()[0].email).json()
    whole = {"code": code, "access token": tokens["access_token"], "refresh token": tokens["refresh_token"]}
    return {
        **whole,
        **{f"{name}, shorter": thing[:-1] for name, thing in whole.items()},
        **{f"{name}, longer": f"{thing}A" for name, thing in whole.items()},
        "signed access token": target.tokens(browser, "signed")["access_token"],
        "ID token": tokens["id_token"],
        **dict(zip(RETYPED, target.retyped(tokens["id_token"], *RETYPED), strict=True)),
        "pushed request": pushed,
        "its handle": pushed.rpartition(":")[2],
        "device code": device["device_code"],
        "user code": device["user_code"],
        "confirmation asked": asked["auth_req_id"],
        "client assertion": assertion("keyed", aud=target.issuer)["client_assertion"],
        "client secret": target.secret("web"),
    }


def _things_of_people(target: Target) -> dict[str, str]:
    browser, visitor, person = target.signed_in(), target.browser(), target.person()
    page = visitor.identify(visitor.open("/enrol"), person)
    _, fields = page.form()
    page = visitor.answer(page, email=person.email, password=person.password, password2=person.password)
    posted = browser.post(f"{target.issuer}/authorize", data=target.request_of(), allow_redirects=False, timeout=WAIT)
    logout = browser.post(f"{target.issuer}/logout", data={"state": "x"}, allow_redirects=False, timeout=WAIT)
    return {
        "posted request": _handle(posted),
        "posted logout": _handle(logout),
        "mail code": target.live.code(person.email),
        "activation code": person.code,
        "CSRF token": fields["csrf_token"],
        "visit": page.url.split("/i/")[1].split("/")[0],
        "session": browser.cookies["idp_session"],
        "browser": visitor.cookies["idp_browser"],
    }


def _things_of_those_who_register(target: Target) -> dict[str, str]:
    managed = target.register({"redirect_uris": [CALLBACK], "client_name": "A client"}).json()
    return {
        "registration token": managed["registration_access_token"],
        "initial access token": target.initial_token(),
        "staff assertion": staff_assertion(target),
    }


def staff_assertion(target: Target) -> str:
    """The word of an issuer that is trusted to vouch for people."""
    return sign({}, json.dumps(target.vouched()).encode(), STAFF_KEY, "ES256")


def _handle(response: requests.Response) -> str:
    return parse_qs(urlsplit(response.headers["Location"]).query)["posted_request"][0]


def places(target: Target, given: dict[str, str]) -> dict[str, Place]:
    """All of them."""
    return {
        **_places_of_programs(target),
        **_places_of_people(target, given),
        **(_places_of_those_who_register(target) if target.lets_register else {}),
    }


def _places_of_programs(target: Target) -> dict[str, Place]:
    return {
        "token: code": _place(lambda thing: _refused(target.redeem(thing)), "code"),
        "token: refresh": _place(lambda thing: _refused(target.refresh(thing)), "refresh token"),
        "token: device": _place(lambda thing: _refused(_device(target, thing)), "device code"),
        "token: ciba": _place(lambda thing: _refused(_confirmed(target, thing)), "confirmation asked"),
        "token: subject": _place(lambda thing: _is_no_subject(target, thing), "access token"),
        "token: actor": _place(_is_no_actor_at(target), "access token"),
        "token: assertion": _place(lambda thing: _refused(_asserted(target, thing)), "client assertion"),
        "token: secret": _place(lambda thing: _refused(_with_secret(target, thing)), "client secret"),
        "userinfo": _place(
            lambda thing: target.userinfo(thing).status_code in {400, 401}, "access token", "signed access token"
        ),
    }


def _places_of_people(target: Target, given: dict[str, str]) -> dict[str, Place]:
    prefix = "urn:ietf:params:oauth:request_uri:"
    return {
        "authorize: pushed": _place(
            lambda thing: _no_code(_authorized(target, request_uri=thing)), "pushed request", "nobody"
        ),
        "authorize: its handle": _place(
            lambda thing: _no_code(_authorized(target, request_uri=prefix + thing)), "its handle"
        ),
        "authorize: handle": _place(
            lambda thing: _no_code(target.signed_in().look("/authorize", posted_request=thing)), "posted request"
        ),
        "authorize: hint": _place(
            lambda thing: _no_code(_authorized(target, id_token_hint=thing)), "ID token", "nobody"
        ),
        "authorize: object": _place(lambda thing: _no_code(_authorized(target, request=thing)), "nobody"),
        "logout: handle": _place(lambda thing: _is_asked(target, posted_request=thing), "posted logout"),
        "logout: hint": _place(lambda thing: _is_asked(target, id_token_hint=thing), "ID token"),
        "session cookie": _place(lambda thing: _signs_nobody_in(target, "idp_session", thing), "session"),
        "browser cookie": _place(
            lambda thing: _opens_no_visit(target, given["visit"], "idp_browser", thing), "browser"
        ),
        "visit": _place(
            lambda thing: _opens_no_visit(target, thing, "idp_browser", given["browser"]), "visit", "nobody"
        ),
    }


def _places_of_those_who_register(target: Target) -> dict[str, Place]:
    return {
        "token: vouched": _place(lambda thing: _refused(target.bring(thing)), "staff assertion"),
        "register": _place(lambda thing: _registers_not(target, thing), "initial access token"),
        "manage": _place(_manages_not(target)),  # not even that of another client
    }


def _place(refuses: Callable[[str], bool], *own: str) -> Place:
    return Place(frozenset(own), refuses)


def _refused(response: requests.Response) -> bool:
    return response.status_code in {400, 401} and "access_token" not in response.json()


def _device(target: Target, thing: str) -> requests.Response:
    return target.post("/token", "device", grant_type=DEVICE, device_code=thing)


def _confirmed(target: Target, thing: str) -> requests.Response:
    return target.post("/token", "telephone", grant_type=CIBA, auth_req_id=thing)


def _is_no_subject(target: Target, thing: str) -> bool:
    """RFC 8693 §2.1: whatever type is said of it."""
    return all(_refused(target.exchange(subject_token=thing, subject_token_type=each)) for each in TOKEN_TYPES)


def _is_no_actor_at(target: Target) -> Callable[[str], bool]:
    """Beside a subject that would do."""
    good = target.tokens(target.signed_in())["access_token"]
    subject = {"subject_token": good, "subject_token_type": ACCESS_TOKEN}
    return lambda thing: all(
        _refused(target.exchange(**subject, actor_token=thing, actor_token_type=each)) for each in TOKEN_TYPES
    )


def _asserted(target: Target, thing: str) -> requests.Response:
    proof = {**assertion("keyed"), "client_assertion": thing}
    return target.post("/token", **proof, grant_type="refresh_token", refresh_token="x")


def _with_secret(target: Target, thing: str) -> requests.Response:
    form = {"grant_type": "refresh_token", "refresh_token": "x"}
    return requests.post(f"{target.issuer}/token", data=form, auth=("web", thing), timeout=WAIT)


def _authorized(target: Target, **changes: str) -> requests.Response:
    return target.authorize(target.signed_in(), **changes)


def _no_code(response: requests.Response) -> bool:
    return response.status_code == 400 or "code" not in answer(response)


def _is_asked(target: Target, **query: str) -> bool:
    """The signed-in person is asked, or told of a mistake, and is not signed out without a word."""
    browser = target.signed_in()
    response = browser.look("/logout", **query)
    return response.status_code in {200, 400} and "code" in answer(target.authorize(browser, prompt="none"))


def _registers_not(target: Target, thing: str) -> bool:
    headers = {"Authorization": f"Bearer {thing}"} if thing else {}
    sent = {"redirect_uris": [CALLBACK]}
    answered = target.browser().post(f"{target.issuer}/register", json=sent, headers=headers, timeout=WAIT)
    return answered.status_code == 401


def _manages_not(target: Target) -> Callable[[str], bool]:
    """A client that registered itself stays closed to whoever has not got its token (RFC 7592 §2)."""
    uri = target.register({"redirect_uris": [CALLBACK], "client_name": "Managed"}).json()["registration_client_uri"]

    def refuses(thing: str) -> bool:
        headers = {"Authorization": f"Bearer {thing}"} if thing else {}
        return target.browser().get(uri, headers=headers, timeout=WAIT).status_code == 401

    return refuses


def _signs_nobody_in(target: Target, cookie: str, thing: str) -> bool:
    browser = target.browser()
    response = browser.get(
        f"{target.issuer}/authorize",
        params=target.request_of(prompt="none"),
        headers={"Cookie": f"{cookie}={thing}"},
        allow_redirects=False,
        timeout=WAIT,
    )
    return answer(response).get("error") == "login_required"


def _opens_no_visit(target: Target, visit: str, cookie: str, thing: str) -> bool:
    response: Any = target.browser().get(
        f"{target.issuer}/i/{visit}", headers={"Cookie": f"{cookie}={thing}"}, allow_redirects=False, timeout=WAIT
    )
    return response.status_code in {400, 404}
