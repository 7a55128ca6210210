"""The gallery: every page in every state and language without clicking, for whoever develops; nowhere else.

A page of a flow is shown by the page runner, for a person and with answers that are made up here and stored nowhere; a
new step shows up by itself. The states of a page: as it comes, with nothing filled in, and with what its step refuses.
"""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from datetime import UTC
from datetime import datetime
from typing import Any

from flask import Blueprint
from flask import Response
from flask import abort
from flask import current_app
from flask import make_response
from flask import render_template
from werkzeug.datastructures import MultiDict
from wtforms import Form

from idp.authorization_request import AuthorizationRequest
from idp.clock import now
from idp.db import db
from idp.flow import Flow
from idp.flow import Refused
from idp.flow import Step
from idp.flow import offered_flows
from idp.interaction import Interaction
from idp.languages import LANGUAGES
from idp.models import Account
from idp.models import Authenticator
from idp.models import Client
from idp.provider import provider
from idp.step_page import blame
from idp.step_page import render
from idp.step_page import stored_form
from idp.texts import Text

from .factors import offered
from .second_factor import Confirm
from .second_factor import Prepare
from .second_factor import Verify

blueprint = Blueprint("gallery", __name__)

CALLBACK = "https://portal.example/callback"
EMAIL = "odile.fictive@example.org"
PHONE = "+41791234567"
AT = datetime(2026, 11, 28, 11, 15, tzinfo=UTC)
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
CODE_REFUSALS = (
    Refused("code.err.wrong", Text("code.err.left", {"n": 3})),
    Refused("lock.now_code", minutes=15),
    Refused("code.err.expired", target=EMAIL),
    Refused("code.err.old"),
    Refused("code.err.spent"),
)
APP_REFUSAL = Refused("e5.app.wrong", Text("code.err.left", {"n": 3}), field="code")
REFUSALS: Mapping[str, tuple[Refused, ...]] = {
    "sign_in/credentials": (
        Refused("signin.err.mismatch", field="username"),
        Refused("signin.err.mismatch", Text("signin.err.remaining", {"minutes": 15, "n": 3}), field="username"),
        Refused("signin.err.mismatch", Text("lock.now", {"minutes": 15}), field="username"),
    ),
    "enrol/identification": (Refused("e1.err.nomatch", field="id"), Refused("e1.err.code_old", field="act")),
    "enrol/confirm-email": CODE_REFUSALS,
    "enrol/confirm-second-factor/sms": CODE_REFUSALS,
    "enrol/confirm-second-factor/totp": (APP_REFUSAL,),
    "two_factor/code/sms": (*CODE_REFUSALS, Refused("tf.sms.expired", phone_end="67")),
    "two_factor/code/totp": (APP_REFUSAL,),
    "password/code-by-email": (*CODE_REFUSALS, Refused("fp.code_expired")),
    "device/user-code": (Refused("device.err.unknown", field="user_code"),),
}
"""What a step says only to an answer whose form is right."""
Change = Callable[["Example"], None]
ERRORS = ("400", "404", "405", "413", "500", "503", "answered", "client", "cookies", "denied", "expired", "many")
QUESTION = {"csrf_token": "", "continue_url": "#", "extend_url": "#"}
ENTRANCES = {"sign_in": "#", "enrol": "#", "password": "#"}
PAUSE = {"until": AT, "entrance": ENTRANCES, "retry_url": "#"}
PLAIN: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    **{f"errors/{name}": ("errors/error.html", {"name": name, "reference": "1234 5678"}) for name in ERRORS},
    "errors/expired/enrolling": ("errors/error.html", {"name": "expired", "enrolling": True}),
    "errors/expired/retry": ("errors/error.html", {"name": "expired", "retry_url": "#"}),
    "errors/answered/app": ("errors/error.html", {"name": "answered", "app_url": "#", "app_name": "myVPK"}),
    **{
        f"paused/{name}": ("paused.html", {**PAUSE, "limit": limit, "flow": flow})
        for name, limit, flow in (
            ("password", "password", "sign_in"),
            ("code", "sms", "two_factor"),
            ("enrol", "", "enrol"),
        )
    },
    "errors/503/until": ("errors/error.html", {"name": "503", "until": AT}),
    "blocked": ("blocked.html", {}),
    "form_post": ("form_post.html", {"action": "#", "params": {"code": "example", "state": "example"}}),
    "cancel": ("cancel.html", QUESTION),
    "enrol/cancel": ("enrol/cancel.html", QUESTION),
    "device/cancel": ("device/cancel.html", QUESTION),
    "signout/confirm": ("signout/confirm.html", {"csrf_token": "", "target": None}),
    "signout/done": ("signout/done.html", {}),
    "signout/leaving": ("signout/leaving.html", {"frames": [], "target": "#", "refresh": None}),
    "device/done": ("device/done.html", {}),
    "device/refused": ("device/refused.html", {}),
    **{f"pages/{name}": (f"pages/{name}.html", {}) for name in ("terms", "privacy", "accessibility")},
}
"""Pages of no flow: template and context; without the scripts that would go on by themselves."""


