"""Resources: what access tokens are for, by the operator's policy (RFC 8707).

A token names its audience: the resources the client asked for, else those to which its scopes belong. Userinfo is one
of them, at its address.
"""

from .authorization import Authorization
from .claims import SCOPES
from .protected_resource import ProtectedResource
from .provider import provider


def userinfo() -> str:
    """Userinfo, as a resource."""
    return f"{provider.settings.issuer}/userinfo"


def scopes() -> tuple[str, ...]:
    """The scopes that resources add to those of OpenID Connect."""
    named = [scope for resource in provider.settings.resources for scope in resource.scopes]
    return tuple(scope for scope in dict.fromkeys(named) if scope not in SCOPES)


def words(scope: str, language: str) -> str:
    """What a scope of a resource allows, in the operator's words; its name where there are none."""
    described = (each.words[scope] for each in provider.settings.resources if scope in each.words)
    said = next(described, None)
    return scope if said is None else said.said_in(language)


def of(uri: str) -> ProtectedResource:
    """The policy for a resource; for one that nobody has described, none in particular."""
    known = (resource for resource in provider.settings.resources if resource.uri == uri)
    return next(known, ProtectedResource.model_construct(uri=uri))


def named(name: str) -> str:
    """The resource that is the client of this name, or has this address (RFC 8693 §2.1, `audience`)."""
    of_client = (each.uri for each in provider.settings.resources if each.introspection_client == name)
    return next(of_client, name)


def audience(authorization: Authorization) -> tuple[str, ...]:
    """Whom a token of this authorization is for (RFC 9068 §3); never nobody.

    Scopes of OpenID Connect lead to userinfo, also where a resource understands them: it must be asked for by name.
    """
    if authorization.resource:
        return authorization.resource
    own = {userinfo()} if "openid" in authorization.scope else set()
    of_resources = set(authorization.scope) - set(SCOPES)
    by_scope = {each.uri for each in provider.settings.resources if of_resources & set(each.scopes)}
    return tuple(sorted(own | by_scope)) or (provider.settings.issuer,)


def open_scopes(authorization: Authorization) -> tuple[str, ...]:
    """The scopes that mean something to the resources a client asked for; all where it named none, or one takes all."""
    policies = [of(uri) for uri in authorization.resource]
    if not policies or not all(policy.scopes for policy in policies):
        return authorization.scope
    meant = {scope for policy in policies for scope in policy.scopes}
    return tuple(scope for scope in authorization.scope if scope in meant)


def seconds(authorization: Authorization) -> int:
    """How long an access token lives: as long as the strictest of its resources lets it."""
    stated = [of(uri).seconds for uri in audience(authorization)]
    return min([each for each in stated if each is not None], default=provider.settings.access_token_seconds)


def token_format(authorization: Authorization, usual: str) -> str:
    """`jwt` where one of the resources wants to read it itself, `opaque` where one says so, else as usual."""
    stated = {of(uri).access_token_format for uri in audience(authorization)}
    return next((each for each in ("jwt", "opaque") if each in stated), usual)


def may_introspect(client_id: str, authorization: Authorization) -> bool:
    """Whether this client is one of the resources the token is for."""
    return any(of(uri).introspection_client == client_id for uri in audience(authorization))
