"""The outbox: messages written with their transaction, sent once, later or never (security.md F13, F14)."""

import json
import re
import secrets
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC
from datetime import datetime
from datetime import timedelta

import pytest
import structlog
import time_machine
from sqlalchemy import select
from sqlalchemy import update

from idp import create_app
from idp import gsm
from idp import outbox
from idp.claims_source import NoClaims
from idp.clock import now
from idp.db import db
from idp.db import transaction
from idp.languages import LANGUAGES
from idp.message import Channel
from idp.message import Permanent
from idp.message import Temporary
from idp.message import Unreachable
from idp.message import Unsure
from idp.models import OutboxMessage
from idp.provider import provider
from idp.sender import LEASE
from idp.sender import Sender
from idp.settings import BadSetting
from idp.settings import Settings
from idp.texts import Text

ROSA = "rosa.keller@example.org"
PHONE = "+41791234567"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0"


class Fake(Channel):
    """Takes everything, unless the test has prepared a problem."""

    name = "fake"
    media = frozenset({"mail", "sms"})

    def __init__(self):
        self.sent = []
        self.problems = []
        self.closed = 0

    def send(self, message):
        if self.problems:
            problem = self.problems.pop(0)
            if problem is not None:
                raise problem
        self.sent.append(message)

    def check(self):
        return "is a fake."

    def close(self):
        self.closed += 1


@pytest.fixture
def mails():
    return Fake()


@pytest.fixture
def texts():
    return Fake()


@pytest.fixture
def sender(app, mails, texts):
    return Sender(app, channels={"mail": mails, "sms": texts})


def write_mail(name="enrol_code", to=ROSA, language="fr", lives=3600, **more):
    given = {"code": "447683", "minutes": 60, "frame": outbox.UNASKED} if name == "enrol_code" else {}
    with transaction():
        outbox.mail(name, to, language, lives=lives, **{**given, **more})


def write_sms(to=PHONE, language="fr", lives=600, code="447683"):
    with transaction():
        outbox.sms("code", to, language, lives=lives, code=code)


def rows():
    db.session.rollback()
    return list(db.session.scalars(select(OutboxMessage).order_by(OutboxMessage.created_at)))


def row():
    (only,) = rows()
    return only


# What is written


def test_a_mail_begins_with_the_code_and_has_the_frame_in_order(app):
    write_mail()

    body = row().body
    assert body["to"] == ROSA
    assert body["subject"] == "447683 est votre code de confirmation myVPK"
    assert body["text"].split("\n\n") == [
        "Bonjour,",
        "Votre code de confirmation\u00a0:",
        "447683",
        "Entrez ce code à l'étape 3 «Confirmer l'e-mail». Il est valable 60 minutes.",
        "Vous n'avez rien demandé\u00a0? Alors vous n'avez rien à faire.",
        "Nous ne vous demandons jamais votre mot de passe ni un code par téléphone ou par e-mail. "
        "Cet e-mail ne contient pas de lien\u00a0: ouvrez toujours vous-même le site www.valora-pensionskasse.com.",
        "Cordialement,\nCaisse de pension Valora\n",
    ]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_html_part_says_exactly_what_the_text_says(app, language):
    write_mail(language=language)

    body = row().body
    shown = re.sub(r"<title>.*?</title>|<[^>]+>", " ", body["html"])
    assert "".join(shown.split()) == "".join(body["text"].replace("'", "&#39;").split())
    assert re.search(r"font:18px", body["html"])
    assert re.search(r"font-size:28px[^>]*><span[^>]*>447</span>683</p>", body["html"])
    assert "<a " not in body["html"]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("enrol_code", {"code": "447683", "minutes": 60}),
        ("exists", {}),
        ("activated", {"method": Text("method.sms", {"phone_end": "67"}), "email": ROSA}),
        ("reset_code", {"code": "447683", "minutes": 15}),
        ("pw_changed", {}),
        ("factor_added", {"method": Text("method.app")}),
        ("locked", {"time": "14.05"}),
    ],
)
def test_every_mail_is_complete_in_every_language(app, language, name, params):
    with transaction():
        outbox.mail(name, ROSA, language, lives=60, when=True, **params)

    body = row().body
    assert "{" not in body["subject"] + body["text"]
    assert "…" not in body["subject"]
    assert "061 555 01 23" in body["text"]