@dataclass
class Example(Interaction):
    """An interaction of somebody made up."""

    person: Account | None = None
    application: Client | None = None

    @property
    def account(self) -> Account | None:
        """The made-up person."""
        return self.person

    @property
    def client(self) -> Client | None:
        """The made-up application."""
        return self.application


def _told(kind: str, *texts: Text) -> Change:
    """The same page with a message above."""

    def tell(example: Example) -> None:
        for text in texts:
            example.notify(kind, text)

    return tell


def _with_password(example: Example) -> None:
    """Step 2 again, the password has been set."""
    example.answers["enrol"] |= {"password_hash": "example", "confirmed": EMAIL}


def _from_elsewhere(example: Example) -> None:
    """Somebody on the telephone, or another device, asks."""
    if example.request is not None:
        message = "Dossier 4711"
        example.request = replace(example.request, decoupled="example", binding_message=message)


def _sent_again(text: Text) -> dict[str, Change]:
    """What «Envoyer un nouveau code» answers."""
    return {
        "resent": _told("ok", text),
        "wait": _told("warn", Text("code.err.wait", {"seconds": 45})),
        "limit": _told("warn", Text("code.err.limit", {"time": AT})),
    }


VARIANTS: Mapping[str, Mapping[str, Change]] = {
    "sign_in/credentials": {
        "again": _told("info", Text("signin.info.reauth")),
        "cancelled": _told("info", Text("cancel.done")),
        "new-password": _told("ok", Text("fp.done.h1"), Text("fp.done.p")),
    },
    "enrol/identification": {"replaced": _told("warn", Text("e1.err.code_old"))},
    "enrol/user-data": {
        "resumed": _told("info", Text("enrol.resume")),
        "taken": _told("warn", Text("e2.err.taken")),
        "again": _with_password,
    },
    "enrol/kept-address": {"complete": _with_password},
    "enrol/confirm-email": _sent_again(Text("code.resent", {"target": EMAIL})),
    "enrol/confirm-second-factor/sms": _sent_again(Text("code.resent", {"target": "079 123 45 67"})),
    "password/code-by-email": _sent_again(Text("fp.code_resent")),
    "two_factor/code/sms": _sent_again(Text("tf.sms.resent", {"phone_end": "67"})),
    "consent/agreement": {"elsewhere": _from_elsewhere},
}
"""What else a page looks like, by what led to it."""


@dataclass(frozen=True)
class State:
    """A page as it can look."""

    flow: Flow
    step: Step
    kind: str = ""
    """Of which second factor, where that makes a difference."""
    answer: str = ""
    """`empty`, the number of a refusal, or the name of a variant."""
    refusal: Refused | None = field(default=None, compare=False)
    change: Change | None = field(default=None, compare=False)

    @property
    def name(self) -> str:
        """Its place in the gallery."""
        return "/".join(part for part in (self.flow.name, self.step.name, self.kind, self.answer) if part)


