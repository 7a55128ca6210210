"""SMS through an SMSC (SMPP 3.4), bound as a transmitter for as long as messages are due."""

import logging
import socket
import ssl
import time
from contextlib import suppress
from typing import Any

from smpplib import consts
from smpplib.client import Client
from smpplib.exceptions import ConnectionError as LineLost
from smpplib.exceptions import PDUError
from smpplib.exceptions import UnknownCommandError
from smpplib.smpp import make_pdu

from .. import gsm
from ..message import Channel
from ..message import Message
from ..message import Permanent
from ..message import Temporary
from ..message import Unreachable
from ..message import Unsure
from ..settings import BadSetting
from ..settings import Settings

SILENT = logging.getLogger("idp.smpp")
SILENT.setLevel(logging.CRITICAL + 1)  # smpplib writes whole PDUs, password and code included, to its log

NEVER = {consts.SMPP_ESME_RINVDSTADR, consts.SMPP_ESME_RINVDSTTON, consts.SMPP_ESME_RINVDSTNPI}
"""Command statuses about the recipient's number (SMPP 3.4 §5.1.3)."""
BUSY = {consts.SMPP_ESME_RTHROTTLED, consts.SMPP_ESME_RMSGQFUL}


class Smpp(Channel):
    """One bind for all SMS that are due together."""

    name = "smpp"
    media = frozenset({"sms"})

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._client: _Client | None = None
        missing = [name for name in ("smpp_host", "smpp_system_id", "smpp_password") if not getattr(settings, name)]
        if missing:
            names = ", ".join(f"IDP_{name.upper()}" for name in missing)
            raise BadSetting(f"{names}: the SMSC needs it; it is not set.")

    def send(self, message: Message) -> None:
        try:
            text = gsm.encode(message.text)
        except gsm.NotGsm:
            raise Permanent("not in the alphabet of an SMS") from None
        client = self._bound()
        try:
            submitted = client.send_message(**_addresses(self.settings.sms_sender, message.to), short_message=text)
            status = _await_answer(client, submitted.sequence, self.settings.sms_timeout)
        except _LOST as trouble:
            self._drop()
            raise Unsure(f"no answer: {type(trouble).__name__}") from None
        _judge(status)

    def check(self) -> str:
        try:
            self._bound()
        finally:
            self.close()
        return f"{self.settings.smpp_host}:{self.settings.smpp_port} answers and knows the account."

    def close(self) -> None:
        if self._client is None:
            return
        with suppress(*_LOST):
            self._client.unbind()
        self._drop()

    def _bound(self) -> "_Client":
        if self._client is not None:
            return self._client
        settings = self.settings
        password = settings.smpp_password.get_secret_value() if settings.smpp_password else ""
        trust = ssl.create_default_context() if settings.smpp_security == "tls" else None
        self._client = client = _Client(str(settings.smpp_host), settings.smpp_port, settings.sms_timeout, trust)
        try:
            client.connect()
            client.bind_transmitter(system_id=settings.smpp_system_id, password=password)
        except PDUError as refusal:
            self._drop()
            raise Unreachable(f"not let in: {_status(refusal)}") from None
        except _LOST as trouble:
            self._drop()
            raise Unreachable(f"not reached: {type(trouble).__name__}") from None
        return client

    def _drop(self) -> None:
        if self._client is not None:
            self._client.state = consts.SMPP_CLIENT_STATE_OPEN  # smpplib complains where a bind ends any other way
            self._client.disconnect()
        self._client = None


class _Client(Client):  # type: ignore[misc]
    """smpplib's client over IPv4 or IPv6, with the host's name verified where there is TLS."""

    def __init__(self, host: str, port: int, timeout: float, trust: ssl.SSLContext | None) -> None:
        super().__init__(host, port, timeout, logger_name=SILENT.name, ssl_context=trust, allow_unknown_opt_params=True)

    def connect(self) -> None:
        raw = socket.create_connection((self.host, self.port), timeout=self.timeout)
        try:
            trust = self._ssl_context
            self._socket = trust.wrap_socket(raw, server_hostname=self.host) if trust else raw
        except BaseException:
            raw.close()
            raise
        self.state = consts.SMPP_CLIENT_STATE_OPEN


_LOST = (OSError, LineLost, PDUError, UnknownCommandError, ValueError, LookupError)
"""What smpplib raises when the line drops, or when something unreadable comes."""


def _addresses(sender: str, to: str) -> dict[str, Any]:
    """Numbers in international form without a plus, names as alphanumeric senders (SMPP 3.4 §5.2.5)."""
    number = sender.removeprefix("+").isdecimal()
    return {
        "source_addr_ton": consts.SMPP_TON_INTL if number else consts.SMPP_TON_ALNUM,
        "source_addr_npi": consts.SMPP_NPI_ISDN if number else consts.SMPP_NPI_UNK,
        "source_addr": sender.removeprefix("+"),
        "dest_addr_ton": consts.SMPP_TON_INTL,
        "dest_addr_npi": consts.SMPP_NPI_ISDN,
        "destination_addr": to.removeprefix("+"),
        "data_coding": consts.SMPP_ENCODING_DEFAULT,
        "esm_class": consts.SMPP_MSGMODE_DEFAULT,
        "registered_delivery": False,
    }


def _await_answer(client: Any, sequence: int, seconds: float) -> int:
    """The command status of the answer to our submit_sm; a question whether we live is answered meanwhile."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        pdu = client.read_pdu()
        if pdu.sequence == sequence and pdu.command in {"submit_sm_resp", "generic_nack"}:
            return int(pdu.status)
        if pdu.command == "enquire_link":
            answer = make_pdu("enquire_link_resp", client=client)
            answer.sequence = pdu.sequence
            client.send_pdu(answer)
    raise TimeoutError


def _judge(status: int) -> None:
    if status == consts.SMPP_ESME_ROK:
        return
    reason = f"refused: {status:#x}"
    if status in NEVER:
        raise Permanent(reason)
    if status in BUSY:
        raise Unreachable(reason)
    raise Temporary(reason)


def _status(refusal: PDUError) -> str:
    return f"{refusal.args[1]:#x}" if len(refusal.args) > 1 else type(refusal).__name__
