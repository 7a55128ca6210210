"""Client secrets: kept as fingerprints, and sealed only where a MAC is to be checked with them."""

import pytest
from flask import Flask
from oidc import a_client

from idp import client_secrets
from idp.models import Client
from keys import WrongKey


def a_client_with(method: str, client_id: str = "portal") -> Client:
    return a_client(client_id, token_endpoint_auth_method=method, secret_hashes=[])


@pytest.mark.parametrize(
    ("method", "is_needed"),
    [
        ("client_secret_basic", True),
        ("client_secret_post", True),
        ("client_secret_jwt", True),
        ("private_key_jwt", False),
        ("tls_client_auth", False),
        ("none", False),
    ],
)
def test_a_secret_is_needed_by_the_methods_that_use_one(app: Flask, method: str, is_needed: bool) -> None:
    assert client_secrets.is_needed(a_client_with(method)) == is_needed


def test_a_fingerprint_is_no_secret_for_a_mac(app: Flask) -> None:
    client = a_client(token_endpoint_auth_method="client_secret_jwt")

    assert client.secret_hashes
    assert client_secrets.is_needed(client)


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_the_secret_itself_is_not_kept_without_need(app: Flask, method: str) -> None:
    client = a_client_with(method)

    client_secrets.add(client, "a" * 43)

    assert client.secret_sealed is None
    assert client_secrets.living(client) == ()
    assert client_secrets.is_right(client, "a" * 43)


def test_the_secret_of_client_secret_jwt_can_be_opened_again(app: Flask) -> None:
    client = a_client_with("client_secret_jwt")

    client_secrets.add(client, "a" * 43)

    assert client.secret_sealed is not None
    assert b"a" * 43 not in client.secret_sealed
    assert client_secrets.living(client) == ("a" * 43,)


def test_a_sealed_secret_does_not_open_on_another_row(app: Flask) -> None:
    one, other = a_client_with("client_secret_jwt", "one"), a_client_with("client_secret_jwt", "other")
    client_secrets.add(one, "a" * 43)

    other.secret_sealed = one.secret_sealed

    with pytest.raises(WrongKey):
        client_secrets.living(other)


def test_two_sealed_secrets_live_during_a_rotation_and_never_three(app: Flask) -> None:
    client = a_client_with("client_secret_jwt")
    for secret in "abc":
        client_secrets.add(client, secret * 43, keep_old=True)

    assert client_secrets.living(client) == ("c" * 43, "b" * 43)
    assert not client_secrets.is_right(client, "a" * 43)

    client_secrets.end_old(client)

    assert client_secrets.living(client) == ("c" * 43,)
    assert not client_secrets.is_right(client, "b" * 43)


def test_nothing_stays_of_a_secret_that_the_method_has_no_use_for(app: Flask) -> None:
    client = a_client_with("client_secret_jwt")
    client_secrets.add(client, "a" * 43)

    client.token_endpoint_auth_method = "client_secret_post"
    client_secrets.keep_as_needed(client)
    assert client.secret_sealed is None
    assert client_secrets.is_right(client, "a" * 43)

    client.token_endpoint_auth_method = "none"
    client_secrets.keep_as_needed(client)
    assert client.secret_hashes == []
