"""What the fields accept (pages.md 2.2), as tables and as properties."""

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict
from wtforms import Form

from flows.fields import ActivationCodeField
from flows.fields import BirthDateField
from flows.fields import CodeField
from flows.fields import EmailField
from flows.fields import IdentifierField
from flows.fields import MobileNumberField
from idp.texts import Text
from pensioners import activation_code


class Everything(Form):
    """One of each."""

    identifier = IdentifierField(empty="e1.err.user_empty")
    dob = BirthDateField()
    act = ActivationCodeField()
    code = CodeField()
    email = EmailField()
    phone = MobileNumberField()


@pytest.fixture
def app(apps: object) -> Flask:
    """Fields read the settings; the database does not matter to them."""
    app = apps("sqlite")  # type: ignore[operator]
    with app.app_context():
        yield app


def read(name: str, text: str) -> tuple[object, list[Text]]:
    form = Everything(MultiDict({name: text}))
    field = form[name]
    field.validate(form)
    return field.meant, list(field.errors)


@pytest.mark.parametrize(
    "typed",
    [
        "756.9217.0769.85",
        "7569217076985",
        "756 9217 0769 85",
        "756-9217-0769-85",
        "756\u00a09217\u202f0769\u200b85",
        " 756.9217.0769.85 ",
        "７５６.９２１７.０７６９.８５",
        "756–9217–0769–85",
        "756/9217/0769/85",
        "756'9217'0769'85",
    ],
)
def test_every_spelling_of_an_ahv_number_is_understood(app: Flask, typed: str) -> None:
    assert read("identifier", typed) == (("ahv", "7569217076985"), [])


@pytest.mark.parametrize(
    ("typed", "key", "params"),
    [
        ("", "e1.err.user_empty", {}),
        ("  \u00a0", "e1.err.user_empty", {}),
        ("756.9217.0769.84", "ahv.err.check", {}),
        ("756.9217.0769.8", "ahv.err.length", {"n": 12}),
        ("757.9217.0769.85", "ahv.err.prefix", {}),
        ("Muster", "signin.err.user_format", {}),
        ("a@b", "signin.err.user_format", {}),
        ("a b@example.ch", "signin.err.user_format", {}),
    ],
)
def test_a_wrong_user_name_is_told_what_is_wrong(app: Flask, typed: str, key: str, params: dict[str, int]) -> None:
    _, errors = read("identifier", typed)

    assert errors == [Text(key, params)]


def test_an_e_mail_address_is_a_user_name_too(app: Flask) -> None:
    kind_and_address, errors = read("identifier", " Anna.Muster@Example.CH ")

    assert not errors
    assert kind_and_address[0] == "email"  # type: ignore[index]
    assert kind_and_address[1].lower() == "anna.muster@example.ch"  # type: ignore[index]


@pytest.mark.parametrize(
    "typed",
    [
        "27.03.1948",
        "27.3.1948",
        "27/3/48",
        "27 03 1948",
        "27-03-1948",
        "27031948",
        "270348",
        "1948-03-27",
        "27 mars 1948",
        "27. März 1948",
        "27 marzo 1948",
        "27 Mar 1948",
        "27 March 1948",
        " 27.03.1948\u00a0",
        "２７.０３.１９４８",
    ],
)
def test_every_spelling_of_a_birth_date_is_understood(app: Flask, typed: str) -> None:
    meant, errors = read("dob", typed)

    assert not errors
    assert meant.isoformat() == "1948-03-27"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        ("", "dob.err.empty"),
        ("31.02.1948", "dob.err.real"),
        ("03.27.1948", "dob.err.real"),
        ("27.03", "dob.err.format"),
        ("demain", "dob.err.format"),
        ("27.03.2148", "dob.err.future"),
    ],
)
def test_a_wrong_birth_date_is_told_what_is_wrong(app: Flask, typed: str, key: str) -> None:
    _, errors = read("dob", typed)

    assert [error.key for error in errors] == [key]


@pytest.mark.parametrize(
    "typed",
    ["447683", "447 683", "447-683", "４４７６８３", "Votre code: 447683 Cordialement", "44 76 83", " 447683\n"],
)
def test_every_spelling_of_a_code_is_understood(app: Flask, typed: str) -> None:
    assert read("code", typed) == ("447683", [])


def test_the_whole_sms_may_be_pasted(app: Flask) -> None:
    sms = "Votre code:\n447683\nCordialement,\nCaisse de pension Valora\n\n@login.fund.ch #447683"

    assert read("code", sms) == ("447683", [])


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("", Text("code.err.empty", {})),
        ("44768", Text("code.err.digits", {"n": 5})),
        ("4476833", Text("code.err.digits", {"n": 7})),
        ("abc", Text("code.err.digits", {"n": 0})),
        ("447683 ou 118822", Text("code.err.digits", {"n": 12})),
    ],
)
def test_a_wrong_code_is_told_what_is_wrong(app: Flask, typed: str, expected: Text) -> None:
    _, errors = read("code", typed)

    assert errors == [expected]


@pytest.mark.parametrize(
    "typed",
    [
        "079 123 45 67",
        "+41 79 123 45 67",
        "0041791234567",
        "+41 (0)79 123 45 67",
        "79/123.45.67",
        "79 123 45 67",
        "079-123-45-67",
    ],
)
def test_every_spelling_of_a_swiss_mobile_number_is_understood(app: Flask, typed: str) -> None:
    assert read("phone", typed) == ("+41791234567", [])


def test_a_foreign_mobile_number_is_understood(app: Flask) -> None:
    assert read("phone", "+33 6 12 34 56 78") == ("+33612345678", [])


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        ("", "phone.err.empty"),
        ("061 265 12 34", "phone.err.landline"),
        ("079 123", "phone.err.format"),
        ("abc", "phone.err.format"),
        ("+44 7400 123456", "phone.err.country"),
        ("+44 7700 900123", "phone.err.country"),
    ],
)
def test_a_wrong_mobile_number_is_told_what_is_wrong(app: Flask, typed: str, key: str) -> None:
    _, errors = read("phone", typed)

    assert [error.key for error in errors] == [key]


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        ("", "email.err.empty"),
        ("anna", "email.err.format"),
        ("anna@", "email.err.format"),
        ("a b@c.ch", "email.err.format"),
    ],
)
def test_a_wrong_e_mail_address_is_told_what_is_wrong(app: Flask, typed: str, key: str) -> None:
    _, errors = read("email", typed)

    assert [error.key for error in errors] == [key]


def test_an_activation_code_is_read_in_any_case_and_grouping(app: Flask) -> None:
    code = activation_code.new()
    shown = activation_code.show(code)

    for typed in (shown, shown.lower(), shown.replace(" ", "-"), code, f" {code} "):
        assert read("act", typed) == (code, [])


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["identifier", "dob", "act", "code", "email", "phone"]), st.text(max_size=60))
def test_no_input_makes_a_field_fail(apps_sqlite: Flask, name: str, typed: str) -> None:
    with apps_sqlite.app_context():
        meant, errors = read(name, typed)

    assert bool(errors) != (meant is not None)


@pytest.fixture(scope="module")
def apps_sqlite(apps: object) -> Flask:
    """The application, for tests with many examples."""
    return apps("sqlite")  # type: ignore[operator]
