"""How many tries are left, as pages tell it: from three on, and after the last one what happens instead."""

from idp.flow import Refused
from idp.texts import Text
from idp.throttle import TELL_FROM


def wrong_code(key: str, left: int, pause: int) -> Refused:
    """A wrong code, with what to do (`key`) while a try is left; `pause`: seconds."""
    if left == 0:
        return Refused("lock.now_code", minutes=pause // 60, field="code")
    more = (Text("code.err.left", {"n": left}),) if left <= TELL_FROM else ()
    return Refused(key, *more, field="code")


def wrong_password(left: int, pause: int) -> Refused:
    """A wrong name or password, nobody is told which; a new password is a way on in any case."""
    more: tuple[Text, ...] = ()
    if left == 0:
        more = (Text("lock.now", {"minutes": pause // 60}),)
    elif left <= TELL_FROM:
        more = (Text("signin.err.remaining", {"n": left, "minutes": pause // 60}),)
    return Refused("signin.err.mismatch", *more, field="username")
