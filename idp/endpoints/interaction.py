"""The page runner: does for every page what no step may forget.

The interaction belongs to this browser (cookie), a form carries its CSRF token, one submission at a time, 303 after
success, 422 with the same page after a refusal, the language, the notices, the way back, and at the end the answer to
the client. Steps say what they ask and do; where a person stands is computed (`idp/flow.py`).
"""

import hmac

from flask import Blueprint
from flask import Response
from flask import g
from flask import make_response
from flask import render_template
from flask import request
from wtforms import Form

from .. import interaction as interactions
from .. import pages
from ..decision import decline
from ..decision import origins_ahead
from ..errors import page as error_page
from ..flow import Blocked
from ..flow import Flow
from ..flow import Page
from ..flow import Refused
from ..flow import Step
from ..interaction import Interaction
from ..step_page import address
from ..step_page import blame
from ..step_page import entrances
from ..step_page import forgets
from ..step_page import is_elsewhere
from ..step_page import render
from ..step_page import sent_form
from ..step_page import stored_form
from ..texts import Text
from ..throttle import Paused
from ..whereabouts import DEFAULT_GOAL
from ..whereabouts import due_page
from ..whereabouts import follow
from ..whereabouts import lead
from ..whereabouts import permitted_page

blueprint = Blueprint("interaction", __name__)


@blueprint.get("/i/<interaction_id>")
def current(interaction_id: str) -> Response:
    """Wherever the person stands."""
    return _lead_alone(_load(interaction_id))


@blueprint.get("/i/<interaction_id>/<flow_name>/<step_name>")
def show(interaction_id: str, flow_name: str, step_name: str) -> Response:
    """Show a page; changes nothing."""
    interaction = _load(interaction_id)
    page = permitted_page(interaction, flow_name, step_name)
    if page is None:
        return _lead_alone(interaction)
    flow, step = page
    form = stored_form(interaction, step)
    return render(interaction, flow, step, form)


@blueprint.post("/i/<interaction_id>/<flow_name>/<step_name>")
def submit(interaction_id: str, flow_name: str, step_name: str) -> Response:
    """Take an answer; a second press waits for the first, and then finds its page answered."""
    _load(interaction_id)
    with interactions.lease(interaction_id):
        interaction = _load(interaction_id)
        if not _csrf_fits(interaction):
            return _stale(interaction)
        page = permitted_page(interaction, flow_name, step_name)
        if page is None:
            return lead(interaction)
        interaction.notices = []
        return _take(interaction, *page)


@blueprint.get("/i/<interaction_id>/cancel")
def ask_cancel(interaction_id: str) -> Response:
    """«Annuler»: asks first; a link changes nothing and tells nobody anything (decision 15)."""
    interaction = _load(interaction_id)
    page = due_page(interaction)
    if page is None:
        return _lead_alone(interaction)
    html = render_template(
        _question(interaction, page),
        csrf_token=interaction.csrf_token(),
        continue_url=address(interaction, *page),
        extend_url=f"/i/{interaction.id}/extend",
        idle_seconds=interaction.idle_seconds,
        form=Form(),
    )
    return make_response(html)


@blueprint.post("/i/<interaction_id>/cancel")
def cancel(interaction_id: str) -> Response:
    """Forget what was entered and return to the start of an enrolment; else the client is told of access_denied."""
    _load(interaction_id)
    with interactions.lease(interaction_id):
        interaction = _load(interaction_id)
        if not _csrf_fits(interaction):
            return _stale(interaction)
        page = due_page(interaction)
        if page is None:
            return lead(interaction)
        if not forgets(interaction, page[0]):
            return decline(interaction)
        flow = page[0]
        flow.steps[0].undo(interaction)
        _undo_after(interaction, flow, flow.steps[0])
        interaction.goal, interaction.notices = DEFAULT_GOAL, []
        interaction.notify("info", Text("cancel.done"))
        return follow(interaction)