def test_a_mail_about_a_change_tells_when_and_on_which_device(app):
    with (
        time_machine.travel(datetime(2026, 3, 12, 13, 5, tzinfo=UTC), tick=False),
        app.test_request_context(headers={"User-Agent": FIREFOX}),
    ):
        write_mail("pw_changed", language="de", when=True)

        text = row().body["text"]

    assert "Datum: 12. März 2026, 14.05 Uhr (Schweizer Zeit)\nGerät: Firefox auf Windows" in text


@pytest.mark.parametrize("headers", [None, {"User-Agent": "curl/8"}])
def test_a_device_nobody_knows_is_left_out(app, headers):
    if headers is None:
        write_mail("pw_changed", language="de", when=True)
    else:
        with app.test_request_context(headers=headers):
            write_mail("pw_changed", language="de", when=True)

    text = row().body["text"]
    assert "(Schweizer Zeit)" in text
    assert "Gerät" not in text


def test_what_a_person_typed_adds_no_line_and_no_markup(app):
    """Security.md 2.73."""
    write_mail(
        "activated", method="app", email="x@y.ch\r\nBcc: all@example.org\u2028<img src=x onerror=alert(1)>{{7*7}}"
    )

    body = row().body
    assert "x@y.ch  Bcc: all@example.org <img src=x onerror=alert(1)>{{7*7}}" in body["text"]
    assert "<img" not in body["html"]
    assert "49" not in body["html"].partition("<body")[2]


@pytest.mark.parametrize("to", ["", "rosa@example.org\r\nBcc: all@example.org", "a\x00b@example.org"])
def test_an_address_of_several_lines_is_refused(app, to):
    with pytest.raises(ValueError, match="one line"):
        write_mail(to=to)

    assert rows() == []


def test_an_sms_is_the_instructions_text_and_the_line_for_telephones(app):
    write_sms()

    assert row().body["text"] == ("Votre code:\n447683\nCordialement,\nCaisse de pension Valora\n\n@localhost #447683")


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_sms_fits_into_one_in_every_language(app, configure, language):
    """Pages.md 2.4, with the fund's own host."""
    configure(issuer="https://login.valora-pensionskasse.com")

    write_sms(language=language)

    text = row().body["text"]
    assert 90 < gsm.septets(text) < 110
    assert text.splitlines()[-1] == "@login.valora-pensionskasse.com #447683"


@pytest.mark.parametrize("fund", ["Fonds de prévoyance «Être»", "Pensionskasse " * 9])
def test_a_fund_whose_name_bursts_the_sms_stops_the_start(app, monkeypatch, fund):
    monkeypatch.setitem(provider.texts._defaults["fr"], "fund", fund)

    with pytest.raises(BadSetting, match="IDP_FUND"):
        outbox.refuse_long_sms()
    settings = Settings(issuer="http://localhost:8400", secret=secrets.token_urlsafe(48), fund=fund)
    with pytest.raises(BadSetting, match="IDP_FUND"):
        create_app(settings, claims_source=NoClaims())
    with pytest.raises(ValueError, match=r"SMS|alphabet"):
        write_sms()


def test_the_pseudo_language_of_development_is_not_sent_to_people(app):
    write_sms(language="zz")

    assert row().body["text"].startswith("Votre code:")


def test_a_message_rolled_back_was_never_announced(app, sender, mails):
    def fail():
        with transaction():
            outbox.mail("pw_changed", ROSA, "fr", lives=60)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()

    assert rows() == []
    assert sender.run_once() == 0
    assert mails.sent == []


