"""Audience: one entry of the choice page, by which people say who they are."""

from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import field_validator

AudienceName = Literal["member", "insured", "pensioner", "employer"]


class Audience(BaseModel):
    """One entry of the setting `IDP_AUDIENCES`; its words are `start.<name>` in the catalogues."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: AudienceName
    url: str | None = None
    """Where people of this kind sign in instead; without it they do so here."""

    @field_validator("url")
    @classmethod
    def _url_is_an_address(cls, value: str | None) -> str | None:
        parts = urlsplit(value or "https://none")
        if parts.scheme != "https" or not parts.hostname:
            raise ValueError("give an https address, for example https://employers.fund.ch")
        return value
