"""Flow and step: the computed next step.

Nobody stores where a person stands. Order is a tuple, state is facts, and the first step that is still due is the next
page: reload, back button, second tab, a changed mind and a browser closed for an hour all end on the right page.
"""

from abc import ABC
from abc import abstractmethod
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from typing import ClassVar

from authlib.oauth2.rfc6749 import OAuth2Error
from authlib.oidc.core.errors import InteractionRequiredError
from flask import Flask
from flask import current_app
from wtforms import Form

from .interaction import Interaction
from .texts import Text


class Refused(Exception):
    """The person's answer does not do; says what to do now, at which field."""

    def __init__(self, key: str, *more: Text, field: str | None = None, **params: Any) -> None:
        super().__init__(key)
        self.texts = (Text(key, params), *more)
        self.field = field


class Blocked(Exception):
    """The person is who they say and still may not enter; told only after the right password (pages.md P9)."""


class Step(ABC):
    """One page: it asks, checks, and acts."""

    name: ClassVar[str]
    """The last part of the address and, unless `template` says otherwise, the name of the template."""
    template: ClassVar[str | None] = None
    """The template of a page that several flows share."""
    number: ClassVar[int | None] = None
    """Its place in the step list of a flow whose steps are `numbered`."""

    @abstractmethod
    def is_due(self, interaction: Interaction) -> bool:
        """Whether the facts still lack what this page asks for."""

    def form(self, interaction: Interaction) -> type[Form]:
        """The form of the page; an empty one where there is only a button."""
        return Form

    def stored(self, interaction: Interaction) -> Mapping[str, Any]:
        """What to fill the fields with when the page is shown again."""
        return {}

    def show(self, interaction: Interaction) -> dict[str, Any]:
        """What the template needs beside the form."""
        return {}

    def begin(self, interaction: Interaction) -> None:
        """Act once when the step becomes due: send the code, draw the secret. `Refused` becomes a notice."""

    @abstractmethod
    def submit(self, interaction: Interaction, form: Any) -> None:
        """Act on an answer whose form is right, or raise `Refused`."""

    def can_return(self, interaction: Interaction) -> bool:
        """Whether «Retour» may show this page again after it was answered."""
        return True

    def undo(self, interaction: Interaction) -> None:
        """Forget what this step established, because an earlier page is answered anew."""

    @property
    def actions(self) -> Mapping[str, Callable[[Interaction], None]]:
        """Further buttons of the page by their name (`resend` …); each may raise `Refused`."""
        return {}


@dataclass(frozen=True)
class Flow:
    """An ordered list of steps towards one goal."""

    name: str
    steps: tuple[Step, ...]
    is_due: Callable[[Interaction], bool]
    error: type[OAuth2Error] = InteractionRequiredError
    """The answer to `prompt=none` when a person would have to be asked."""
    entrance: str | None = None
    """The address that begins here; flows with one are doors to the same house: from the first page of one a link leads
    to the first page of another (sign in, register, forgot)."""
    carries: tuple[str, ...] = ()
    """Parameters of that address that are kept as answers."""
    starts_anew: bool = False
    """Whether a session of this browser counts for nothing here."""
    numbered: tuple[str, ...] = ()
    """Text keys of the steps shown in the step list, empty for none."""
    cancel: str | None = None
    """`client`: «Annuler» answers the client with access_denied; `confirm`: asks first, then returns to the start."""

    @property
    def is_entrance(self) -> bool:
        """Whether a person may begin here."""
        return self.entrance is not None

    def step(self, name: str) -> Step | None:
        """The step with this name."""
        return next((step for step in self.steps if step.name == name), None)

    def first_due(self, interaction: Interaction) -> Step | None:
        """The first step whose page is still to be answered."""
        return next((step for step in self.steps if step.is_due(interaction)), None)


Page = tuple[Flow, Step]


def offer_flows(app: Flask, flows: Sequence[Flow]) -> None:
    """These are the application's conversations, in the order in which they come first."""
    app.extensions["idp.flows"] = tuple(flows)


def offered_flows() -> Sequence[Flow]:
    """The flows of the current application."""
    flows: Sequence[Flow] = current_app.extensions["idp.flows"]
    return flows


def next_page(flows: Sequence[Flow], interaction: Interaction) -> Page | None:
    """The page the person must answer next, or None when nobody needs to be asked any more."""
    for flow in flows:
        if flow.is_due(interaction) and (step := flow.first_due(interaction)):
            return flow, step
    return None


def step_before(flow: Flow, step: Step, interaction: Interaction) -> Step | None:
    """Where «Retour» leads: the nearest earlier page of the flow that may be shown again."""
    earlier = flow.steps[: flow.steps.index(step)]
    return next((step for step in reversed(earlier) if step.can_return(interaction)), None)
