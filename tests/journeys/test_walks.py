"""The walks of the paper instruction, from the portal and back, in a real browser."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from live import Person
from playwright.sync_api import Page
from playwright.sync_api import expect
from walk import e164

sys.path.insert(0, str(Path(__file__).parent))

import steps
from house import House

Visit = Callable[..., Page]


def start(page: Page, house: House, path: str = "register") -> None:
    """From the portal («S'enregistrer», «Se connecter») to the provider; the choice page comes first."""
    page.goto(f"{house.portal}/")
    page.click(f"main a[href='/{path}']")
    expect(page.locator("h1")).to_have_text(re.compile("Veuillez choisir|Bitte wählen"))
    steps.choose_member(page)


def is_signed_in(page: Page, house: House, person: Person) -> None:
    """The portal's page «Ma rente», with this person's name."""
    expect(page).to_have_url(f"{house.portal}/pension")
    expect(page.locator("h1")).to_contain_text(person.last_name)
    expect(page.locator(".amount")).to_contain_text("CHF")


def leave(page: Page, house: House) -> None:
    """«Déconnexion» of the portal ends the session at the provider too, and comes back."""
    page.click("main form[action='/logout'] button")
    expect(page).to_have_url(re.compile(re.escape(house.portal)))
    expect(page.locator(".note.ok")).to_be_visible()
    page.goto(f"{house.portal}/pension")
    expect(page).to_have_url(re.compile(re.escape(house.live.issuer)))


def no_dead_control(page: Page) -> None:
    """What only a script can move is not there without one (pages.md A10)."""
    for control in page.locator("button[type=button], dialog, [data-copy], [data-print], [data-pw-toggle]").all():
        expect(control).to_be_hidden()
    expect(page.locator("noscript p")).to_be_visible()


@pytest.mark.parametrize(("language", "success"), [("fr", "Vous avez réussi."), ("de", "Geschafft.")])
def test_a_pensioner_enrols_by_sms_signs_out_and_in_again(
    each_house: House, visit: Visit, language: str, success: str
) -> None:
    house, person, page = each_house, each_house.person(language), visit(language)
    start(page, house)

    steps.enrol(page, house.live, person, "sms")
    expect(page.locator("h1")).to_have_text(success)
    steps.press_next(page)
    is_signed_in(page, house, person)

    leave(page, house)
    start(page, house, "login")
    steps.sign_in(page, house.live, person, person.ahv_number)
    is_signed_in(page, house, person)


@pytest.mark.parametrize("language", ["fr", "de"])
def test_a_pensioner_enrols_with_the_app_signs_out_and_in_again(each_house: House, visit: Visit, language: str) -> None:
    house, person, page = each_house, each_house.person(language), visit(language)
    start(page, house)

    steps.enrol(page, house.live, person, "totp")
    steps.press_next(page)
    is_signed_in(page, house, person)

    leave(page, house)
    start(page, house, "login")
    steps.sign_in(page, house.live, person, person.email)
    is_signed_in(page, house, person)


def test_a_forgotten_password_is_replaced_with_code_and_second_factor(each_house: House, visit: Visit) -> None:
    house, person, page = each_house, each_house.person(), visit()
    start(page, house)
    steps.enrol(page, house.live, person, "sms")
    other = visit()
    start(other, house, "login")

    other.click("text=J'ai oublié mon mot de passe")
    other.fill("#username", person.ahv_number)
    sent = len(house.live.messages(person.email))
    steps.press_next(other)
    other.fill("#code", house.live.code(person.email, after=sent))
    by_sms = len(house.live.messages(e164(person.phone)))
    steps.press_next(other)
    other.fill("#code", house.live.code(e164(person.phone), after=by_sms))
    steps.press_next(other)
    old, person.password = person.password, "Neue-Vier 4711 Gruppen"
    other.fill("#password", person.password)
    other.fill("#password2", person.password)
    steps.press_next(other)
    expect(other.locator(".note.ok").first).to_contain_text("Votre mot de passe a été modifié")

    other.fill("#username", person.email)
    other.fill("#password", old)
    steps.press_next(other)
    expect(other.locator(".error-summary")).to_be_visible()
    steps.sign_in(other, house.live, person, person.email)
    is_signed_in(other, house, person)
    assert house.live.messages(person.email)[0]["name"] == "pw_changed"


@pytest.mark.parametrize("factor", ["sms", "totp"])
def test_everything_works_without_scripts(house: House, visit: Visit, factor: str) -> None:
    person, page = house.person(), visit(scripts=False)
    start(page, house)

    no_dead_control(page)
    steps.identify(page, person)
    no_dead_control(page)
    steps.user_data(page, person)
    no_dead_control(page)
    steps.confirm_email(page, house.live, person)
    no_dead_control(page)
    if factor == "totp":
        steps.with_app(page, person, look=lambda: no_dead_control(page))
    else:
        steps.with_sms(page, house.live, person)
    steps.press_next(page)
    is_signed_in(page, house, person)

    leave(page, house)
    start(page, house, "login")
    no_dead_control(page)
    steps.sign_in(page, house.live, person, person.ahv_number)
    is_signed_in(page, house, person)


@pytest.mark.parametrize("scripts", [True, False])
def test_errors_are_where_the_eye_is(house: House, visit: Visit, scripts: bool) -> None:
    page = visit(scripts=scripts)
    page.goto(f"{house.live.issuer}/enrol")
    steps.choose_member(page)
    page.fill("#id", "756.1234.5678.9")
    page.fill("#dob", "31.02.1948")

    with page.expect_response(lambda answer: answer.request.method == "POST") as answer:
        steps.press_next(page)

    assert answer.value.status == 422
    expect(page.locator(".error-summary")).to_be_focused()
    links = page.locator(".error-summary a").all_text_contents()
    assert [text.strip() for text in links] == [
        "Le numéro d'assurance sociale compte 13 chiffres. Vous avez entré 12 chiffres.",
        "Cette date n'existe pas. Vérifiez le jour et le mois.",
        "Entrez votre code d'activation.",
        "Cochez la case pour accepter les conditions d'utilisation.",
    ]
    assert page.title().startswith("Erreur")
    assert page.input_value("#id") == "756.1234.5678.9"
    for name in ("id", "dob", "act", "terms"):
        page.click(f".error-summary a[href='#{name}']")
        expect(page.locator(f"#{name}")).to_be_focused()


@pytest.mark.parametrize("scripts", [True, False])
def test_passwords_and_codes_are_emptied_and_the_rest_is_kept(house: House, visit: Visit, scripts: bool) -> None:
    person, page = house.person(), visit(scripts=scripts)
    page.goto(f"{house.live.issuer}/enrol")
    steps.choose_member(page)
    page.fill("#id", person.ahv_number)
    page.fill("#dob", person.birth_date)
    page.fill("#act", person.code)
    steps.press_next(page)
    assert page.input_value("#act") == person.code  # long, and on paper
    assert not page.is_checked("#terms")
    steps.identify(page, person)

    page.fill("#email", person.email)
    page.fill("#password", person.password)
    page.fill("#password2", f"{person.password}x")
    steps.press_next(page)
    expect(page.locator(".error-summary")).to_be_focused()
    assert page.input_value("#email") == person.email
    assert page.input_value("#password") == page.input_value("#password2") == ""

    steps.user_data(page, person)
    right = house.live.code(person.email)
    page.fill("#code", "000000" if right != "000000" else "111111")
    steps.press_next(page)
    expect(page.locator(".error-summary")).to_be_focused()
    expect(page.locator("#code-err")).to_contain_text("Ce code n'est pas correct")
    assert page.input_value("#code") == ""


def test_back_reload_and_another_language_lose_nothing(house: House, visit: Visit) -> None:
    person, page = house.person(), visit()
    page.goto(f"{house.live.issuer}/enrol")
    steps.choose_member(page)
    steps.identify(page, person)
    steps.user_data(page, person)

    page.reload()
    expect(page.locator("h1")).to_have_text("Confirmer l'e-\u2060mail")
    page.click("text=Deutsch")
    expect(page.locator("h1")).to_have_text("E-\u2060Mail bestätigen")
    expect(page.locator("html")).to_have_attribute("lang", "de-CH")
    page.click("text=Français")
    expect(page.locator("h1")).to_have_text("Confirmer l'e-\u2060mail")
    page.click("main .actions a.btn:not(.quiet)")
    assert page.input_value("#email") == person.email
    page.go_back()
    steps.confirm_email(page, house.live, person)
    expect(page.locator("h1")).to_have_text("Sélection à deux facteurs")
    page.go_back()
    page.reload()
    expect(page.locator("h1")).to_have_text("Sélection à deux facteurs")


def test_cancelling_an_enrolment_forgets_it_and_keeps_the_letter(house: House, visit: Visit) -> None:
    person, page = house.person(), visit()
    start(page, house)
    steps.identify(page, person)
    steps.user_data(page, person)

    page.click("text=Annuler")
    expect(page.locator("h1")).to_have_text("Voulez-vous annuler l'enregistrement ?")
    page.click("text=Non, continuer l'enregistrement")
    expect(page.locator("h1")).to_have_text("Confirmer l'e-\u2060mail")
    page.click("text=Annuler")
    page.click("button.danger")
    expect(page.locator(".note")).to_contain_text("L'enregistrement a été annulé")

    page.click(".box a")
    steps.identify(page, person)
    assert page.input_value("#email") != person.email


def test_annuler_at_sign_in_tells_the_portal(house: House, visit: Visit) -> None:
    person, page = house.person(), visit()
    start(page, house)
    steps.enrol(page, house.live, person, "sms")
    steps.press_next(page)
    leave(page, house)
    start(page, house, "login")
    page.fill("#username", person.email)
    page.fill("#password", person.password)
    steps.press_next(page)

    page.click("main .actions button.quiet")

    expect(page).to_have_url(re.compile(re.escape(house.portal)))
    expect(page.locator("h1")).to_have_text("Vous avez annulé la connexion")
    page.click("main a.btn.primary")
    expect(page).to_have_url(re.compile(re.escape(house.live.issuer)))


def test_the_letters_qr_code_opens_step_one_and_leads_to_the_portal(house: House, visit: Visit) -> None:
    """A visit without a client: the browser must let its last form end at the default client."""
    person, page = house.person(), visit()

    page.goto(f"{house.live.issuer}/enrol?act={person.code.replace(' ', '')}")
    assert "act=" not in page.url
    assert page.input_value("#id") == ""
    assert page.input_value("#act").replace(" ", "") == person.code.replace(" ", "")
    steps.enrol(page, house.live, person, "sms")
    steps.press_next(page)

    expect(page.locator("body")).to_contain_text(person.last_name)
