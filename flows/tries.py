"""How many tries are left, as pages tell it."""

from idp.texts import Text
from idp.throttle import TELL_FROM


def tries_left(key: str, left: int, pause: int) -> tuple[Text, ...]:
    """Nothing while there are many, then their number (`key`), and after the last one what happens instead.

    `pause`: its seconds.
    """
    if left > TELL_FROM:
        return ()
    if left == 0:
        return (Text("lock.now", {"minutes": pause // 60}),)
    return (Text(key, {"n": left, "minutes": pause // 60}),)
