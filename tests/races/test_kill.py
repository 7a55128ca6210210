"""The server is killed in the middle of an enrolment and started again: the person goes on with the same letter."""

from pathlib import Path

import pytest
from live import Person
from live import provider
from live import start_node
from walk import Page
from walk import Walker
from walk import expect


def identify(walker: Walker, person: Person) -> Page:
    """Step 1, wherever it leads."""
    page = walker.open("/enrol")
    return walker.answer(page, id=person.ahv_number, dob=person.birth_date, act=person.code, terms="1")


@pytest.mark.parametrize("stopped", ["confirm-email", "second-factor"])
def test_the_same_letter_goes_on_after_a_kill(tmp_path: Path, stopped: str) -> None:
    with provider(tmp_path, workers=2) as live:
        person, walker = live.person(), Walker(live)
        page = walker.identify(walker.open("/enrol"), person)
        page = walker.answer(page, email=person.email, password=person.password, password2=person.password)
        if stopped == "second-factor":
            page = walker.answer(page, code=live.code(person.email))
        expect(page, stopped)

        live.kill()
        live.process = start_node(live, int(live.issuer.rsplit(":", 1)[1]), workers=2)

        expect(walker.open(page.url), stopped)  # the same browser
        other = Walker(live)
        resumed = identify(other, person)
        expect(resumed, "kept-address")
        assert "Bon retour" in resumed.text
        resumed = other.answer(resumed, password=person.password, password2=person.password)
        expect(resumed, stopped)
        if stopped == "confirm-email":  # another browser, another code
            resumed = other.answer(resumed, code=live.code(person.email, after=1))
        page = other.choose_factor(resumed, person, "totp")
        page = other.answer(page, code=other.confirmation(page, person, "totp"))
        expect(page, "/done")
