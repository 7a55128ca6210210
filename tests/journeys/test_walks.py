"""The walks of the paper instruction, from the portal and back, in a real browser."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page
from playwright.sync_api import expect
from walk import e164

sys.path.insert(0, str(Path(__file__).parent))

import steps
from conftest import House

Visit = Callable[..., Page]


def start(page: Page, house: House, path: str = "register") -> None:
    """From the portal to the provider; the choice page comes first."""
    page.goto(f"{house.portal}/?lang={page.evaluate('navigator.language')[:2]}")
    page.goto(f"{house.portal}/{path}")
    steps.choose_member(page)


def leave(page: Page, house: House) -> None:
    """«Déconnexion» of the portal ends the session at the provider too."""
    page.goto(f"{house.portal}/logout")
    for _ in range(2):
        button = page.locator("main form button[type=submit]")
        if button.count():
            button.first.click()
    expect(page).to_have_url(re.compile(re.escape(house.portal)))


@pytest.mark.parametrize(("language", "success"), [("fr", "Vous avez réussi."), ("de", "Geschafft.")])
def test_a_pensioner_enrols_by_sms_signs_out_and_in_again(
    each_house: House, visit: Visit, language: str, success: str
) -> None:
    house, person, page = each_house, each_house.person(language), visit(language)
    start(page, house)

    steps.enrol(page, house.live, person, "sms")
    expect(page.locator("h1")).to_have_text(success)
    steps.press_next(page)
    expect(page).to_have_url(re.compile(re.escape(house.portal)))
    expect(page.locator("body")).to_contain_text(person.last_name)

    leave(page, house)
    start(page, house, "login")
    steps.sign_in(page, house.live, person, person.ahv_number)
    expect(page.locator("body")).to_contain_text(person.last_name)


@pytest.mark.parametrize("language", ["fr", "de"])
def test_a_pensioner_enrols_with_the_app_signs_out_and_in_again(each_house: House, visit: Visit, language: str) -> None:
    house, person, page = each_house, each_house.person(language), visit(language)
    start(page, house)

    steps.enrol(page, house.live, person, "totp")
    steps.press_next(page)
    expect(page.locator("body")).to_contain_text(person.last_name)

    leave(page, house)
    start(page, house, "login")
    steps.sign_in(page, house.live, person, person.email)
    expect(page.locator("body")).to_contain_text(person.last_name)


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
    expect(other.locator("body")).to_contain_text(person.last_name)
    assert house.live.messages(person.email)[0]["name"] == "pw_changed"


def test_everything_works_without_scripts(house: House, visit: Visit) -> None:
    person, page = house.person(), visit(scripts=False)
    page.goto(f"{house.portal}/register")
    steps.choose_member(page)

    steps.identify(page, person)
    expect(page.locator("[data-pw-toggle]").first).to_be_hidden()
    steps.user_data(page, person)
    steps.confirm_email(page, house.live, person)
    steps.with_sms(page, house.live, person)
    steps.press_next(page)
    expect(page.locator("body")).to_contain_text(person.last_name)

    leave(page, house)
    page.goto(f"{house.portal}/login")
    steps.choose_member(page)
    steps.sign_in(page, house.live, person, person.email)
    expect(page.locator("body")).to_contain_text(person.last_name)


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
    page.click(".error-summary a[href='#dob']")
    expect(page.locator("#dob")).to_be_focused()


def test_back_reload_and_another_language_lose_nothing(house: House, visit: Visit) -> None:
    person, page = house.person(), visit()
    page.goto(f"{house.live.issuer}/enrol")
    steps.choose_member(page)
    steps.identify(page, person)
    steps.user_data(page, person)

    page.reload()
    expect(page.locator("h1")).to_have_text("Confirmer l'e-mail")
    page.click("text=Deutsch")
    expect(page.locator("h1")).to_have_text("E-Mail bestätigen")
    page.click("main .actions a.btn:not(.quiet)")
    assert page.input_value("#email") == person.email
    page.go_back()
    steps.confirm_email(page, house.live, person)
    expect(page.locator("h1")).to_have_text("Zwei-Faktor auswählen")
    page.go_back()
    page.reload()
    expect(page.locator("h1")).to_have_text("Zwei-Faktor auswählen")


def test_cancelling_an_enrolment_forgets_it_and_keeps_the_letter(house: House, visit: Visit) -> None:
    person, page = house.person(), visit()
    start(page, house)
    steps.identify(page, person)
    steps.user_data(page, person)

    page.click("text=Annuler")
    expect(page.locator("h1")).to_have_text("Voulez-vous annuler l'enregistrement ?")
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

    page.click("main .actions a.quiet")

    expect(page).to_have_url(re.compile(re.escape(house.portal)))
    expect(page.locator("body")).not_to_contain_text(person.last_name)


def test_two_tabs_stay_out_of_each_others_way(house: House, visit: Visit) -> None:
    person, page = house.person(), visit()
    page.goto(f"{house.live.issuer}/enrol")
    steps.choose_member(page)
    steps.identify(page, person)
    second = page.context.new_page()
    second.goto(page.url)
    steps.user_data(page, person)
    steps.confirm_email(page, house.live, person)

    second.fill("#email", f"other.{person.email}")
    second.fill("#password", person.password)
    second.fill("#password2", person.password)
    steps.press_next(second)

    expect(second.locator("h1")).to_have_text("Confirmer l'e-mail")
    page.reload()
    expect(page.locator("h1")).to_have_text("Confirmer l'e-mail")
