"""Mail through an SMTP server (RFC 5321), over TLS that is verified.

A server that is down, slow, greylisting, or set up wrongly on either side makes a mail wait; only a refused recipient
or content (a 5xx answer to RCPT or DATA, RFC 5321 §4.2.1) ends it.
"""

import re
import smtplib
import ssl
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from email.utils import parseaddr

from ..clock import now
from ..email_address import EmailProblem
from ..email_address import for_sending
from ..message import Channel
from ..message import Message
from ..message import Permanent
from ..message import Temporary
from ..message import Unreachable
from ..settings import LOOPBACK
from ..settings import BadSetting
from ..settings import Settings

ENHANCED_CODE = re.compile(rb"^[245]\.\d{1,3}\.\d{1,3}\b")


class Smtp(Channel):
    """One connection for all mails that are due together."""

    name = "smtp"
    media = frozenset({"mail"})

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._connection: smtplib.SMTP | None = None
        if settings.smtp_security == "none" and settings.smtp_password and settings.smtp_host not in LOOPBACK:
            raise BadSetting("IDP_SMTP_SECURITY: none would send the password in clear; use starttls or tls.")
        if "@" not in parseaddr(settings.mail_from)[1]:
            raise BadSetting("IDP_MAIL_FROM: give a name and an address, for example myVPK <noreply@fund.ch>.")

    def send(self, message: Message) -> None:
        letter, to = compose(message, self.settings)
        connection = self._connected()
        try:
            connection.send_message(letter, from_addr=parseaddr(self.settings.mail_from)[1], to_addrs=[to])
        except smtplib.SMTPRecipientsRefused as refusal:
            raise _verdict("recipient", *next(iter(refusal.recipients.values()))) from None
        except smtplib.SMTPDataError as refusal:
            raise _verdict("content", refusal.smtp_code, refusal.smtp_error) from None
        except smtplib.SMTPResponseException as refusal:  # the sender, or the order of commands: ours to mend
            raise Temporary(_reason("refused", refusal.smtp_code, refusal.smtp_error)) from None
        except (smtplib.SMTPException, OSError) as trouble:
            self._drop()
            raise Temporary(f"lost: {type(trouble).__name__}") from None

    def check(self) -> str:
        try:
            self._connected()
        finally:
            self.close()
        who = "signed in" if self.settings.smtp_username else "without signing in"
        return f"{self.settings.smtp_host}:{self.settings.smtp_port} answers ({self.settings.smtp_security}, {who})."

    def close(self) -> None:
        if self._connection is None:
            return
        try:
            self._connection.quit()
        except (smtplib.SMTPException, OSError):
            self._connection.close()
        self._connection = None

    def _connected(self) -> smtplib.SMTP:
        """The open connection while it still answers, or a new one."""
        if self._connection is not None:
            try:
                if self._connection.noop()[0] == 250:
                    return self._connection
            except (smtplib.SMTPException, OSError):
                pass
            self._drop()
        try:
            self._connection = self._connect()
        except smtplib.SMTPResponseException as refusal:
            raise Unreachable(_reason("not let in", refusal.smtp_code, refusal.smtp_error)) from None
        except smtplib.SMTPNotSupportedError:
            raise Unreachable("the server does not offer what the settings demand (STARTTLS or AUTH)") from None
        except (smtplib.SMTPException, OSError, ValueError) as trouble:
            raise Unreachable(f"not reached: {type(trouble).__name__}") from None
        return self._connection

    def _connect(self) -> smtplib.SMTP:
        settings = self.settings
        trust = ssl.create_default_context()
        host, port, seconds = settings.smtp_host, settings.smtp_port, settings.smtp_timeout
        name = settings.host  # else smtplib asks DNS for our own name, and may wait for it
        connection: smtplib.SMTP
        if settings.smtp_security == "tls":
            connection = smtplib.SMTP_SSL(host, port, local_hostname=name, timeout=seconds, context=trust)
        else:
            connection = smtplib.SMTP(host, port, local_hostname=name, timeout=seconds)
        try:
            if settings.smtp_security == "starttls":
                connection.starttls(context=trust)
            if settings.smtp_username:
                password = settings.smtp_password.get_secret_value() if settings.smtp_password else ""
                connection.login(settings.smtp_username, password)
        except BaseException:
            connection.close()
            raise
        return connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def compose(message: Message, settings: Settings) -> tuple[EmailMessage, str]:
    """The mail and its recipient; the HTML part only repeats the text (pages.md 2.4).

    The header classes of `email` refuse line breaks, so that no name or address adds a header or a recipient.
    """
    try:
        to = for_sending(message.to)
        letter = EmailMessage(policy=SMTP)
        letter["From"] = settings.mail_from
        letter["To"] = Address(addr_spec=to)
        letter["Subject"] = message.subject
        letter["Date"] = format_datetime(now())
        letter["Message-ID"] = f"<{message.id}@{settings.host}>"  # the same at every try: a repetition is recognised
        if settings.mail_reply_to:
            letter["Reply-To"] = settings.mail_reply_to
        letter["Auto-Submitted"] = "auto-generated"  # RFC 3834 §5: out-of-office replies stay at home
        letter.set_content(message.text, cte="quoted-printable")
        if message.html:
            letter.add_alternative(message.html, subtype="html", cte="quoted-printable")
        letter["Content-Language"] = message.language  # last, for parts take every Content-* header with them
    except EmailProblem:
        raise Permanent("not an address") from None
    except (ValueError, IndexError) as problem:
        raise Permanent(f"not a mail: {type(problem).__name__}") from None
    return letter, to


def _verdict(what: str, code: int, answer: bytes | str) -> Permanent | Temporary:
    reason = _reason(f"{what} refused", code, answer)
    return Permanent(reason) if 500 <= code < 600 else Temporary(reason)


def _reason(what: str, code: int, answer: bytes | str) -> str:
    """The numbers of an answer (RFC 3463), never its words: servers like to repeat the address."""
    enhanced = ENHANCED_CODE.match(answer if isinstance(answer, bytes) else answer.encode())
    return f"{what}: {code}" + (f" {enhanced[0].decode()}" if enhanced else "")
