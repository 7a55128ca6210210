"""Mail through SMTP, against servers that accept, refuse, greylist, drop and hang (security.md F13)."""

import datetime
import secrets
import socket
import ssl
import threading
import time
from email import message_from_bytes
from email.policy import default
from ipaddress import ip_address

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from idp.channels.smtp import Smtp
from idp.message import Message
from idp.message import Permanent
from idp.message import Temporary
from idp.message import Unreachable
from idp.settings import BadSetting
from idp.settings import Settings

TO = "rosa.keller@example.org"
HTML = "<!doctype html><p>447683</p>"


def message(**changes):
    given = {
        "id": "m1",
        "medium": "mail",
        "name": "enrol_code",
        "to": TO,
        "language": "fr-CH",
        "subject": "447683 est votre code de confirmation myVPK",
        "text": "Bonjour,\n\n447683\n\nà bientôt",
        "html": HTML,
    }
    return Message(**{**given, **changes})


def settings(port, **more):
    given = {
        "environment": "development",
        "issuer": "http://localhost:8400",
        "secret": secrets.token_urlsafe(48),
        "mail_from": "myVPK <noreply@fund.example>",
        "mail_reply_to": "help@fund.example",
        "smtp_host": "localhost",
        "smtp_port": port,
        "smtp_security": "none",
        "smtp_timeout": 2.0,
    }
    return Settings(**{**given, **more})


class Mailbox:
    """An SMTP server's handler: keeps what arrives, answers what the test wants."""

    def __init__(self):
        self.mails = []
        self.peers = set()
        self.to_mail, self.to_rcpt, self.to_data = [], [], []

    async def handle_MAIL(self, server, session, envelope, address, options):
        if self.to_mail:
            return self.to_mail.pop(0)
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        if self.to_rcpt:
            return self.to_rcpt.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        answer = self.to_data.pop(0) if self.to_data else "250 OK"
        if answer.startswith("2"):
            self.mails.append(envelope)
            self.peers.add(session.peer)
        return answer


@pytest.fixture
def mailbox():
    return Mailbox()


@pytest.fixture
def served():
    """Start a server for a mailbox; gives its port."""
    running = []

    def start(handler, **options):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        controller = Controller(handler, hostname="127.0.0.1", port=port, **options)
        controller.start()
        running.append(controller)
        return port

    yield start
    for controller in running:
        controller.stop()


@pytest.fixture
def smtp(served, mailbox):
    """A channel to the mailbox."""
    channel = Smtp(settings(served(mailbox)))
    yield channel
    channel.close()


@pytest.fixture
def raw_server():
    """A server of one connection that plays a script: `script(reader, socket)`; gives its port."""
    opened = []

    def start(script):
        listener = socket.create_server(("127.0.0.1", 0))
        opened.append(listener)

        def run():
            try:
                while True:
                    connection, _ = listener.accept()
                    opened.append(connection)
                    with connection, connection.makefile("rb") as reader:
                        script(reader, connection)
            except OSError:
                return

        threading.Thread(target=run, daemon=True).start()
        return listener.getsockname()[1]

    yield start
    for each in opened:
        each.close()


def test_a_mail_arrives_complete_in_both_parts(smtp, mailbox):
    smtp.send(message())

    (envelope,) = mailbox.mails
    mail = message_from_bytes(envelope.content, policy=default)
    assert envelope.mail_from == "noreply@fund.example"
    assert envelope.rcpt_tos == [TO]
    assert mail["Subject"] == "447683 est votre code de confirmation myVPK"
    assert mail["From"] == "myVPK <noreply@fund.example>"
    assert mail["To"] == TO
    assert mail.get_body(("plain",)).get_content().splitlines() == ["Bonjour,", "", "447683", "", "à bientôt"]
    assert mail.get_body(("html",)).get_content().strip() == HTML


