"""SMS over HTTP, against a gateway of our own; eCall and ASPSMS as their documents describe them (security.md F14)."""

import base64
import json
import secrets
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer
from urllib.parse import parse_qs

import pytest

from idp.channels import sms_http
from idp.channels.sms_http import SmsHttp
from idp.message import Message
from idp.message import Permanent
from idp.message import Temporary
from idp.message import Unreachable
from idp.message import Unsure
from idp.settings import BadSetting
from idp.settings import Settings

TO = "+41791234567"
TEXT = "Votre code:\n447683\nCordialement,\nCaisse de pension Valora\n\n@localhost #447683"
GENERIC = {"fields": {"to": "{to}", "text": "{text}", "from": "{sender}"}}


class Gateway(ThreadingHTTPServer):
    """Keeps the requests; answers what the test wants, or not at all."""

    daemon_threads = True
    block_on_close = False

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests = []
        self.answers = []
        self.patience = threading.Event()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/send"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((self.path, self.headers, body))
        status, headers, answer = self.server.answers.pop(0) if self.server.answers else (200, {}, b"{}")
        if status == 0:
            self.server.patience.wait(10)
            return
        if status == -1:
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def do_HEAD(self):
        self.send_response(404)
        self.end_headers()

    def log_message(self, *arguments):
        pass


@pytest.fixture
def gateway():
    with Gateway() as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.patience.set()
        server.shutdown()


def settings(url, **more):
    given = {
        "environment": "development",
        "issuer": "http://localhost:8400",
        "secret": secrets.token_urlsafe(48),
        "sms_sender": "Valora PK",
        "sms_url": url,
        "sms_username": "fund",
        "sms_password": "geheim",
        "sms_request": GENERIC,
        "sms_timeout": 1.0,
    }
    return Settings(**{**given, **more})


def message(**changes):
    given = {"id": "m1", "medium": "sms", "name": "code", "to": TO, "language": "fr-CH", "text": TEXT}
    return Message(**{**given, **changes})


def test_a_json_gateway_gets_number_text_and_sender(gateway):
    SmsHttp(settings(gateway.url)).send(message())

    ((path, headers, body),) = gateway.requests
    assert path == "/send"
    assert headers["Content-Type"] == "application/json; charset=utf-8"
    assert json.loads(body) == {"to": TO, "text": TEXT, "from": "Valora PK"}


def test_a_form_gateway_gets_the_same_as_a_form(gateway):
    request = {"format": "form", "fields": {"user": "{username}", "pw": "{password}", "n": "{to_00}", "t": "{text}"}}

    SmsHttp(settings(gateway.url, sms_request=request)).send(message(text="à bientôt & merci"))

    ((_, headers, body),) = gateway.requests
    assert headers["Content-Type"].startswith("application/x-www-form-urlencoded")
    assert parse_qs(body.decode()) == {
        "user": ["fund"],
        "pw": ["geheim"],
        "n": ["0041791234567"],
        "t": ["à bientôt & merci"],
    }


def test_headers_carry_credentials_where_the_gateway_wants_them(gateway):
    request = {"headers": {"X-Token": "{password}"}, "auth": "basic", **GENERIC}

    SmsHttp(settings(gateway.url, sms_request=request)).send(message())

    headers = gateway.requests[0][1]
    assert headers["X-Token"] == "geheim"
    assert headers["Authorization"] == "Basic " + base64.b64encode(b"fund:geheim").decode()


def test_braces_in_a_text_are_only_braces(gateway):
    SmsHttp(settings(gateway.url)).send(message(text="{password} {to}"))

    assert json.loads(gateway.requests[0][2])["text"] == "{password} {to}"


def test_ecall_gets_what_its_document_describes(gateway):
    """The REST API of eCall, version 2: basic authentication, one JSON object."""
    gateway.answers = [(201, {}, b'{"messageId":"1b2c"}')]

    SmsHttp(settings(gateway.url, sms_gateway="ecall", sms_request={})).send(message())

    ((_, headers, body),) = gateway.requests
    assert headers["Authorization"] == "Basic " + base64.b64encode(b"fund:geheim").decode()
    assert json.loads(body) == {
        "channel": "Sms",
        "from": "Valora PK",
        "to": TO,
        "content": {"type": "Text", "text": TEXT},
    }


def test_aspsms_gets_what_its_document_describes(gateway):
    gateway.answers = [(200, {}, b'{"StatusCode":"1","StatusInfo":"OK"}')]

    SmsHttp(settings(gateway.url, sms_gateway="aspsms", sms_request={})).send(message())

    assert json.loads(gateway.requests[0][2]) == {
        "UserName": "fund",
        "Password": "geheim",
        "Originator": "Valora PK",
        "Recipients": [TO],
        "MessageText": TEXT,
    }


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b'{"StatusCode":"3","StatusInfo":"Authorization failed for geheim"}', "refused: StatusCode is 3"),
        (b'{"StatusCode":"+41791234567"}', "refused: StatusCode is something else"),
        (b"{}", "refused: StatusCode is something else"),
        (b"[1]", "refused: StatusCode is something else"),
        (b"<html>", "refused: the answer is not JSON"),
    ],
)
def test_aspsms_says_no_with_status_200(gateway, answer, reason):
    gateway.answers = [(200, {}, answer)]

    with pytest.raises(Temporary) as problem:
        SmsHttp(settings(gateway.url, sms_gateway="aspsms", sms_request={})).send(message())

    assert problem.value.reason == reason