def test_neither_address_nor_text_stands_in_the_database_in_clear(app):
    write_mail()
    write_sms()

    for each in rows():
        whole = repr([getattr(each, column.key) for column in OutboxMessage.__table__.columns])
        assert not [word for word in (ROSA, "rosa", PHONE, "791234567", "447683") if word in whole]


# What is sent


def test_what_is_due_is_sent_and_its_words_are_removed(app, sender, mails, texts):
    write_mail()
    write_sms()

    assert sender.run_once() == 2

    assert [(m.to, m.medium, m.name) for m in mails.sent] == [(ROSA, "mail", "enrol_code")]
    assert [(m.to, m.medium, m.name) for m in texts.sent] == [(PHONE, "sms", "code")]
    assert {(each.state, each.body, each.tries) for each in rows()} == {("sent", None, 1)}
    assert sender.run_once() == 0


def test_messages_that_are_due_together_share_one_connection(app, sender, mails):
    for _ in range(4):
        write_mail()

    assert sender.run_once() == 4
    assert mails.closed == 1


def test_an_expired_message_is_never_sent(app, sender, mails, texts):
    with time_machine.travel(now(), tick=False) as clock:
        write_sms(lives=600)
        clock.shift(600)

        assert sender.run_once() == 0

    assert texts.sent == []
    assert (row().state, row().body) == ("expired", None)


def test_a_message_for_nobody_does_the_same_work_and_is_not_sent(app, sender, mails):
    write_mail("enrol_code", to="nobody@invalid.invalid", lives=0)

    assert sender.run_once() == 0
    assert row().state == "expired"


def test_tries_come_later_and_later_with_the_same_words(app, sender, mails):
    pauses = []
    with time_machine.travel(now(), tick=False) as clock:
        write_mail("pw_changed", lives=7 * 86400)
        for _ in range(7):
            mails.problems = [Temporary("recipient refused: 450")]
            assert sender.run_once() == 0
            pauses.append((row().next_try_at - now()).total_seconds())
            clock.shift(pauses[-1] - 1)
            assert sender.run_once() == 0
            clock.shift(1)
        waiting = row().body["text"]
        assert sender.run_once() == 1

    assert pauses == [5, 30, 120, 600, 1800, 1800, 1800]
    assert [each.text for each in mails.sent] == [waiting]
    assert row().tries == 8


def test_a_short_lived_code_is_tried_often_enough_to_arrive_in_its_life(app, sender, texts):
    """Ten minutes of outage less a bit: a code of ten minutes still arrives (F13)."""
    with time_machine.travel(now(), tick=False) as clock:
        begun = now()
        write_sms(lives=600)
        for _ in range(100):
            texts.problems = [] if (now() - begun).total_seconds() > 540 else [Unreachable("not reached")]
            if sender.run_once():
                break
            assert row().state == "pending"
            clock.shift(1 + max(0.0, (row().next_try_at - now()).total_seconds()))

    assert len(texts.sent) == 1
    assert row().tries < 12


def test_a_gateway_that_says_when_to_come_back_is_obeyed(app, sender, texts):
    with time_machine.travel(now(), tick=False):
        write_sms()
        texts.problems = [Unreachable("HTTP 429", after=90)]
        sender.run_once()

        assert (row().next_try_at - now()).total_seconds() == 90


def test_a_permanent_refusal_ends_it_and_removes_the_words(app, sender, mails):
    mails.problems = [Permanent("recipient refused: 550 5.1.1")]
    write_mail()

    assert sender.run_once() == 0

    failed = row()
    assert (failed.state, failed.last_error, failed.body) == ("failed", "recipient refused: 550 5.1.1", None)


def test_a_refused_message_does_not_keep_the_others_waiting(app, sender, mails):
    mails.problems = [Permanent("no"), Temporary("later"), ValueError(f"a fault of ours about {ROSA}")]
    for _ in range(4):
        write_mail()

    assert sender.run_once() == 1
    assert sorted(each.state for each in rows()) == ["failed", "pending", "pending", "sent"]
    assert "unexpected ValueError" in {each.last_error for each in rows()}