def test_a_mail_says_that_a_machine_wrote_it_and_where_a_person_reads(smtp, mailbox):
    """RFC 3834 §5: no automatic answer comes back; pages.md 2.4: the reply address is a monitored mailbox."""
    smtp.send(message())

    mail = message_from_bytes(mailbox.mails[0].content, policy=default)
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Reply-To"] == "help@fund.example"
    assert mail["Content-Language"] == "fr-CH"
    assert mail["Date"].datetime.tzinfo is not None


def test_every_try_carries_the_same_message_id_of_our_host(smtp, mailbox):
    smtp.send(message())
    smtp.send(message())

    ids = {message_from_bytes(envelope.content, policy=default)["Message-ID"] for envelope in mailbox.mails}
    assert ids == {"<m1@localhost>"}


def test_several_mails_share_one_connection(smtp, mailbox):
    for number in range(3):
        smtp.send(message(id=f"m{number}"))

    assert len(mailbox.mails) == 3
    assert len(mailbox.peers) == 1


def test_a_domain_with_umlauts_goes_out_in_ascii(smtp, mailbox):
    smtp.send(message(to="rosa@müller.example"))

    assert mailbox.mails[0].rcpt_tos == ["rosa@xn--mller-kva.example"]


def test_a_greylisted_mail_is_accepted_later_on_the_same_connection(smtp, mailbox):
    mailbox.to_rcpt = ["450 4.2.0 <rosa.keller@example.org>: greylisted, come back later"]

    with pytest.raises(Temporary) as problem:
        smtp.send(message())
    smtp.send(message())

    assert problem.value.reason == "recipient refused: 450 4.2.0"
    assert len(mailbox.mails) == 1


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ({"to_rcpt": ["550 5.1.1 <rosa.keller@example.org> unknown"]}, Permanent),
        ({"to_data": ["554 5.7.1 rosa.keller@example.org does not want this"]}, Permanent),
        ({"to_data": ["451 4.3.0 disk full, rosa.keller@example.org"]}, Temporary),
        ({"to_mail": ["553 5.7.1 sender not allowed"]}, Temporary),
        ({"to_mail": ["421 4.3.2 rosa.keller@example.org shutting down"]}, Temporary),
    ],
)
def test_a_refusal_is_final_only_where_it_is_about_the_recipient_or_the_content(smtp, mailbox, answers, kind):
    """RFC 5321 §4.2.1; the answer's words are not repeated, for they hold the address."""
    for name, lines in answers.items():
        setattr(mailbox, name, lines)

    with pytest.raises((Permanent, Temporary)) as problem:
        smtp.send(message())

    assert type(problem.value) is kind
    assert "rosa" not in str(problem.value)
    assert mailbox.mails == []


def test_a_server_that_drops_the_line_after_the_mail_is_asked_again(raw_server):
    bodies = []

    def script(reader, connection):
        connection.sendall(b"220 ready\r\n")
        for line in reader:
            word = line[:4].upper()
            if word == b"DATA":
                connection.sendall(b"354 go on\r\n")
                body = b"".join(iter(reader.readline, b".\r\n"))
                bodies.append(body)
                if len(bodies) == 1:
                    return  # drops without an answer
                connection.sendall(b"250 OK\r\n")
            else:
                connection.sendall(b"250 OK\r\n")

    channel = Smtp(settings(raw_server(script)))

    with pytest.raises(Temporary):
        channel.send(message())
    channel.send(message())
    channel.close()

    assert len(bodies) == 2
    assert [body.count(b"447683") for body in bodies] == [bodies[0].count(b"447683")] * 2


def test_a_server_that_hangs_is_given_up_after_the_time_out(raw_server):
    port = raw_server(lambda reader, connection: reader.readline())
    channel = Smtp(settings(port, smtp_timeout=0.3))

    begun = time.monotonic()

    with pytest.raises(Unreachable):
        channel.send(message())

    assert time.monotonic() - begun < 2


def test_a_connection_that_died_between_two_mails_is_replaced(smtp, mailbox):
    smtp.send(message())
    smtp._connection.sock.shutdown(socket.SHUT_RDWR)

    smtp.send(message(id="m2"))

    assert len(mailbox.mails) == 2


