"""Parameters are read strictly, or not at all (idp/parameters.py)."""

import pytest
from flask import Request
from werkzeug.test import EnvironBuilder

from idp.parameters import Malformed
from idp.parameters import read_form
from idp.parameters import read_query

FORM = "application/x-www-form-urlencoded"


def query(raw: str) -> Request:
    environ = EnvironBuilder("/x").get_environ()
    environ["QUERY_STRING"] = raw
    return Request(environ)


def posted(body: bytes, content_type: str = FORM, address: str = "/x") -> Request:
    return Request(EnvironBuilder(address, method="POST", data=body, content_type=content_type).get_environ())


def test_values_arrive_byte_by_byte() -> None:
    params = read_query(query("state=a%20b%22%3C%C3%A9%25%26%2B%0D%0A&nonce=a+b"))

    assert params.get("state") == 'a b"<é%&+\r\n'
    assert params.get("nonce") == "a b"


@pytest.mark.parametrize("raw", ["state=%ff", "state=%C3", "%ff=1", "state=%ED%A0%80", "&".join(["a=1"] * 101)])
def test_what_is_not_utf_8_or_without_end_is_refused(raw: str) -> None:
    """What was replaced on the way in could not be sent back as it came."""
    with pytest.raises(Malformed):
        read_query(query(raw))
    with pytest.raises(Malformed):
        read_form(posted(raw.encode()))


def test_a_form_and_nothing_else_is_read_from_a_post() -> None:
    """RFC 6749 §3.2; security row 2.26."""
    assert read_form(posted(b"a=1")).get("a") == "1"
    with pytest.raises(Malformed):
        read_form(posted(b'{"a": 1}', "application/json"))
    with pytest.raises(Malformed):
        read_form(posted(b"a=1", "text/plain"))
    with pytest.raises(Malformed):
        read_form(posted(b"a=1", FORM, "/x?b=2"))


def test_repetitions_are_named() -> None:
    params = read_query(query("a=1&a=1&b=&b=2&c=3&d=3&d[]=4&e[]=5"))

    assert params.repeated == {"a", "b", "d"}
    assert params.get("c") == "3"


def test_a_semicolon_separates_nothing() -> None:
    assert read_query(query("a=1;b=2")).as_dict() == {"a": "1;b=2"}
