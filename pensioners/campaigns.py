"""What became of the letters: a count for every campaign."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement
from sqlalchemy import and_
from sqlalchemy import case
from sqlalchemy import func
from sqlalchemy import select

from idp.clock import now
from idp.db import db

from .models import ACTIVE
from .models import ActivationCode
from .models import Pensioner


@dataclass(frozen=True)
class Campaign:
    """One campaign; every code counts once, for the first of these that is true of it."""

    name: str
    issued_at: datetime
    used: int
    replaced: int
    void: int
    expired: int
    open: int


@dataclass(frozen=True)
class Reach:
    """How many of the active persons have an account."""

    with_account: int
    with_open_code: int
    without: int


def campaigns() -> list[Campaign]:
    """Every campaign, the newest first."""
    used, code = ActivationCode.used_at.is_not(None), ActivationCode
    replaced = and_(~used, code.replaced_at.is_not(None))
    void = and_(~used, code.replaced_at.is_(None), code.void_reason.is_not(None))
    untouched = and_(*code.is_untouched())
    expired, still_open = and_(untouched, code.expires_at <= now()), and_(untouched, code.expires_at > now())
    query: Any = (
        select(
            code.campaign,
            func.max(code.issued_at),
            *(_count(each) for each in (used, replaced, void, expired, still_open)),
        )
        .group_by(code.campaign)
        .order_by(func.max(code.issued_at).desc())
    )
    return [Campaign(*row) for row in db.session.execute(query)]


def reach() -> Reach:
    """How far the letters have come."""
    open_code = (
        select(ActivationCode.id)
        .where(ActivationCode.pensioner_id == Pensioner.id, ActivationCode.expires_at > now())
        .where(*ActivationCode.is_untouched())
        .exists()
    )
    has_account = Pensioner.account_id.is_not(None)
    query = select(
        _count(has_account), _count(and_(~has_account, open_code)), _count(and_(~has_account, ~open_code))
    ).where(Pensioner.status == ACTIVE)
    return Reach(*db.session.execute(query).one())


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)
