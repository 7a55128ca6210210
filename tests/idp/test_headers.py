"""Security headers on every kind of answer (decision 14, ASVS V3.4)."""

import pytest
from flask import Flask
from oidc import CALLBACK
from oidc import a_client
from oidc import request_of
from visitor import Visitor

EVERYWHERE = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}
ANSWERS = [
    ("GET", "/signin"),
    ("GET", "/nothing"),
    ("DELETE", "/token"),
    ("POST", "/token"),
    ("GET", "/userinfo"),
    ("GET", "/authorize"),
    ("GET", "/authorize?client_id=portal&redirect_uri=https://rp.example/cb&response_type=foo"),
    ("GET", "/jwks"),
    ("GET", "/.well-known/openid-configuration"),
    ("GET", "/static/app.css"),
    ("GET", "/terms"),
    ("GET", "/health/ready"),
    ("GET", "/i/nothing"),
    ("GET", "/"),
]


@pytest.mark.parametrize(("method", "path"), ANSWERS)
def test_every_answer_carries_them(app: Flask, method: str, path: str) -> None:
    a_client()
    response = Visitor(app).browser.open(path, method=method)

    for name, value in EVERYWHERE.items():
        assert response.headers[name] == value, name
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "*" not in policy
    assert "Cache-Control" in response.headers


@pytest.mark.parametrize(
    ("path", "policy"),
    [("/authorize", None), ("/i/nothing", None), ("/logout", None), ("/signed-out", None), ("/terms", "same-origin")],
)
def test_a_window_that_an_application_opened_stays_in_its_sight(app: Flask, path: str, policy: str | None) -> None:
    """OIDC Core §3.1.2.1, `display=popup`: cut off by a policy of ours it would look closed from the beginning."""
    assert Visitor(app).open(path).response.headers.get("Cross-Origin-Opener-Policy") == policy


def test_pages_are_kept_by_nobody(app: Flask) -> None:
    assert Visitor(app).open("/signin").response.headers["Cache-Control"] == "no-store"


def test_a_form_may_go_to_the_client_being_answered_and_to_us_only(app: Flask) -> None:
    visitor = Visitor(app)
    page = visitor.open("/authorize", **request_of(a_client(), redirect_uri=CALLBACK))

    assert "form-action 'self' https://rp.example;" in page.response.headers["Content-Security-Policy"]
    own = visitor.open("/signin").response.headers["Content-Security-Policy"]
    assert "form-action 'self' https://www.valora-pensionskasse.com;" in own  # without a default client it ends there
    assert "form-action 'self';" in visitor.open("/terms").response.headers["Content-Security-Policy"]


def test_no_page_has_script_or_style_of_its_own(app: Flask) -> None:
    import re

    visitor = Visitor(app)
    for path in ("/signin", "/enrol", "/password/forgot", "/terms", "/nothing"):
        text = visitor.open(path).response.text
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=", text), path
