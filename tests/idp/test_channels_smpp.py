"""SMS over SMPP 3.4, against a small SMSC of our own (security.md F14)."""

import logging
import secrets
import socket
import struct
import threading
import time
from types import SimpleNamespace

import pytest
from smpplib import consts
from smpplib.exceptions import UnknownCommandError
from smpplib.smpp import make_pdu
from smpplib.smpp import parse_pdu

from idp.channels.smpp import Smpp
from idp.message import Message
from idp.message import Permanent
from idp.message import Temporary
from idp.message import Unreachable
from idp.message import Unsure
from idp.settings import BadSetting
from idp.settings import Settings

TO = "+41791234567"
TEXT = "Il suo codice:\n447683\nCordiali saluti, città\n\n@localhost #447683"


class Smsc:
    """Listens, takes binds and messages, answers with the statuses the test wants."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.commands = []
        self.messages = []
        self.binds = []
        self.bind_status = 0
        self.statuses = []
        self.silent = False
        self.asks_whether_alive = False
        self._sequence = 1000
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        try:
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self._talk, args=(connection,), daemon=True).start()
        except OSError:
            return

    def _talk(self, connection):
        with connection:
            try:
                while True:
                    self._answer(connection, self._read(connection))
            except (OSError, UnknownCommandError):
                return

    def _read(self, connection):
        head = connection.recv(4, socket.MSG_WAITALL)
        if len(head) < 4:
            raise OSError
        raw = head + connection.recv(struct.unpack(">L", head)[0] - 4, socket.MSG_WAITALL)
        numbers = SimpleNamespace(sequence=0, next_sequence=lambda: 0)
        return parse_pdu(raw, client=numbers, allow_unknown_opt_params=True)

    def _answer(self, connection, pdu):
        self.commands.append(pdu.command)
        status = 0
        if pdu.command == "bind_transmitter":
            self.binds.append((pdu.system_id, pdu.password))
            status = self.bind_status
        if pdu.command == "submit_sm":
            self.messages.append(pdu)
            status = self.statuses.pop(0) if self.statuses else 0
            if self.silent:
                return
            if self.asks_whether_alive:
                self._send(connection, "enquire_link", 7)
        if not pdu.command.endswith("_resp"):
            given = {"message_id": "1"} if pdu.command == "submit_sm" else {}
            self._send(connection, f"{pdu.command}_resp", pdu.sequence, status=status, **given)

    def _send(self, connection, command, sequence, **given):
        answer = make_pdu(command, client=SimpleNamespace(sequence=sequence, next_sequence=lambda: sequence), **given)
        answer.sequence = sequence
        connection.sendall(answer.generate())


@pytest.fixture
def smsc():
    server = Smsc()
    yield server
    server.listener.close()


def settings(port, **more):
    given = {
        "environment": "development",
        "issuer": "http://localhost:8400",
        "secret": secrets.token_urlsafe(48),
        "sms_sender": "Valora PK",
        "sms_timeout": 2.0,
        "smpp_host": "127.0.0.1",
        "smpp_port": port,
        "smpp_security": "none",
        "smpp_system_id": "fund",
        "smpp_password": "geheim",
    }
    return Settings(**{**given, **more})


@pytest.fixture
def smpp(smsc):
    channel = Smpp(settings(smsc.port))
    yield channel
    channel.close()


def message(**changes):
    given = {"id": "m1", "medium": "sms", "name": "code", "to": TO, "language": "it-CH", "text": TEXT}
    return Message(**{**given, **changes})


def test_an_sms_arrives_in_the_alphabet_of_the_network(smpp, smsc):
    smpp.send(message())

    (submitted,) = smsc.messages
    assert submitted.short_message == TEXT.replace("à", "\x7f").replace("@", "\x00").encode("latin-1")
    assert submitted.data_coding == consts.SMPP_ENCODING_DEFAULT
    assert submitted.destination_addr == b"41791234567"
    assert (submitted.dest_addr_ton, submitted.dest_addr_npi) == (1, 1)
    assert submitted.source_addr == b"Valora PK"
    assert submitted.source_addr_ton == consts.SMPP_TON_ALNUM
    assert smsc.binds == [(b"fund", b"geheim")]


def test_a_number_as_sender_is_declared_as_one(smsc):
    channel = Smpp(settings(smsc.port, sms_sender="41795550123"))

    channel.send(message())
    channel.close()

    assert smsc.messages[0].source_addr_ton == consts.SMPP_TON_INTL


def test_several_sms_share_one_bind_that_is_ended_properly(smpp, smsc):
    for _ in range(3):
        smpp.send(message())
    smpp.close()

    assert smsc.commands == ["bind_transmitter", "submit_sm", "submit_sm", "submit_sm", "unbind"]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (consts.SMPP_ESME_RINVDSTADR, Permanent),
        (consts.SMPP_ESME_RTHROTTLED, Unreachable),
        (consts.SMPP_ESME_RMSGQFUL, Unreachable),
        (consts.SMPP_ESME_RSYSERR, Temporary),
        (consts.SMPP_ESME_RINVSRCADR, Temporary),
    ],
)
def test_only_a_number_nobody_can_reach_is_final(smpp, smsc, status, kind):
    smsc.statuses = [status]

    with pytest.raises((Permanent, Temporary)) as problem:
        smpp.send(message())
    smpp.send(message())

    assert type(problem.value) is kind
    assert problem.value.reason == f"refused: {status:#x}"
    assert len(smsc.binds) == 1


def test_a_question_whether_we_live_is_answered_while_we_wait(smpp, smsc):
    smsc.asks_whether_alive = True

    smpp.send(message())
    smpp.close()

    assert "enquire_link_resp" in smsc.commands


def test_an_sms_that_was_handed_over_without_an_answer_is_in_doubt(smsc):
    smsc.silent = True
    channel = Smpp(settings(smsc.port, sms_timeout=0.3))
    begun = time.monotonic()

    with pytest.raises(Unsure):
        channel.send(message())

    assert time.monotonic() - begun < 2
    assert len(smsc.messages) == 1


def test_after_a_doubt_the_next_sms_gets_a_new_bind(smsc):
    smsc.silent = True
    channel = Smpp(settings(smsc.port, sms_timeout=0.3))
    with pytest.raises(Unsure):
        channel.send(message())
    smsc.silent = False

    channel.send(message())
    channel.close()

    assert len(smsc.binds) == 2


def test_a_wrong_password_is_told_by_the_check_without_showing_it(smsc):
    smsc.bind_status = consts.SMPP_ESME_RINVPASWD

    with pytest.raises(Unreachable) as problem:
        Smpp(settings(smsc.port)).check()

    assert problem.value.reason == "not let in: 0xe"


def test_the_check_binds_and_sends_nothing(smpp, smsc):
    said = smpp.check()

    assert said == f"127.0.0.1:{smsc.port} answers and knows the account."
    assert smsc.commands == ["bind_transmitter", "unbind"]


def test_an_smsc_that_is_not_there_or_speaks_no_tls_was_never_asked(smsc):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = Smpp(settings(probe.getsockname()[1]))
        with pytest.raises(Unreachable):
            nobody.send(message())
    with pytest.raises(Unreachable):
        Smpp(settings(smsc.port, smpp_security="tls", sms_timeout=0.5)).send(message())

    assert smsc.messages == []


def test_a_text_outside_the_alphabet_is_not_sent_in_pieces(smpp, smsc):
    with pytest.raises(Permanent):
        smpp.send(message(text="Être"))

    assert smsc.messages == []


def test_no_log_holds_the_password_the_number_or_the_code(smpp, caplog):
    with caplog.at_level(logging.DEBUG):
        smpp.send(message())
        smpp.close()

    clear = [b"geheim", b"41791234567", b"447683"]
    assert not [word for word in clear if word.decode() in caplog.text or word.hex() in caplog.text]


def test_incomplete_settings_stop_the_start_and_say_which():
    with pytest.raises(BadSetting, match="IDP_SMPP_HOST, IDP_SMPP_PASSWORD"):
        Smpp(settings(2775, smpp_host=None, smpp_password=None))
