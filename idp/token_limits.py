"""Token limits: what a request makes of its access token, within what was granted (RFC 8707 §2.2, RFC 9396 §6)."""

from dataclasses import replace

from authlib.oauth2.rfc6749 import InvalidScopeError

from . import authorization_details as details
from . import request_rules
from . import resources
from .authorization import Authorization
from .models import Client
from .parameters import Parameters


def limited(
    authorization: Authorization, params: Parameters, client: Client, *, targets: tuple[str, ...] | None = None
) -> Authorization:
    """The same, for the resources and details the client names now; fewer are possible, more are not.

    `targets` are the resources where they are not named by the parameter of that name alone (RFC 8693 §2.1).
    """
    asked = params.get_all("resource") if targets is None else targets
    return replace(
        authorization,
        resource=_resource(authorization, asked, client),
        authorization_details=_details(authorization, params, client),
    )


def passed_on(scope: tuple[str, ...], client: Client) -> tuple[str, ...]:
    """Of what somebody else opens, what the client may have; acting without the person is not passed on."""
    return tuple(each for each in scope if request_rules.may_have(client, each) and each != "offline_access")


def scope(asked: str | None, allowed: tuple[str, ...]) -> tuple[str, ...]:
    """The scopes asked for, or all that are open; never another (RFC 6749 §3.3)."""
    if asked is None:
        return allowed
    wanted = set(asked.split())
    if not wanted <= set(allowed):
        raise InvalidScopeError("The scope is not open to the client.")
    return tuple(each for each in allowed if each in wanted)


def _resource(authorization: Authorization, asked: tuple[str, ...], client: Client) -> tuple[str, ...]:
    """Of the resources granted, or of the client's own where none was named; userinfo goes with `openid`.

    What was taken from the client since is not granted any more; a token for nothing would be one for anything.
    """
    of_openid = {resources.userinfo()} if "openid" in authorization.scope else set()
    granted = tuple(each for each in authorization.resource if each in {*client.resources, *of_openid})
    if authorization.resource and not granted:
        raise request_rules.InvalidTarget()
    if not set(asked) <= {*(granted or client.resources), *of_openid}:
        raise request_rules.InvalidTarget()
    return asked or granted


def _details(authorization: Authorization, params: Parameters, client: Client) -> tuple[dict[str, object], ...]:
    granted = tuple(
        dict(each)
        for each in authorization.authorization_details
        if each.get("type") in client.authorization_details_types
    )
    asked = details.read(params, client)
    if any(each not in granted for each in asked):
        raise details.InvalidAuthorizationDetails()
    # Of those granted, in their spelling: here 1 is true and 1.0, for a resource it may not be.
    return tuple(each for each in granted if each in asked) or granted
