"""The schedule: when a key is missing, and how long each one lives. Dates in, dates out.

Every node that looks at the same keys comes to the same dates: two nodes that plan at once plan one key.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from itertools import zip_longest

from .stored_key import StoredKey

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)
SHORTEST_SLOT = timedelta(seconds=1)
SLACK = timedelta(minutes=5)  # clocks of nodes differ, and a node may learn of a rotation late


@dataclass(frozen=True)
class Schedule:
    """How often keys change, how long one is shown before it signs, and how long a token lives at most."""

    rotate_every: timedelta
    publish_before: timedelta
    longest_token: timedelta

    def __post_init__(self) -> None:
        if self.publish_before < timedelta(0) or self.longest_token < timedelta(0):
            raise ValueError("publish_before and longest_token cannot be negative.")
        if self.rotate_every < max(2 * self.publish_before, SHORTEST_SLOT):
            raise ValueError("rotate_every must be at least a second, and at least twice publish_before.")

    def missing(self, keys: Sequence[StoredKey], now: datetime) -> datetime | None:
        """Say from when a key that has to be made now shall sign; None while there are keys enough.

        `keys` are all keys of one algorithm.
        """
        if not any(key.may_sign(now) for key in keys):
            return free_moment(keys, self._slot_before(now))
        last = max((key for key in keys if key.is_shown(now)), key=lambda key: key.signs_from)
        # A quarter early, because nobody asks at the very moment.
        if now < last.signs_until - self.publish_before * 5 / 4:
            return None
        return free_moment(keys, self._successor_begins(last, now))

    def settle(self, keys: Sequence[StoredKey], now: datetime) -> list[StoredKey]:
        """Return the keys whose dates must change, changed: each signs until its successor does.

        A rotation by command shortens the key before it; a key whose successor was made late goes on signing.
        """
        line = sorted((key for key in keys if _has_a_place(key)), key=lambda key: key.signs_from)
        changed = []
        for key, successor in zip_longest(line, line[1:]):
            signs_until = successor.signs_from if successor else key.signs_until
            shown_until = self.shown_until(signs_until)
            is_settled = signs_until == key.signs_until and shown_until <= key.shown_until
            if key.is_shown(now) and not is_settled:
                changed.append(replace(key, signs_until=signs_until, shown_until=shown_until))
        return changed

    def signs_until(self, signs_from: datetime) -> datetime:
        """Say when a key that signs from then is planned to hand over."""
        return signs_from + self.rotate_every

    def shown_until(self, signs_until: datetime) -> datetime:
        """Say when the last token has expired that was signed by a key that signs until then."""
        return signs_until + self.longest_token + SLACK

    def _successor_begins(self, last: StoredKey, now: datetime) -> datetime:
        earliest = now + self.publish_before
        if earliest <= last.signs_until:
            return last.signs_until
        # Too late to be seen long enough: move on by whole slots, so that all nodes find the same moment.
        slots = -((last.signs_until - earliest) // self._slot)
        return last.signs_until + slots * self._slot

    def _slot_before(self, now: datetime) -> datetime:
        """Begin in the past, at a moment that nodes started together agree on."""
        just_before = now - MOMENT
        return just_before - (just_before - EPOCH) % self._slot

    @property
    def _slot(self) -> timedelta:
        return max(self.publish_before, SHORTEST_SLOT)


def free_moment(keys: Sequence[StoredKey], moment: datetime) -> datetime:
    """Find the latest moment, at `moment` or before, at which none of the keys begins to sign."""
    taken = {key.signs_from for key in keys}
    while moment in taken:
        moment -= MOMENT
    return moment


def _has_a_place(key: StoredKey) -> bool:
    """Whether the key stands in line: one revoked before it ever signed leaves no gap."""
    return key.revoked_at is None or key.signs_from < key.revoked_at