@blueprint.get("/dev/pages")
def index() -> Response:
    """The list."""
    names = [*(state.name for state in states()), *PLAIN]
    return make_response(render_template("dev/pages.html", names=names, tongues=LANGUAGES))


@blueprint.get("/dev/pages/<path:name>")
def show(name: str) -> Response:
    """One page in one state; `?lang=` says in which language."""
    if name in PLAIN:
        template, context = PLAIN[name]
        return make_response(render_template(template, **context, form=Form()))
    state = next((state for state in states() if state.name == name), None)
    if state is None:
        abort(404)
    try:
        return _shown(state)
    finally:
        db.session.rollback()  # the person existed for this page only


def states() -> Iterator[State]:
    """Every state of every page that a flow has a template for."""
    templates = {*current_app.jinja_env.list_templates()}
    for flow in offered_flows():
        for step in flow.steps:
            if step.name == "blocked" or (step.template or f"{flow.name}/{step.name}.html") not in templates:
                continue
            for kind in _kinds(step):
                yield State(flow, step, kind)
                yield State(flow, step, kind, "empty")
                place = "/".join(part for part in (flow.name, step.name, kind) if part)
                for number, refusal in enumerate(REFUSALS.get(place, ()), 1):
                    yield State(flow, step, kind, str(number), refusal)
                for variant, change in VARIANTS.get(place, {}).items():
                    yield State(flow, step, kind, variant, change=change)


def _kinds(step: Step) -> tuple[str, ...]:
    factors = offered(provider.settings.factors)
    if isinstance(step, Prepare):
        return tuple(factor.kind for factor in factors if factor.preparation)
    if isinstance(step, Confirm | Verify):
        return tuple(factor.kind for factor in factors)
    return ("",)


def _shown(state: State) -> Response:
    interaction = _example(state)
    if state.change is not None:
        state.change(interaction)
    form = stored_form(interaction, state.step)
    if state.answer == "empty":
        form = state.step.form(interaction)(MultiDict())
        form.validate()
    if state.refusal is not None:
        blame(form, state.refusal)
    return render(interaction, state.flow, state.step, form)


def _example(state: State) -> Example:
    """Somebody in the middle of this flow, far enough for this page."""
    person = _person()
    scope = ("openid", "profile", "email", "address", "phone", "pension", "offline_access")
    asked = AuthorizationRequest(
        "example", CALLBACK, "code", "query", scope, login_hint=EMAIL, authorization_details=_details()
    )
    answers = {
        "enrol": {"email": EMAIL, "typed_email": EMAIL, "pensioner_id": "example", "activation_code_id": "example"},
        "password": {"subject": "example", "typed": EMAIL, "account_id": person.id, "email_code": True},
        "second_factor": {"kind": state.kind, "phone": PHONE, "typed": "079 123 45 67", "secret": SECRET},
        "authenticator": f"example-{state.kind}",
    }
    client = Client(client_id="example", client_name={"en": "myVPK"}, redirect_uris=[CALLBACK])
    return Example(
        "example", "example", state.flow.name, asked, "example", answers=answers, person=person, application=client
    )


def _details() -> tuple[dict[str, Any], ...]:
    """One request of each type that the operator has described, every field filled in."""
    return tuple(
        {"type": each.type, **{path: words.en for path, words in each.fields.items() if "." not in path}}
        for each in provider.settings.authorization_details_types
    )


def _person() -> Account:
    """An account with every factor; flushed, because steps look it up, and never committed."""
    person = Account(
        id="example",
        email=EMAIL,
        email_fingerprint="example",
        email_verified_at=now(),
        password_hash="",
        language="fr",
        terms_version="1",
        terms_accepted_at=now(),
    )
    db.session.add(person)
    for kind, data in (("sms", {"phone": PHONE}), ("totp", {"secret": SECRET})):
        authenticator = Authenticator(id=f"example-{kind}", account_id=person.id, kind=kind)
        authenticator.data = data
        db.session.add(authenticator)
    db.session.flush()
    return person
