"""The page runner: whose an interaction is, what a GET may not do, and where a finished one leads."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from time import sleep
from typing import Any

import pytest
import time_machine
from flask import Flask
from oidc import CALLBACK
from oidc import a_client
from oidc import answer
from oidc import change
from oidc import consent
from oidc import redeem
from oidc import request_of
from sqlalchemy import select
from visitor import PASSWORD
from visitor import Browser
from visitor import Page
from visitor import Visitor
from visitor import a_member
from visitor import a_person
from visitor import audited
from visitor import code
from walk import e164

from idp import answers
from idp import consents
from idp import interaction as interactions
from idp import response as responses
from idp import whereabouts
from idp.clock import now
from idp.db import Base
from idp.db import db
from idp.decision import resume
from idp.models import Account
from idp.models import Consent
from idp.models import StoreEntry
from idp.provider import provider
from idp.store import StoreUnavailable

LANDING = "https://rp.example/login"


@pytest.fixture
def visitor(app: Flask) -> Visitor:
    return Visitor(app)


@pytest.fixture
def another(app: Flask) -> Callable[[], Visitor]:
    return lambda: Visitor(app)


def home_of(page: Page) -> str:
    """`/i/<id>` of the page."""
    return "/".join(page.url.split("/")[:3]) if page.url.startswith("/") else page.url


# --- whose it is (CVE-2022-39222, CVE-2026-7507: security rows V10, V20 and 2.12) ------------------------------------


def test_a_copied_address_works_in_no_other_browser(visitor: Visitor, another: Callable[[], Visitor]) -> None:
    """At each step, for a browser without and with cookies, by GET and by POST."""
    person = a_member()
    page = visitor.open("/authorize", **request_of(a_client()))
    stranger, blank = another(), another()
    stranger.open("/signin")
    pages = [page, visitor.give_password(page, person.email)]
    for one in pages:
        _, fields = one.form()
        for browser in (stranger, blank):
            for got in (
                browser.open(one.url),
                browser.open(home_of(one)),
                browser.open(f"{home_of(one)}/cancel"),
                browser.post(one.url, **{**fields, "username": person.email, "password": PASSWORD}),
                browser.post(f"{home_of(one)}/cancel", **fields),
                browser.post(f"{home_of(one)}/extend", **fields),
            ):
                assert got.status == 400
                assert not got.location
                assert person.email not in got.text

    done = visitor.answer(pages[-1], code=code(e164(person.phone)))
    assert "code=" in done.location
    for browser in (stranger, blank):
        assert browser.open(home_of(page)).status == 400


def test_a_signed_in_victim_gives_a_planted_address_nothing(visitor: Visitor, another: Callable[[], Visitor]) -> None:
    """Security row V20: the attacker's interaction never becomes signed in by the victim's session."""
    victim, attacker = visitor, another()
    victim.sign_in(a_member())
    page = attacker.open("/authorize", **request_of(a_client()))

    assert victim.open(page.url).status == 400
    assert victim.open(home_of(page)).status == 400

    assert "sign_in/credentials" in attacker.open(home_of(page)).url


def test_a_browser_without_cookies_is_told_so(app: Flask, visitor: Visitor, another: Callable[[], Visitor]) -> None:
    page = visitor.open("/signin")

    told = another().open(page.url)

    assert told.status == 400
    assert told.says("er.cookies.h1")


@pytest.mark.parametrize("others_kept", [False, True])
def test_a_page_from_yesterday_is_expired_and_blames_no_browser(
    app: Flask, visitor: Visitor, others_kept: bool
) -> None:
    """The visit is over after an hour, its cookie after a day; a browser that has lost both did not refuse any."""
    page = visitor.open("/signin", **({"lang": "fr"} if others_kept else {}))
    visitor.browser.delete_cookie("idp_browser")

    with time_machine.travel(now() + timedelta(hours=25)):
        told = visitor.open(page.url)

    assert told.status == 400
    assert told.says("er.expired.h1")
    assert not told.says("er.cookies.h1")


def test_a_visit_that_outlives_its_cookie_is_expired(app: Flask, visitor: Visitor) -> None:
    """Whoever goes on for a day and a night: the visit is still kept, the cookie has ended."""
    page, moment = visitor.open("/signin"), now()
    for number in range(1, 28):
        with time_machine.travel(moment + number * timedelta(minutes=55)):
            assert visitor.answer(page).status == 422

    with time_machine.travel(moment + timedelta(hours=25)):
        visitor.browser.delete_cookie("idp_browser")
        told = visitor.open(page.url)

    assert told.says("er.expired.h1")


# --- forms of somebody else ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", [None, "", "0" * 64, "é", "foreign"])
@pytest.mark.parametrize("where", ["", "/cancel", "/extend"])
def test_a_form_without_our_token_does_nothing(
    visitor: Visitor, another: Callable[[], Visitor], token: str | None, where: str
) -> None:
    person = a_person()
    page = visitor.enrol_until("user-data", person)
    if token == "foreign":
        other = another()
        _, theirs = other.open("/signin").form()
        token = theirs["csrf_token"]
    fields = {} if token is None else {"csrf_token": token}

    refused = visitor.post(
        f"{home_of(page)}{where}" if where else page.url,
        **fields,
        email=person.email,
        password=PASSWORD,
        password2=PASSWORD,
    )

    assert refused.status == 400
    assert refused.says("er.expired.h1")
    assert refused.says("er.expired.retry")
    assert f'<a class="btn" href="{home_of(page)}">' in refused.text
    assert "user-data" in visitor.open(home_of(page)).url


def test_the_token_of_another_tab_does_not_fit(visitor: Visitor) -> None:
    one, two = visitor.open("/signin"), visitor.open("/signin")
    _, theirs = two.form()

    assert visitor.answer(one, csrf_token=theirs["csrf_token"]).status == 400


# --- a GET changes nothing (decision 15) ---------------------------------------------------------------------------


def everything(app: Flask) -> dict[str, Any]:
    """All rows of the database, and all keys and values of Redis."""
    db.session.rollback()
    with db.engine.connect() as connection:
        rows: dict[str, Any] = {
            table.name: sorted(map(repr, connection.execute(select(table)).all()))
            for table in Base.metadata.sorted_tables
        }
    if provider.settings.redis_url:
        from redis import Redis

        redis = Redis.from_url(provider.settings.redis_url)
        rows["redis"] = {key: redis.dump(key) for key in sorted(redis.keys())}
    return rows


STEPS = [
    "enrol/identification",
    "enrol/user-data",
    "enrol/confirm-email",
    "enrol/second-factor",
    "enrol/second-factor-details",
    "enrol/confirm-second-factor",
    "enrol/done",
    "sign_in/credentials",
    "password/forgot",
    "cancel",
]


@pytest.mark.parametrize("stopped", ["user-data", "confirm-email", "second-factor", "confirm-second-factor", "/done"])
def test_looking_at_pages_changes_nothing(app: Flask, visitor: Visitor, stopped: str) -> None:
    page = visitor.enrol_until(stopped, a_person())
    visitor.open(page.url)
    before = everything(app)

    for step in [*STEPS, *STEPS[::-1]]:
        assert visitor.open(f"{home_of(page)}/{step}").status < 500
        assert visitor.open(f"{home_of(page)}/{step}", lang="de").status < 500
    visitor.open(home_of(page))

    assert everything(app) == before
    assert stopped in visitor.open(home_of(page)).url


def test_the_snapshot_would_see_a_change(app: Flask, visitor: Visitor) -> None:
    page = visitor.open("/signin")
    before = everything(app)

    visitor.give_password(page, "nobody@example.org")

    assert everything(app) != before
    assert StoreEntry.__tablename__ in before


# --- the end -------------------------------------------------------------------------------------------------------


def nearly_finished(visitor: Visitor, **client: Any) -> tuple[Page, str]:
    """The last page of a sign-in, and the code that it asks for."""
    person = a_member()
    page = visitor.open("/authorize", **request_of(a_client(**client)))
    page = visitor.give_password(page, person.email)
    return page, code(e164(person.phone))


def finished(visitor: Visitor, **client: Any) -> Page:
    """The same, answered, and its authorization code redeemed."""
    page, digits = nearly_finished(visitor, **client)
    done = visitor.answer(page, code=digits)
    assert done.location.startswith(f"{CALLBACK}?code=")
    assert redeem(Visitor(visitor.browser.application).browser, answer(done.response)["code"]).status_code == 200
    return page


@pytest.mark.parametrize("by", ["open", "post"])
def test_the_back_button_after_the_end_leads_to_the_application(visitor: Visitor, by: str) -> None:
    """OIDC Core §4: with the issuer, which a third-party initiated login names."""
    page = finished(visitor, initiate_login_uri=LANDING)

    again = visitor.open(page.url) if by == "open" else visitor.answer(page, code="123456")

    assert again.status == 303
    assert again.location == f"{LANDING}?iss=http%3A%2F%2Flocalhost%3A8400"


@pytest.mark.parametrize("by", ["open", "post"])
def test_an_application_without_an_entrance_is_linked_to(visitor: Visitor, by: str) -> None:
    """pages.md A18: no 4xx after success."""
    page = finished(visitor)

    again = visitor.open(page.url) if by == "open" else visitor.answer(page, code="123456")

    assert again.status == 200
    assert again.says("er.answered.h1")
    assert again.link("rp.example") == "https://rp.example/"


def test_the_page_of_an_application_itself_is_preferred(visitor: Visitor) -> None:
    page = finished(visitor, client_uri="https://rp.example/pension")

    assert visitor.open(page.url).link("rp.example") == "https://rp.example/pension"


@pytest.mark.parametrize("client", [{}, {"initiate_login_uri": LANDING}])
def test_a_second_press_leads_where_the_first_did(visitor: Visitor, client: dict[str, str]) -> None:
    """The browser drops the answer to the first press when the second one comes."""
    page, digits = nearly_finished(visitor, **client)

    one, two = visitor.answer(page, code=digits), visitor.answer(page, code=digits)

    assert "code=" in one.location
    assert two.status == 303
    assert two.location == one.location
    assert two.response.headers["Cache-Control"] == "no-store"


def test_a_second_press_ends_a_visit_of_our_own_at_the_same_place(visitor: Visitor) -> None:
    person = a_member()
    page = visitor.give_password(visitor.open("/signin"), person.email)
    digits = code(e164(person.phone))

    one, two = visitor.answer(page, code=digits), visitor.answer(page, code=digits)

    assert one.location == two.location == provider.settings.fund_url


def test_tokens_are_not_kept_for_a_second_press(app: Flask) -> None:
    with app.test_request_context():
        interaction = interactions.begin("sign_in", request=None, client_id=None, session=None)
        interaction.browser = "bound"
        for address in ("https://rp.example/cb#access_token=x&state=y", "https://rp.example/cb?response=x.y.z"):
            answers.keep(interaction, responses.go(address))

            assert answers.repeat(interaction.id) is None

        answers.keep(interaction, responses.go("https://rp.example/cb?error=access_denied"))
        assert answers.repeat(interaction.id) is not None


def test_a_second_press_of_another_browser_leads_nowhere(visitor: Visitor, another: Callable[[], Visitor]) -> None:
    page, digits = nearly_finished(visitor)
    visitor.answer(page, code=digits)
    stranger = another()
    stranger.open("/signin")

    assert stranger.open(page.url).status == 400


def test_the_answer_is_not_repeated_for_long(visitor: Visitor) -> None:
    if provider.settings.redis_url:
        pytest.skip("Redis has a clock of its own")
    page, digits = nearly_finished(visitor)
    visitor.answer(page, code=digits)

    with time_machine.travel(now() + timedelta(seconds=31)):
        assert visitor.open(page.url).says("er.answered.h1")


def test_the_kept_answer_is_sealed(visitor: Visitor) -> None:
    page, digits = nearly_finished(visitor)
    if provider.settings.redis_url:
        pytest.skip("read from SQL here; the sealing is the same code")
    given = answer(visitor.answer(page, code=digits).response)["code"]

    kept = [row.value or b"" for row in db.session.query(StoreEntry).filter_by(kind="answer")]

    assert len(kept) == 1
    assert given.encode() not in kept[0]


def test_two_looks_at_a_visit_that_is_over_make_one_code(
    app: Flask, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is due any more, because it was answered in another tab: both ask at once, one answers the client."""
    person, client = a_member(), a_client(first_party=False)
    visitor.sign_in(person)
    page = visitor.open("/authorize", **request_of(client))
    assert "consent" in page.url
    db.session.rollback()
    consent(db.session.get_one(Account, person.account_id), client, "openid")
    monkeypatch.setattr(whereabouts, "resume", lambda interaction: sleep(0.3) or resume(interaction))
    cookies = [cookie for name in ("browser", "session") if (cookie := visitor.browser.get_cookie(f"idp_{name}"))]

    def look(url: str) -> str:
        with app.app_context():
            browser = Browser(app)
            for cookie in cookies:
                browser.set_cookie(cookie.key, cookie.value)
            return browser.get(url).headers["Location"]

    with ThreadPoolExecutor(2) as both:
        one, two = both.map(look, [home_of(page), page.url])

    assert one == two
    assert len(audited("authorization")) == 1


