"""What people do to pages: press twice, go back, reload, open a second tab, come back too late (pages.md A18-A21)."""

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
from house import House

Visit = Callable[..., Page]
BOTH_AT_ONCE = """async () => {
  const form = document.querySelector("main form");
  const send = () => fetch(location.href, {method: "POST", body: new URLSearchParams(new FormData(form))});
  const answers = await Promise.all([send(), send()]);
  return answers.map(answer => [answer.status, new URL(answer.url).pathname.split("/").pop()]);
}"""


def begin(page: Page, house: House) -> None:
    """Step 1, by an address of our own; the language is chosen, as a link of the header does it."""
    page.goto(f"{house.live.issuer}/enrol?lang=fr")
    steps.choose_member(page)


def is_at(page: Page, step: str) -> None:
    """The page of this step, reached without an error."""
    expect(page).to_have_url(re.compile(f"/{step}$"))
    expect(page.locator(".error-summary")).to_have_count(0)


def test_the_back_button_shows_each_step_with_what_was_entered(house: House, visit: Visit) -> None:
    person, page = house.person(), visit()
    begin(page, house)
    steps.identify(page, person)
    page.go_back()
    is_at(page, "identification")
    assert page.input_value("#id") == person.ahv_number
    assert page.input_value("#dob") == person.birth_date
    page.go_forward()
    is_at(page, "user-data")
    steps.user_data(page, person)

    page.go_back()
    is_at(page, "user-data")
    assert page.input_value("#email") == person.email
    assert page.input_value("#password") == page.input_value("#password2") == ""
    expect(page.locator("#password-hint")).to_contain_text("Laissez les deux champs vides pour le garder")
    steps.press_next(page)

    is_at(page, "confirm-email")
    assert len(house.live.messages(person.email)) == 1


def test_the_back_button_asks_nobody_to_send_a_form_again(house: House, visit: Visit) -> None:
    """A page with errors is the answer to a POST: who goes back over it must not meet the browser's own question."""
    person, page = house.person(), visit()
    begin(page, house)
    steps.identify(page, person)
    steps.press_next(page)
    expect(page.locator(".error-summary")).to_be_visible()
    steps.user_data(page, person)

    page.go_back()

    is_at(page, "user-data")
    assert page.input_value("#email") == person.email


def test_back_after_the_end_leads_to_the_portal(house: House, visit: Visit) -> None:
    person, page = house.person(), visit()
    page.goto(f"{house.portal}/register")
    steps.choose_member(page)
    steps.enrol(page, house.live, person, "sms")
    page.go_back()
    is_at(page, "done")
    steps.press_next(page)
    expect(page).to_have_url(f"{house.portal}/pension")

    page.go_back()

    expect(page).to_have_url(f"{house.portal}/pension")
    expect(page.locator("body")).to_contain_text(person.last_name)
    page.reload()
    expect(page.locator("body")).to_contain_text(person.last_name)


@pytest.mark.parametrize("scripts", [True, False])
def test_two_presses_have_one_effect(house: House, visit: Visit, scripts: bool) -> None:
    person, page = house.person(), visit(scripts=scripts)
    begin(page, house)
    steps.identify(page, person)
    page.fill("#email", person.email)
    page.fill("#password", person.password)
    page.fill("#password2", person.password)

    page.dblclick(steps.NEXT)

    is_at(page, "confirm-email")
    page.fill("#code", house.live.code(person.email))
    page.dblclick(steps.NEXT)
    is_at(page, "second-factor")
    page.check("input[value=sms]")
    page.dblclick(steps.NEXT)
    page.fill("#phone", person.phone)
    page.dblclick(steps.NEXT)
    page.fill("#code", house.live.code(e164(person.phone)))
    page.dblclick(steps.NEXT)
    is_at(page, "done")
    sent = [message["name"] for message in house.live.messages(person.email)]
    assert sorted(sent) == ["activated", "enrol_code"]
    assert len(house.live.messages(e164(person.phone))) == 1


