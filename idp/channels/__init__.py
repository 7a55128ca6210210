"""How messages leave: one file a channel, named here once; siblings never import one another.

smtp.py       mail through any SMTP server
sms_http.py   SMS through a gateway's HTTP interface: eCall, ASPSMS, or any other by settings
smpp.py       SMS through an SMSC
outbox.py     nowhere: they stay readable in the outbox (development)
backchannel.py    calls to applications: a session has ended, an answer waits
"""

from ..message import Channel
from ..settings import Settings
from .backchannel import Backchannel
from .outbox import Outbox
from .smpp import Smpp
from .sms_http import SmsHttp
from .smtp import Smtp

CHANNELS: tuple[type[Channel], ...] = (Smtp, SmsHttp, Smpp, Outbox, Backchannel)
"""Every channel there is."""


def choose(settings: Settings) -> dict[str, Channel]:
    """The channel of each medium, as the settings have it; raises `BadSetting` where one is not complete."""
    return {medium: one(settings, medium) for medium in ("mail", "sms", "logout", "ping")}


def one(settings: Settings, medium: str) -> Channel:
    """The channel of one medium, whatever the others lack."""
    chosen = {"mail": settings.mail_channel, "sms": settings.sms_channel}
    return _named(chosen.get(medium, Backchannel.name), medium)(settings)


def _named(name: str, medium: str) -> type[Channel]:
    return next(channel for channel in CHANNELS if channel.name == name and medium in channel.media)