def test_where_nobody_can_be_reached_the_others_are_not_tried_in_vain(app, sender, mails):
    mails.problems = [Unreachable("not reached")]
    for _ in range(3):
        write_mail()

    sender.run_once()

    assert sorted(each.tries for each in rows()) == [0, 0, 1]


def test_a_doubtful_sms_is_repeated_once_and_not_paid_for_again(app, sender, texts):
    """F14: no double charge beyond one."""
    with time_machine.travel(now(), tick=False) as clock:
        write_sms()
        for _ in range(6):
            texts.problems = [Unsure("no answer: ReadTimeoutError")]
            sender.run_once()
            clock.shift(60)

    assert (row().state, row().tries, row().doubts) == ("failed", 2, 2)


def test_a_message_whose_sender_died_is_sent_by_another_after_its_lease(app, sender, mails):
    class Dies(Fake):
        def send(self, message):
            raise SystemExit

    with time_machine.travel(now(), tick=False) as clock:
        write_mail()
        with pytest.raises(SystemExit):
            Sender(app, channels={"mail": Dies()}).run_once()
        assert sender.run_once() == 0
        clock.shift(LEASE)

        assert sender.run_once() == 1

    assert (row().state, row().tries) == ("sent", 2)


def test_a_sender_that_comes_too_late_changes_nothing_any_more(app, mails):
    """Its lease has passed to another: the tries fence it off."""

    class Slow(Fake):
        def send(self, message):
            with transaction() as session:
                session.execute(update(OutboxMessage).values(tries=2, state="sent"))
            raise Permanent("too late")

    write_mail()

    Sender(app, channels={"mail": Slow()}).run_once()

    assert row().state == "sent"


def test_several_senders_send_each_message_once(app):
    for number in range(30):
        write_mail(to=f"person{number}@example.org")
    together = threading.Barrier(4)

    def send(_):
        fake = Fake()
        one = Sender(app, channels={"mail": fake})
        together.wait()
        one.run_once()
        return [message.to for message in fake.sent]

    with ThreadPoolExecutor(4) as pool:
        sent = [to for one in pool.map(send, range(4)) for to in one]

    assert sorted(sent) == sorted({f"person{number}@example.org" for number in range(30)})


def test_a_message_sealed_by_a_secret_that_is_gone_fails_alone(app, sender, mails):
    write_mail()
    write_mail()
    first = rows()[0].id
    with transaction() as session:
        session.execute(update(OutboxMessage).where(OutboxMessage.id == first).values(body_sealed=b"\x01" + b"0" * 40))

    assert sender.run_once() == 1
    assert sorted(each.state for each in rows()) == ["failed", "sent"]


def test_no_log_line_holds_an_address_or_a_text(app, sender, mails, texts):
    mails.problems = [None, Permanent("recipient refused: 550"), ValueError(ROSA)]
    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            write_mail()
        write_sms()
        write_sms(lives=0)
        sender.run_once()

    assert {line["event"] for line in lines} == {"message sent", "message not sent", "messages expired"}
    assert not [word for word in (ROSA, "rosa", PHONE, "791234567", "447683") if word in json.dumps(lines)]
    assert lines[0]["to"] == outbox.fingerprints(ROSA)[0]


# In the background


@pytest.fixture
def background(app, mails, texts):
    """Start a sender in the background; ends with the test."""
    started = []

    def start(channels=None, chores=()):
        one = Sender(app, chores, channels=channels or {"mail": mails, "sms": texts})
        one.start()
        started.append(one)
        return one

    yield start
    for one in started:
        one.stop()


