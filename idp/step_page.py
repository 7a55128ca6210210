"""A page of a flow as the browser gets it: its form, what its step shows, its notices and the ways out of it."""

from flask import Response
from flask import g
from flask import make_response
from flask import render_template
from flask import request
from wtforms import Form

from . import pages
from .flow import Flow
from .flow import Refused
from .flow import Step
from .flow import offered_flows
from .flow import step_before
from .interaction import Interaction
from .provider import provider
from .response import origin_of
from .texts import Text


def render(interaction: Interaction, flow: Flow, step: Step, form: Form, *, status: int = 200) -> Response:
    """A page of a flow, with everything that its template and its frame need."""
    before = step_before(flow, step, interaction)
    html = render_template(
        step.template or f"{flow.name}/{step.name}.html",
        form=form,
        csrf_token=interaction.csrf_token(),
        interaction=interaction,
        app_name=_app_name(interaction),
        app_logo=_app_logo(interaction),
        notices=_notices(interaction, shown=status == 200),
        back_url=address(interaction, flow, before) if before else None,
        cancel_url=f"/i/{interaction.id}/cancel",
        cancel_asks=forgets(interaction, flow) or is_elsewhere(interaction),
        extend_url=f"/i/{interaction.id}/extend",
        idle_seconds=interaction.idle_seconds,
        step_url=lambda name: f"/i/{interaction.id}/{flow.name}/{name}",
        entrance=entrances(interaction),
        numbered=flow.numbered if step.number else (),
        number=step.number,
        **step.show(interaction),
    )
    return make_response(html, status)


def forgets(interaction: Interaction, flow: Flow) -> bool:
    """Whether «Annuler» gives up what was entered; the visit then begins anew. Else it tells the client, at once."""
    return flow.cancel == "confirm" and bool(interaction.answers)


def is_elsewhere(interaction: Interaction) -> bool:
    """Whether a program elsewhere waits for the answer, which cannot be taken back."""
    return interaction.request is not None and interaction.request.decoupled is not None


def stored_form(interaction: Interaction, step: Step) -> Form:
    """The form of a page, filled with what is stored."""
    return step.form(interaction)(data=step.stored(interaction))


def sent_form(interaction: Interaction, step: Step) -> Form:
    """The form of a page, as it was sent."""
    return step.form(interaction)(request.form)


def blame(form: Form, refusal: Refused) -> None:
    """Put the refusal at its field, or at the first one."""
    fields = list(form)
    field = form[refusal.field] if refusal.field else fields[0] if fields else None
    if field is None:
        form.form_errors = [*form.form_errors, *refusal.texts]
        return
    field.errors = [*field.errors, *refusal.texts]


def address(interaction: Interaction, flow: Flow, step: Step) -> str:
    """The address of a page."""
    return f"/i/{interaction.id}/{flow.name}/{step.name}"


def entrances(interaction: Interaction) -> dict[str, str]:
    """The first page of every entrance, by name."""
    return {flow.name: address(interaction, flow, flow.steps[0]) for flow in offered_flows() if flow.is_entrance}


def _notices(interaction: Interaction, *, shown: bool) -> list[tuple[str, Text]]:
    """The messages for this page; they stay until the next answer is taken, so that a reload keeps them."""
    return [(kind, Text.from_json(text)) for kind, text in interaction.notices] if shown else []


def _app_name(interaction: Interaction) -> str | None:
    client = interaction.client
    return client.name_in(pages.language()) if client else None


def _app_logo(interaction: Interaction) -> str | None:
    """The application's own picture from its own server: for the official suite only (decision 14)."""
    client = interaction.client
    if client is None or client.logo_uri is None or not provider.settings.conformance:
        return None
    g.img_src = (origin_of(client.logo_uri),)
    return client.logo_uri
