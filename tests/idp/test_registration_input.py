"""Whatever a stranger sends to the registration endpoint, the answer is one of the specification, never a 500."""

import json
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from idp.client_metadata import ClientMetadata

NAMES = (*ClientMetadata.model_fields, "software_statement", "client_name#de", "client_name#", "client_id")
WORDS = (
    *("", "x", "\x00", "\ud800", "none", "RS256", "HS256", "RSA-OAEP", "code", "code id_token", "implicit", "openid"),
    *("https://a.example/", "http://[", "https://a.example:99999/", "https://a.example/#\ud800", "//", "https://é/"),
    *("private_key_jwt", "tls_client_auth", "pairwise", "ping", "native", "a.W10.c", "é.é.é", "a." + "A" * 3000 + ".x"),
)
KEYS = (
    *({}, {"kty": []}, {"kty": "RSA", "n": "", "e": ""}, {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}),
    *({"kty": "OKP", "crv": "Ed25519", "x": 5}, {"kty": "\ud800"}, {"kty": "oct", "k": ""}),
)
SCALARS = st.one_of(st.sampled_from(WORDS), st.text(max_size=20), st.integers(), st.floats(), st.booleans(), st.none())
VALUES = st.one_of(
    SCALARS,
    st.lists(SCALARS, max_size=4),
    st.dictionaries(st.sampled_from(("de", "fr", "\ud800", "keys")), SCALARS, max_size=3),
    st.builds(lambda keys: {"keys": keys}, st.lists(st.sampled_from(KEYS), max_size=3)),
)
METADATA = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=5)


@pytest.fixture
def strangers(apps: Any, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    app: Flask = apps("sqlite")
    parts = app.extensions["idp"]
    monkeypatch.setattr(parts, "settings", parts.settings.model_copy(update={"profile": "conformance"}))
    return app.test_client()


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=METADATA, is_sound=st.booleans())
def test_any_metadata_have_an_answer_of_the_specification(
    strangers: FlaskClient, said: dict[str, Any], is_sound: bool
) -> None:
    """RFC 7591 §3.2"""
    sent = {**said, "redirect_uris": ["https://rp.example/cb"]} if is_sound else said

    response = strangers.post("/register", data=json.dumps(sent), content_type="application/json")

    if response.status_code == 201:
        assert {"client_id", "registration_access_token", "scope"} <= response.json.keys()
        return
    assert response.status_code == 400
    assert response.json["error"] in {
        *("invalid_redirect_uri", "invalid_client_metadata"),
        *("invalid_software_statement", "unapproved_software_statement"),
    }
    description = response.json["error_description"]
    assert all(" " <= char <= "~" and char not in '"\\' for char in description)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace"))))
def test_any_body_has_an_answer_of_the_specification(strangers: FlaskClient, body: bytes) -> None:
    response = strangers.post("/register", data=body, content_type="application/json")

    assert response.status_code == 400
    assert response.json["error"] in {"invalid_client_metadata", "invalid_redirect_uri"}
