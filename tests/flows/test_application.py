"""What an application shows of itself on our pages: policy and terms always, its logo for the official suite only."""

import re
from typing import Any

import pytest
from flask import Flask
from oidc import Configure
from oidc import a_client
from oidc import request_of
from visitor import Page
from visitor import Visitor
from visitor import a_member

from idp.models import Client

LOGO = "https://pictures.example:8443/logo.png"
POLICY = "https://rp.example/policy?a=1&b=2"
TERMS = "https://rp.example/terms"
PAGES = ("sign_in", "consent")


def a_stranger(**values: Any) -> Client:
    return a_client("stranger", **{"first_party": False, "policy_uri": POLICY, "tos_uri": TERMS, **values})


def page_of(visitor: Visitor, client: Client, name: str) -> Page:
    page = visitor.open("/authorize", **request_of(client))
    if name == "consent":
        page = visitor.sign_in(a_member(), page)
    assert f"/{name}/" in page.url
    return page


def image_sources(page: Page) -> str:
    found = re.search(r"img-src ([^;]*);", page.response.headers["Content-Security-Policy"])
    assert found
    return found[1]


@pytest.fixture
def conformance(app: Flask, configure: Configure) -> None:
    configure(profile="conformance")


@pytest.mark.parametrize("name", PAGES)
def test_policy_and_terms_of_the_application_are_linked(visitor: Visitor, name: str) -> None:
    """OIDC Registration §2; protocol.md A.3.4 item 7."""
    page = page_of(visitor, a_stranger(), name)

    assert f'href="{POLICY.replace("&", "&amp;")}"' in page.response.text
    assert f'href="{TERMS}"' in page.response.text
    assert "Protection des données de stranger" in page.text


@pytest.mark.parametrize("name", PAGES)
def test_an_application_that_says_nothing_of_itself_has_no_links(visitor: Visitor, name: str) -> None:
    page = page_of(visitor, a_stranger(policy_uri=None, tos_uri=None), name)

    assert "client-policy" not in page.response.text
    assert "client-tos" not in page.response.text


@pytest.mark.parametrize("name", PAGES)
def test_no_picture_of_another_host_is_loaded(visitor: Visitor, name: str) -> None:
    """Decision 14: whoever serves it would see every visit."""
    page = page_of(visitor, a_stranger(logo_uri=LOGO), name)

    assert LOGO not in page.response.text
    assert image_sources(page) == "'self' data:"


@pytest.mark.parametrize("name", PAGES)
def test_the_official_suite_sees_the_logo(conformance: None, visitor: Visitor, name: str) -> None:
    page = page_of(visitor, a_stranger(logo_uri=LOGO), name)

    assert f'src="{LOGO}"' in page.response.text
    assert image_sources(page) == "'self' data: https://pictures.example:8443"


def test_other_pages_load_no_pictures_either(conformance: None, visitor: Visitor) -> None:
    a_stranger(logo_uri=LOGO)

    assert image_sources(visitor.open("/terms")) == "'self' data:"
