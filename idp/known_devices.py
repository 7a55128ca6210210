"""Known devices: browsers in which a person has signed in with both factors before (pages.md 2.1.8).

All that such a browser gains is a counter of its own for wrong passwords: whoever makes an account pause from elsewhere
does not keep its owner out (security.md 2.54). It replaces no factor and lifts no class. The cookie holds one mark per
person, the newest first, for couples share a computer; a mark is a keyed hash of the account, of the moments when
password and factors last changed, and of the moment it was given. So it says nothing of anybody, nobody can make one,
and it ends with the password, with the factors and with time.
"""

import hmac
import re
from collections.abc import Iterator

from flask import Response
from flask import request

from .clock import epoch
from .models import Account
from .provider import provider
from .session import cookie_name
from .session import set_cookie

PURPOSE = "known device"
PEOPLE = 4
"""So many people of one browser are remembered."""
DAY = 86400
LONGEST = 300
MARK = re.compile(r"([1-9][0-9]{0,10})~([\w-]{43})", re.ASCII)
NOBODY = "nobody, who is as long as an account and the two moments with which it is written down here"
"""Held against the cookie where there is no account, so that the work is the same; no mark is made of it."""


def remember(account: Account, response: Response) -> None:
    """Give this browser a new mark of a person who has just proven both factors here, beside those of others."""
    if not _seconds():
        return
    others = [mark for mark in _marks() if not _fits(mark, account)]
    moment = epoch()
    marks = [(moment, _mark(account, moment)), *others][:PEOPLE]
    value = ".".join(f"{given_at}~{mark}" for given_at, mark in marks)
    set_cookie(response, cookie_name("device"), value, seconds=_seconds())


def is_known(account: Account | None) -> bool:
    """Whether this browser has a living mark of this person; for nobody the same work, and False."""
    fits = [_fits(mark, account) for mark in _marks()]
    return account is not None and any(fits)


def _fits(given: tuple[int, str], account: Account | None) -> bool:
    moment, mark = given
    prints = provider.vault.fingerprints(PURPOSE, _stated(account, moment))
    return any([hmac.compare_digest(mark, each) for each in prints])  # noqa: C419 - always every comparison


def _mark(account: Account, moment: int) -> str:
    return provider.vault.fingerprint(PURPOSE, _stated(account, moment))


def _stated(account: Account | None, moment: int) -> str:
    if account is None:
        return f"{NOBODY} {moment}"
    changed = f"{account.password_changed_at.isoformat()} {account.factors_changed_at.isoformat()}"
    return f"{account.id} {changed} {moment}"


def _marks() -> list[tuple[int, str]]:
    """The marks of the cookie that are young enough; whether they are genuine is not said yet."""
    return list(_young(request.cookies.get(cookie_name("device"), "")))[:PEOPLE]


def _young(cookie: str) -> Iterator[tuple[int, str]]:
    if len(cookie) > LONGEST:
        return
    oldest = epoch() - _seconds()
    for part in cookie.split("."):
        found = MARK.fullmatch(part)
        if found and oldest < int(found[1]) <= epoch():
            yield int(found[1]), found[2]


def _seconds() -> int:
    return provider.settings.known_device_days * DAY
