"""The shape of a second factor: how it is enrolled, challenged and verified."""

from abc import ABC
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from typing import ClassVar

from wtforms import Form

from idp.models import Authenticator
from idp.texts import Text


@dataclass(frozen=True)
class Enrolled:
    """A factor that has been confirmed: what its authenticator will keep."""

    kind: str
    data: Mapping[str, Any]
    last_step: int | None = None


@dataclass(frozen=True)
class Holder:
    """On whose behalf a challenge is sent and an answer counted."""

    interaction: str
    """The interaction that asks: its codes count nowhere else."""
    person: str
    """The account, or the pensioner who is about to get one: its failures count everywhere."""
    language: str
    account_name: str = ""
    """What an authenticator app shows beside the portal's name."""


class Factor(ABC):
    """One kind of second factor.

    While it is enrolled it keeps a `draft` (inside the encrypted interaction), afterwards an `Authenticator`. Codes
    that are sent go out in `begin` and `challenge`, never by showing a page.
    """

    kind: ClassVar[str]
    """Names the authenticators, the templates and the setting."""
    word: ClassVar[str]
    """Names its texts: `e4.<word>`, `e4.<word>_hint`, `tf.<word>.h1`, `tf.m.<word>`, `method.<word>`."""
    method: ClassVar[str]
    """What it adds to `amr` (RFC 8176 §2)."""
    preparation: ClassVar[type[Form] | None] = None
    """The form of a page before the confirmation (the mobile number), if it needs one."""
    enrolment: ClassVar[type[Form]]
    """The form that confirms the enrolment."""
    answer: ClassVar[type[Form]]
    """The form that proves it at sign-in."""
    resendable: ClassVar[bool] = False
    """Whether «Envoyer un nouveau code» makes sense."""

    @property
    def choice(self) -> Text:
        """How the choice page names it."""
        return Text(f"e4.{self.word}")

    @property
    def choice_hint(self) -> Text:
        """What the choice page says about it."""
        return Text(f"e4.{self.word}_hint")

    def prepare(self, draft: dict[str, Any], form: Any) -> None:
        """Take the answer of the preparation page into the draft."""

    def stored(self, draft: Mapping[str, Any]) -> Mapping[str, Any]:
        """What to fill the preparation page with when it is shown again."""
        return {}

    def is_prepared(self, draft: Mapping[str, Any]) -> bool:
        """Whether the confirmation page can be shown."""
        return True

    def begin(self, draft: dict[str, Any], holder: Holder) -> None:
        """Start the enrolment: send a code to the new number, draw a secret; may raise `Refused`."""

    def resend(self, draft: Mapping[str, Any], holder: Holder) -> None:
        """Send another code, where the factor is `resendable`; may raise `Refused`."""

    @abstractmethod
    def show_enrolment(self, draft: Mapping[str, Any], holder: Holder) -> dict[str, Any]:
        """What `templates/factors/<kind>/enrol.html` needs."""

    @abstractmethod
    def enrol(self, draft: Mapping[str, Any], form: Any, holder: Holder) -> Enrolled:
        """Confirm the enrolment, or raise `Refused` or `Paused`."""

    def challenge(self, authenticator: Authenticator, holder: Holder) -> None:
        """Send what the person needs to answer, if anything; may raise `Refused`."""

    @abstractmethod
    def verify(self, authenticator: Authenticator, form: Any, holder: Holder) -> None:
        """Check the answer at sign-in, or raise `Refused` or `Paused`; never accepts one answer twice."""

    def show(self, authenticator: Authenticator) -> dict[str, Any]:
        """What `templates/factors/<kind>/verify.html` needs."""
        return {}

    def hints(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """What the names of this authenticator may tell of it: never more than two digits of a number."""
        return {}

    def name(self, data: Mapping[str, Any]) -> Text:
        """How the choice at sign-in names this authenticator."""
        return Text(f"tf.m.{self.word}", self.hints(data))

    def name_in_mail(self, data: Mapping[str, Any]) -> Text:
        """How mails name it."""
        return Text(f"method.{self.word}", self.hints(data))