def test_two_answers_at_the_same_moment_have_one_effect(house: House, visit: Visit) -> None:
    person, page = house.person(), visit()
    begin(page, house)
    steps.identify(page, person)
    page.fill("#email", person.email)
    page.fill("#password", person.password)
    page.fill("#password2", person.password)

    answers = page.evaluate(BOTH_AT_ONCE)

    assert answers == [[200, "confirm-email"]] * 2
    assert [message["name"] for message in house.live.messages(person.email)] == ["enrol_code"]


def test_a_new_code_asked_for_at_once_is_declined_kindly(house: House, visit: Visit) -> None:
    """pages.md 2.1.8: a second press within 60 s is answered on the page, and sends nothing."""
    person, page = house.person(), visit()
    begin(page, house)
    steps.identify(page, person)
    steps.user_data(page, person)
    page.click("main details summary")

    page.dblclick("button[value=resend]")

    expect(page.locator(".note.warn")).to_contain_text("Un code vient d'être envoyé. Attendez")
    expect(page.locator(".error-summary")).to_have_count(0)
    assert len(house.live.messages(person.email)) == 1
    steps.confirm_email(page, house.live, person)
    is_at(page, "second-factor")


def test_a_step_answered_anew_in_another_tab_takes_the_first_one_back(house: House, visit: Visit) -> None:
    """pages.md A19: step 4 in one tab, step 2 in the other."""
    person, page = house.person(), visit()
    begin(page, house)
    steps.identify(page, person)
    second = page.context.new_page()
    second.goto(page.url)
    steps.user_data(page, person)
    steps.confirm_email(page, house.live, person)
    is_at(page, "second-factor")
    person.email = f"other.{person.email}"
    steps.user_data(second, person)
    is_at(second, "confirm-email")

    page.check("input[value=sms]")
    steps.press_next(page)

    is_at(page, "confirm-email")  # the new address is not proven yet
    steps.confirm_email(second, house.live, person)
    page.reload()
    is_at(page, "second-factor")
    steps.with_sms(page, house.live, person)
    expect(page.locator("main")).to_contain_text(person.email)


def test_two_visits_side_by_side_do_not_mix(house: House, visit: Visit) -> None:
    person, page = house.person(), visit()
    begin(page, house)
    second = page.context.new_page()
    begin(second, house)
    steps.identify(page, person)

    second.reload()

    is_at(second, "identification")
    is_at(page, "user-data")


def test_who_comes_back_too_late_is_shown_the_way_and_goes_on_there(house: House, visit: Visit) -> None:
    """pages.md A21: the visit is over, the finished steps are kept."""
    person, page = house.person(), visit()
    begin(page, house)
    steps.identify(page, person)
    steps.user_data(page, person)
    steps.confirm_email(page, house.live, person)
    page.context.clear_cookies(name="idp_browser")
    page.check("input[value=sms]")

    with page.expect_response(lambda answer: answer.request.method == "POST") as answer:
        steps.press_next(page)

    assert answer.value.status == 400
    expect(page.locator("h1")).to_have_text("Cette page a expiré")
    expect(page.locator("main")).to_contain_text("Vos étapes terminées sont conservées pendant 24 heures")
    page.click("main a.btn")
    steps.choose_member(page)
    is_at(page, "identification")
    steps.identify(page, person)
    is_at(page, "kept-address")
    expect(page.locator(".note").first).to_contain_text("Votre adresse e-\u2060mail est conservée")
    assert person.email not in page.content()
    page.fill("#password", person.password)
    page.fill("#password2", person.password)
    steps.press_next(page)
    is_at(page, "second-factor")


def test_a_form_with_a_stale_token_does_nothing_and_loses_nothing(house: House, visit: Visit) -> None:
    person, page = house.person(), visit()
    begin(page, house)
    steps.identify(page, person)
    address = page.url
    page.evaluate("for (const e of document.querySelectorAll('[name=csrf_token]')) e.value = 'stale'")

    steps.user_data(page, person)

    expect(page.locator("h1")).to_have_text("Cette page a expiré")
    assert house.live.messages(person.email) == []
    page.goto(address)
    steps.user_data(page, person)
    is_at(page, "confirm-email")


def test_cookies_switched_off_are_explained(house: House, visit: Visit) -> None:
    person, page = house.person(), visit()
    begin(page, house)
    page.context.clear_cookies()

    steps.identify(page, person)

    assert "cookies" in (page.text_content("main") or "").lower()