def wait_for(condition, seconds=5.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def test_a_commit_wakes_the_sender_of_this_process_at_once(app, background, mails, monkeypatch):
    monkeypatch.setattr("idp.sender.PAUSE", 60.0)
    background()
    time.sleep(0.3)  # the first look is over

    write_mail()

    wait_for(lambda: mails.sent, seconds=2)


def test_a_message_of_another_process_is_found_within_a_second(app, background, mails):
    background()
    del app.extensions["sender"]

    write_mail()

    wait_for(lambda: mails.sent, seconds=3)


def test_a_mail_server_that_hangs_does_not_keep_an_sms_waiting(app, background, texts):
    hanging = threading.Event()

    class Hangs(Fake):
        def send(self, message):
            hanging.wait(20)
            raise Unreachable("not reached: TimeoutError")

    background({"mail": Hangs(), "sms": texts})
    write_mail()
    write_sms()

    wait_for(lambda: texts.sent, seconds=3)
    hanging.set()


def test_a_thread_survives_what_it_did_not_expect(app, background, mails, monkeypatch):
    seen = []

    def broken(medium):
        seen.append(medium)
        raise RuntimeError(ROSA)

    monkeypatch.setattr("idp.sender.PAUSE", 0.01)
    with monkeypatch.context() as patch:
        patch.setattr("idp.sender._leases", broken)
        background()
        wait_for(lambda: len(seen) > 2)
    write_mail()

    wait_for(lambda: mails.sent)


def test_chores_are_done_again_and_again_and_one_that_fails_stops_no_other(app, background):
    done = []

    def fail():
        raise RuntimeError(ROSA)

    def work():
        done.append(provider.settings.issuer)

    with structlog.testing.capture_logs() as lines:
        background(chores=[(0.02, fail), (0.02, work)])
        wait_for(lambda: len(done) >= 3)

    assert {"event": "chore failed", "error": "RuntimeError"}.items() <= lines[0].items()
    assert ROSA not in json.dumps(lines)


def test_stopping_ends_every_thread(app, background):
    one = background(chores=[(3600, lambda: None)])
    names = {"sender-mail", "sender-sms", "sender-chores"}
    assert names <= {thread.name for thread in threading.enumerate()}

    one.stop()

    assert not names & {thread.name for thread in threading.enumerate()}
    assert "sender" not in app.extensions


# In development


def test_the_development_outbox_shows_what_was_sent_newest_first(app, browser):
    with time_machine.travel(now(), tick=False) as clock:
        write_mail(lives=86400)
        clock.shift(1)
        write_sms(lives=86400)
        clock.shift(1)
        write_mail("exists", lives=0)
        Sender(app).run_once()

    listed = browser.get("/dev/outbox.json").json
    page = browser.get("/dev/outbox")

    assert [(each["medium"], each["to"]) for each in listed] == [("sms", PHONE), ("mail", ROSA)]
    assert listed[1]["subject"].startswith("447683 ")
    assert set(listed[0]) == {"id", "medium", "name", "to", "subject", "text", "html", "at"}
    assert datetime.fromisoformat(listed[0]["at"]) - datetime.fromisoformat(listed[1]["at"]) == timedelta(seconds=1)
    assert page.text.index(PHONE) < page.text.index(ROSA)
    assert "447683" in page.text
    assert "style=" not in page.text


@pytest.mark.parametrize("query", ["?to=%2B41791234567", "?to=+41791234567"])
def test_the_development_outbox_of_one_address(app, browser, query):
    write_mail()
    write_sms()

    assert [each["to"] for each in browser.get(f"/dev/outbox.json{query}").json] == [PHONE]
    assert ROSA not in browser.get(f"/dev/outbox{query}").text


def test_a_message_on_the_development_page_is_text_and_not_markup(app, browser):
    write_mail("activated", method="app", email="<script>alert(1)</script>")

    assert "<script>alert" not in browser.get("/dev/outbox").text


@pytest.mark.parametrize("path", ["/dev/outbox", "/dev/outbox.json"])
def test_nobody_reads_the_outbox_outside_development(app, browser, configure, path):
    write_sms()
    configure(environment="production")

    answer = browser.get(path)

    assert answer.status_code == 404
    assert "447683" not in answer.text


def test_the_clock_time_is_swiss(app):
    summer = datetime(2026, 7, 1, 12, 5, tzinfo=UTC)

    assert outbox.clock_time(summer, "de") == "14.05"
    assert outbox.clock_time(summer.timestamp(), "it") == "14:05"