def test_whoever_writes_an_interaction_holds_its_lease(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer, a wrong one, another button, «Continuer», «Annuler», and the end that a mere look may bring."""
    person, client, store = a_member(), a_client(), provider.store
    put, written = store.put, []

    def watched(kind: str, key: str, value: Any, seconds: int) -> None:
        if kind == interactions.KIND:
            written.append(store.get("interaction_lease", key) is not None)
        put(kind, key, value, seconds)

    def write(act: Callable[[], Page]) -> Page:
        before = len(written)
        page = act()
        assert len(written) > before, page.url
        return page

    enrolling = visitor.enrol_until("confirm-email", a_person(2))
    page = visitor.open("/authorize", **request_of(client))
    _, fields = page.form()
    monkeypatch.setattr(store, "put", watched)

    write(lambda: visitor.answer(page))
    write(lambda: visitor.post(f"{home_of(page)}/extend", **fields))
    write(lambda: visitor.answer(enrolling, code="000000", action="resend"))
    write(lambda: visitor.answer(visitor.open(f"{home_of(enrolling)}/cancel")))
    write(lambda: visitor.give_password(page, person.email))
    write(lambda: visitor.answer(visitor.open(home_of(page)), code=code(e164(person.phone))))

    assert all(written)
    again = a_client("stranger", first_party=False)
    asked = visitor.open("/authorize", **request_of(again))
    consent(db.session.get_one(Account, person.account_id), again, "openid")
    written.clear()  # the beginning of a visit: nobody else knows of it yet
    write(lambda: visitor.open(home_of(asked)))
    assert all(written)


def test_a_client_disabled_on_the_way_is_sent_no_code(visitor: Visitor) -> None:
    """CVE-2026-2733: security row V29."""
    person, client = a_member(), a_client()
    page = visitor.give_password(visitor.open("/authorize", **request_of(client)), person.email)
    change(client, disabled_at=client.created_at)

    answered = visitor.answer(page, code=code(e164(person.phone)))

    assert answered.status == 400
    assert not answered.location


def test_cancel_at_the_sign_in_asks_and_then_tells_the_client_once(visitor: Visitor) -> None:
    """Decision 15: the link alone tells nobody anything; whoever declined cannot be signed in by the same request."""
    page = visitor.open("/authorize", **request_of(a_client()))

    asked = visitor.open(f"{home_of(page)}/cancel")
    assert not asked.location
    assert asked.says("leave.h1")
    assert visitor.open(asked.link("/credentials")).url == page.url

    declined = visitor.answer(asked)
    assert declined.location.startswith(CALLBACK)
    assert "error=access_denied" in declined.location
    assert "state=state-1" in declined.location
    assert visitor.answer(asked).location == declined.location
    assert "code=" not in visitor.answer(page, username=a_member().email, password=PASSWORD).location


def test_cancel_on_a_visit_of_our_own_leads_to_the_sign_in(visitor: Visitor) -> None:
    page = visitor.open("/password/forgot")

    left = visitor.answer(visitor.open(f"{home_of(page)}/cancel"))

    assert "/sign_in/credentials" in left.url
    assert home_of(left) != home_of(page)


@pytest.mark.parametrize("path", ["/i/nothing", "/i/nothing/sign_in/credentials", "/i/nothing/cancel"])
def test_an_address_that_never_was_is_expired(visitor: Visitor, path: str) -> None:
    visitor.open("/signin")

    page = visitor.open(path)

    assert page.status == 400
    assert page.says("er.expired.h1")


def test_a_page_that_does_not_exist_is_404(visitor: Visitor) -> None:
    page = visitor.open("/signin")

    assert visitor.open(f"{home_of(page)}/sign_in/nothing").status == 404
    assert visitor.open(f"{home_of(page)}/nothing/credentials").status == 404


def test_an_unknown_button_is_refused(visitor: Visitor) -> None:
    page = visitor.open("/signin")

    assert visitor.answer(page, action="__class__").status == 400


def test_idle_for_too_long_it_expires(visitor: Visitor) -> None:
    if provider.settings.redis_url:
        pytest.skip("Redis has a clock of its own")
    page = visitor.open("/signin")
    with time_machine.travel(now() + timedelta(seconds=3601)):
        assert visitor.open(page.url).status == 400


def test_a_visit_kept_by_another_version_of_the_program_goes_on(app: Flask) -> None:
    """Two versions serve side by side while one replaces the other."""
    with app.test_request_context():
        visit = interactions.begin("sign_in", request=None, client_id=None, session=None)
        older = {name: value for name, value in visit.to_json().items() if name != "proven_at"}

        assert interactions.Interaction.from_json({**older, "of_tomorrow": 1}) == visit


# --- idle time (pages.md 2.1.6) ------------------------------------------------------------------------------------


def idle_seconds(page: Page) -> int:
    """What the session dialog counts from."""
    found = re.search(r'data-session="(\d+)"', page.text)
    assert found, page.errors()
    return int(found[1])


def test_looking_at_a_page_again_does_not_pretend_a_new_hour(visitor: Visitor) -> None:
    page = visitor.open("/signin")
    assert 3590 <= idle_seconds(page) <= 3600

    with time_machine.travel(now() + timedelta(minutes=20)):
        again = visitor.open(page.url)

    assert 2390 <= idle_seconds(again) <= 2400
    assert 'data-session-limit="3600"' in again.text
    assert again.says("form.expires", minutes=40)


def test_who_works_at_a_form_is_not_idle(visitor: Visitor) -> None:
    if provider.settings.redis_url:
        pytest.skip("Redis has a clock of its own")
    page = visitor.open("/signin")
    begun = now()
    with time_machine.travel(begun + timedelta(minutes=50)):
        refused = visitor.answer(page, username="", password="")
    with time_machine.travel(begun + timedelta(minutes=100)):
        again = visitor.open(page.url)

    assert refused.status == 422
    assert 3590 <= idle_seconds(refused) <= 3600
    assert again.status == 200
    assert 590 <= idle_seconds(again) <= 600


def test_a_refused_answer_keeps_nothing_but_the_time(visitor: Visitor) -> None:
    page = visitor.enrol_until("second-factor", a_person())
    earlier = visitor.open(page.url.replace("second-factor", "user-data"))

    refused = visitor.answer(earlier, email="nobody", password="", password2="")

    assert refused.status == 422
    assert visitor.open(home_of(page)).url == page.url


def test_every_page_of_a_visit_says_when_it_expires(visitor: Visitor) -> None:
    """WCAG 2.2.1, for those without scripts."""
    person, forgotten = a_person(), Visitor(visitor.browser.application)
    member = a_member(2, app=True)
    pages = [forgotten.open("/password/forgot")]
    pages.append(forgotten.answer(pages[-1], username=member.email))
    pages.append(forgotten.answer(pages[-1], code=code(member.email)))
    pages.append(forgotten.open(pages[-1].url.replace("/code", "/methods")))
    pages.append(forgotten.answer(pages[2], code=code(e164(member.phone))))
    for step in ("identification", "user-data", "confirm-email", "second-factor", "confirm-second-factor", "/done"):
        pages.append(visitor.enrol_until(step, person, pages[-1] if "/enrol/" in pages[-1].url else None))
        if step == "confirm-email":
            pages.append(visitor.open(pages[-1].link("/cancel")))
            pages.append(visitor.open(pages[-2].url))
    visitor.answer(pages[-1])
    pages.append(visitor.open("/authorize", **request_of(a_client(first_party=False))))

    steps = [page.url.split("/", 3)[3] for page in pages]
    assert {"password/new", "password/methods", "consent/agreement", "cancel"} <= {*steps}
    assert [page.url for page in pages if not page.says("form.expires", minutes=60)] == []


# --- language (pages.md 2.1.1) -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "ui_locales", "header", "expected"),
    [
        ({"lang": "it"}, "de", "en", "it-CH"),
        ({}, "de", "en", "de-CH"),
        ({}, None, "en", "en"),
        ({}, None, "pt", "fr-CH"),
        ({}, "pt de", "it", "de-CH"),
    ],
)
def test_the_language_comes_from_the_choice_the_client_the_browser_the_fund(
    app: Flask, query: dict[str, str], ui_locales: str | None, header: str, expected: str
) -> None:
    visitor = Visitor(app, **{"Accept-Language": header})
    changes = {"ui_locales": ui_locales} if ui_locales else {}
    page = visitor.open("/authorize", **request_of(a_client(), **changes))
    page = visitor.open(page.url, **query) if query else page

    assert f'<html lang="{expected}' in page.text
    assert f'<html lang="{expected}' in visitor.open(page.url.partition("?")[0]).text


def test_whoever_was_slower_than_the_lease_keeps_nothing(app: Flask, visitor: Visitor) -> None:
    """Somebody else has gone ahead meanwhile; what they kept must stand."""
    page = visitor.open("/signin")
    interaction_id = home_of(page).rsplit("/", 1)[1]
    cookie = visitor.browser.get_cookie("idp_browser")
    assert cookie is not None
    with app.test_request_context("/", headers={"Cookie": f"idp_browser={cookie.value}"}):
        slow = interactions.load(interaction_id)
        with interactions.lease(interaction_id):
            interactions.save(slow)
            provider.store.delete("interaction_lease", interaction_id)  # it ran out …
            provider.store.put_new("interaction_lease", interaction_id, {"holder": "somebody else"}, 60)
            for keep in (interactions.save, interactions.finish):
                with pytest.raises(StoreUnavailable):
                    keep(slow)
        assert interactions.load(interaction_id).id == interaction_id


def test_what_was_begun_in_a_browser_is_over_when_somebody_signs_out_there(app: Flask, visitor: Visitor) -> None:
    """A shared computer: a page that waits for one press must not wait for whoever sits there next."""
    person, client = a_member(), a_client("stranger", first_party=False)
    waiting = visitor.sign_in(person, visitor.open("/authorize", **request_of(client)))
    assert "consent/agreement" in waiting.url
    visitor.sign_in(person)

    visitor.answer(visitor.open("/signout"))

    assert "code" not in visitor.answer(waiting).response.headers.get("Location", "")
    assert visitor.open(waiting.url).status == 400
    assert db.session.query(Consent).count() == 0


@pytest.mark.parametrize("noted", [False, True])
def test_the_decision_does_not_believe_a_flow_that_has_not_asked(app: Flask, visitor: Visitor, noted: bool) -> None:
    """`prompt=consent`, for an application of the fund: what the page has noted is for this person and this request."""
    client = a_client()
    visitor.sign_in(a_member())
    page = visitor.open("/authorize", **request_of(client, prompt="consent"))
    assert "consent/agreement" in page.url
    cookies = [cookie for name in ("browser", "session") if (cookie := visitor.browser.get_cookie(f"idp_{name}"))]
    header = {"Cookie": "; ".join(f"{cookie.key}={cookie.value}" for cookie in cookies)}
    with app.test_request_context("/", headers=header):
        interaction = interactions.load(home_of(page).rsplit("/", 1)[1])
        if noted:
            consents.note(interaction)
        else:
            interaction.answers[consents.KEY] = "what was noted for another request"

        location = resume(interaction).headers["Location"]

    assert ("code=" if noted else "error=consent_required") in location
