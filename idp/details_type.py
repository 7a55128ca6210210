"""Details type: a type of rich authorization requests, and the words in which people are asked for it (RFC 9396 §2)."""

from typing import Any

from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import Field
from pydantic import model_validator


class Words(BaseModel):
    """The same in four languages."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    de: str = Field(min_length=1)
    fr: str = Field(min_length=1)
    it: str = Field(min_length=1)
    en: str = Field(min_length=1)

    def said_in(self, language: str) -> str:
        """The words of one language."""
        return str(getattr(self, language, self.en))


class DetailsType(BaseModel):
    """One entry of the setting `IDP_AUTHORIZATION_DETAILS_TYPES`.

    A type without words is for the fund's own applications: nobody else's may use what the person cannot be shown.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: str = Field(min_length=1)
    title: Words | None = None
    """What it is about: the heading above its fields on the page of consent."""
    fields: dict[str, Words] = Field(default_factory=dict)
    """The fields that requests may have, in the order they are shown in: `{"amount.value": {"de": "Betrag", …}}`."""

    @model_validator(mode="before")
    @classmethod
    def _a_name_alone_is_a_type(cls, value: Any) -> Any:
        return {"type": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _fields_have_a_title(self) -> "DetailsType":
        if self.fields and self.title is None:
            raise ValueError(f"{self.type}: give the title above the fields, in de, fr, it and en")
        return self