def test_a_server_that_is_not_there_makes_the_mail_wait():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        channel = Smtp(settings(probe.getsockname()[1]))

        with pytest.raises(Unreachable):
            channel.send(message())


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": "Hallo\r\nBcc: everybody@example.org"},
        {"subject": "Hallo\nX: y"},
        {"to": "rosa@example.org\r\nBcc: everybody@example.org"},
        {"to": "rosa@example.org, everybody@example.org"},
        {"to": "rosa@example.org>\r\nRCPT TO:<everybody@example.org"},
        {"to": "no address"},
    ],
)
def test_nobody_adds_a_header_or_a_recipient(smtp, mailbox, changes):
    """Security.md 2.73."""
    with pytest.raises(Permanent):
        smtp.send(message(**changes))

    assert mailbox.mails == []


def test_a_password_never_travels_in_clear():
    with pytest.raises(BadSetting, match="IDP_SMTP_SECURITY"):
        Smtp(settings(25, smtp_host="mail.example.org", smtp_password="geheim"))


def test_a_sender_without_an_address_stops_the_start():
    with pytest.raises(BadSetting, match="IDP_MAIL_FROM"):
        Smtp(settings(25, mail_from="myVPK"))


def test_a_message_shows_nothing_of_itself():
    assert "447683" not in repr(message())
    assert TO not in repr(message())


# Over TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for localhost that nobody trusts yet, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    today = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(built.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder


@pytest.fixture
def tls(certificate):
    """The server's side of TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    return context


def authenticator(known):
    def authenticate(server, session, envelope, mechanism, data):
        given = (data.login.decode(), data.password.decode())
        return AuthResult(success=given == known, handled=False)

    return authenticate


def test_a_mail_goes_over_starttls_with_name_and_password(served, mailbox, tls, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
    port = served(mailbox, tls_context=tls, require_starttls=True, authenticator=authenticator(("idp", "geheim")))
    channel = Smtp(settings(port, smtp_security="starttls", smtp_username="idp", smtp_password="geheim"))

    channel.send(message())
    said = channel.check()
    channel.close()

    assert len(mailbox.mails) == 1
    assert said == f"localhost:{port} answers (starttls, signed in)."


def test_a_mail_goes_over_tls_from_the_first_byte(served, mailbox, tls, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
    port = served(mailbox, ssl_context=tls)
    channel = Smtp(settings(port, smtp_security="tls"))

    channel.send(message())
    channel.close()

    assert len(mailbox.mails) == 1


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_nobody_vouches_for_is_refused(served, mailbox, tls, security):
    port = served(mailbox, **({"ssl_context": tls} if security == "tls" else {"tls_context": tls}))
    channel = Smtp(settings(port, smtp_security=security, smtp_username="idp", smtp_password="geheim"))

    with pytest.raises(Unreachable, match="SSLCertVerificationError"):
        channel.send(message())

    assert mailbox.mails == []


def test_a_certificate_for_another_name_is_refused(served, mailbox, tls, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
    port = served(mailbox, ssl_context=tls)
    channel = Smtp(settings(port, smtp_security="tls", smtp_host=str(ip_address("127.0.0.1"))))

    with pytest.raises(Unreachable, match="SSLCertVerificationError"):
        channel.send(message())


def test_a_server_that_lost_its_starttls_gets_no_mail(served, mailbox):
    """A middleman who strips STARTTLS reads nothing (RFC 3207 §6)."""
    channel = Smtp(settings(served(mailbox), smtp_security="starttls"))

    with pytest.raises(Unreachable, match="does not offer"):
        channel.send(message())

    assert mailbox.mails == []


def test_a_wrong_password_is_told_by_the_check_without_showing_it(served, mailbox, tls, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
    port = served(mailbox, tls_context=tls, require_starttls=True, authenticator=authenticator(("idp", "geheim")))
    channel = Smtp(settings(port, smtp_security="starttls", smtp_username="idp", smtp_password="verraten"))

    with pytest.raises(Unreachable) as problem:
        channel.check()

    assert problem.value.reason == "not let in: 535 5.7.8"