@pytest.mark.parametrize("name", ["ecall", "aspsms"])
def test_the_ready_settings_name_the_vendors_own_host_over_tls(name):
    channel = SmsHttp(settings(None, sms_gateway=name, sms_request={}))

    assert channel._send.url.startswith(("https://rest.ecall.ch/", "https://json.aspsms.com/"))


def test_success_may_be_a_word_in_the_answer(gateway):
    request = {**GENERIC, "success": {"status": [200], "contains": "ACCEPTED"}}
    channel = SmsHttp(settings(gateway.url, sms_request=request))
    gateway.answers = [(200, {}, b"ACCEPTED 1"), (200, {}, b"QUEUE FULL")]

    channel.send(message())

    with pytest.raises(Temporary):
        channel.send(message())


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((status, Permanent) for status in (400, 422)),
        *((status, Temporary) for status in (302, 401, 403, 404, 500)),
        *((status, Unreachable) for status in (429, 503)),
        (504, Unsure),
    ],
)
def test_only_a_refused_content_is_final(gateway, status, kind):
    gateway.answers = [(status, {"Location": gateway.url}, b"for +41791234567 with geheim")]

    with pytest.raises((Permanent, Temporary)) as problem:
        SmsHttp(settings(gateway.url)).send(message())

    assert type(problem.value) is kind
    assert problem.value.reason == f"HTTP {status}"
    assert len(gateway.requests) == 1  # no redirect is followed, nothing is repeated here


def test_a_gateway_that_is_busy_says_when_to_come_back(gateway):
    gateway.answers = [(429, {"Retry-After": "37"}, b""), (429, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, b"")]
    channel = SmsHttp(settings(gateway.url))

    with pytest.raises(Unreachable) as in_seconds:
        channel.send(message())
    with pytest.raises(Unreachable) as as_date:
        channel.send(message())

    assert (in_seconds.value.after, as_date.value.after) == (37, 0)


@pytest.mark.parametrize("behaviour", [0, -1])
def test_an_sms_that_was_handed_over_without_an_answer_is_in_doubt(gateway, behaviour):
    """It may be on its way: the outbox must know before it pays twice."""
    gateway.answers = [(behaviour, {}, b"")]
    begun = time.monotonic()

    with pytest.raises(Unsure):
        SmsHttp(settings(gateway.url, sms_timeout=0.3)).send(message())

    assert time.monotonic() - begun < 2


def test_a_gateway_that_is_not_there_was_never_asked():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        channel = SmsHttp(settings(f"http://127.0.0.1:{probe.getsockname()[1]}/send"))

        with pytest.raises(Unreachable):
            channel.send(message())
        with pytest.raises(Unreachable):
            channel.check()


def test_an_endless_answer_is_not_read_to_its_end(gateway):
    gateway.answers = [(200, {}, b'{"StatusCode":"1"}' + b" " * (2 * sms_http.LONGEST_ANSWER))]

    SmsHttp(settings(gateway.url, sms_gateway="aspsms", sms_request={})).send(message())


def test_the_check_reaches_the_gateway_without_sending(gateway):
    said = SmsHttp(settings(gateway.url)).check()

    assert gateway.requests == []
    assert "answers" in said


def test_the_check_of_aspsms_proves_the_account(gateway, monkeypatch):
    check = sms_http.GATEWAYS["aspsms"]["check"].model_copy(update={"url": gateway.url})
    send = sms_http.GATEWAYS["aspsms"]["send"]
    monkeypatch.setitem(sms_http.GATEWAYS, "aspsms", {"send": send, "check": check})
    channel = SmsHttp(settings(None, sms_gateway="aspsms", sms_request={}))
    gateway.answers = [(200, {}, b'{"Credits":"10","StatusCode":"1"}'), (200, {}, b'{"StatusCode":"3"}')]

    said = channel.check()

    assert said == "json.aspsms.com answers and knows the account."
    assert json.loads(gateway.requests[0][2]) == {"UserName": "fund", "Password": "geheim"}
    with pytest.raises(Temporary):
        channel.check()


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ({"sms_url": None}, "IDP_SMS_URL"),
        ({"sms_url": "http://gateway.example/send"}, "IDP_SMS_URL: use https"),
        ({"sms_url": "gateway.example"}, "IDP_SMS_URL"),
        ({"sms_request": {"fields": {"to": "{to}"}}}, "IDP_SMS_REQUEST"),
        ({"sms_request": {**GENERIC, "method": "GET"}}, "IDP_SMS_REQUEST: method"),
        ({"sms_request": {**GENERIC, "url": "https://other.example"}}, "IDP_SMS_REQUEST"),
        ({"sms_request": {**GENERIC, "fromat": "form"}}, "IDP_SMS_REQUEST: fromat"),
        ({"sms_gateway": "ecall", "sms_password": None}, "IDP_SMS_PASSWORD"),
    ],
)
def test_incomplete_settings_stop_the_start_and_say_which(more, name):
    with pytest.raises(BadSetting, match=name):
        SmsHttp(settings("https://gateway.example/send").model_copy(update=more))
