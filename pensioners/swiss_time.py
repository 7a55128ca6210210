"""Days as they are counted in Switzerland."""

from datetime import date

from idp.clock import now
from idp.texts import ZURICH as SWISS_TIME

__all__ = ["SWISS_TIME", "today"]


def today() -> date:
    """The day it is in Switzerland."""
    return now().astimezone(SWISS_TIME).date()