def _question(interaction: Interaction, page: Page) -> str:
    """The page that asks: whether to give up what was entered, to refuse another device, or to leave."""
    if forgets(interaction, page[0]):
        return f"{page[0].name}/cancel.html"
    return "device/cancel.html" if is_elsewhere(interaction) else "cancel.html"


@blueprint.post("/i/<interaction_id>/extend")
def extend(interaction_id: str) -> Response:
    """«Continuer» of the session dialog: the idle time begins anew."""
    _load(interaction_id)
    with interactions.lease(interaction_id):  # else an older state could be saved over an answer just taken
        interaction = _load(interaction_id)
        if not _csrf_fits(interaction):
            return _stale(interaction)
        interactions.save(interaction)
        return make_response("", 204)


def _load(interaction_id: str) -> Interaction:
    interaction = interactions.load(interaction_id)
    asked = interaction.request.ui_locales if interaction.request else ()
    pages.speak(ui_locales=asked, stored=interaction.language, since=interaction.started_at)
    g.form_action = origins_ahead(interaction)
    return interaction


def _take(interaction: Interaction, flow: Flow, step: Step) -> Response:
    action = request.form.get("action")
    if action is not None:
        return _act(interaction, flow, step, action)
    form = sent_form(interaction, step)
    if not form.validate():
        return _ask_anew(interaction, flow, step, form)
    if flow.is_entrance:
        interaction.goal = flow.name
    if not step.is_due(interaction):  # an earlier page answered anew
        _undo_after(interaction, flow, step)
    try:
        step.submit(interaction, form)
    except Refused as refusal:  # not saved: whatever was undone or noted counts only with a right answer
        blame(form, refusal)
        return _ask_anew(interaction, flow, step, form)
    except Paused as pause:
        return _paused(interaction, flow, pause)
    except Blocked:
        return make_response(render_template("blocked.html"), 403)
    return follow(interaction)


def _undo_after(interaction: Interaction, flow: Flow, step: Step) -> None:
    for later in reversed(flow.steps[flow.steps.index(step) + 1 :]):
        later.undo(interaction)
        label = f"{flow.name}/{later.name}"
        interaction.begun = [begun for begun in interaction.begun if begun != label]


def _act(interaction: Interaction, flow: Flow, step: Step, name: str) -> Response:
    """Another button of the page, such as «Envoyer un nouveau code»; what speaks against it is no error of a field."""
    action = step.actions.get(name)
    if action is None:
        return error_page(400)
    try:
        action(interaction)
    except Refused as refusal:
        for text in refusal.texts:
            interaction.notify("warn", text)
    except Paused as pause:
        return _paused(interaction, flow, pause)
    return follow(interaction)


def _lead_alone(interaction: Interaction) -> Response:
    """The same for a GET, which takes the lease only for the end: of two at once, one answers the client."""
    if due_page(interaction) is not None:
        return lead(interaction)
    with interactions.lease(interaction.id):
        return lead(_load(interaction.id))


def _ask_anew(interaction: Interaction, flow: Flow, step: Step, form: Form) -> Response:
    """The same page with what is not right on it; the person is not idle."""
    interactions.touch(interaction)
    return render(interaction, flow, step, form, status=422)


def _paused(interaction: Interaction, flow: Flow, pause: Paused) -> Response:
    """The pause page: until what time, and what to do meanwhile (pages.md P8)."""
    html = render_template(
        "paused.html",
        until=pause.until,
        limit=pause.limit.name,
        flow=flow.name,
        entrance=entrances(interaction),
        retry_url=f"/i/{interaction.id}",
    )
    return make_response(html, 429)


def _stale(interaction: Interaction) -> Response:
    """A form of another browser, another visit or none: nothing happens, and the way leads back to the page."""
    return error_page(400, "expired", retry_url=f"/i/{interaction.id}")


def _csrf_fits(interaction: Interaction) -> bool:
    return hmac.compare_digest(request.form.get("csrf_token", "").encode(), interaction.csrf_token().encode())
