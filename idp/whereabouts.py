"""Where a person stands: the page that is due, its challenge sent once, or the answer to the client.

Everything here is computed from the facts of the interaction (`flow.py`, `decision.py`); whoever changed them asks here
where they lead now.
"""

from flask import Response
from flask import make_response
from flask import redirect
from werkzeug.exceptions import NotFound

from . import interaction as interactions
from . import session as sessions
from .assurance import Proof
from .decision import living_proofs
from .decision import resume
from .flow import Page
from .flow import Refused
from .flow import next_page
from .flow import offered_flows
from .interaction import Interaction
from .step_page import address
from .texts import Text

DEFAULT_GOAL = "sign_in"


def due_page(interaction: Interaction) -> Page | None:
    """The page that is due. Where proofs have died meanwhile the person signs in again, and is told why."""
    account = interaction.account
    if account is not None and account.is_active:
        before = sessions.current() if interaction.sid else None
        living = living_proofs(interaction, account, before)
        if len(living) < len(interaction.proofs):
            _sign_in_again(interaction, living)
    return next_page(offered_flows(), interaction)


def permitted_page(interaction: Interaction, flow_name: str, step_name: str) -> Page | None:
    """The page asked for, if the person may be there: the one due, an earlier one of its flow, or another entrance."""
    flow = next((flow for flow in offered_flows() if flow.name == flow_name), None)
    step = flow.step(step_name) if flow else None
    if flow is None or step is None:
        raise NotFound
    due = due_page(interaction)
    if due is None:
        return None
    due_flow, due_step = due
    if flow is due_flow:
        position = flow.steps.index(step)
        if step is due_step or (position < flow.steps.index(due_step) and step.can_return(interaction)):
            return flow, step
    elif flow.is_entrance and due_flow.is_entrance and step is flow.steps[0]:
        return flow, step
    return None


def open_page(interaction: Interaction) -> Response:
    """Send the person to the page that is due, sending its challenge once; nothing due answers the client."""
    page = _advance(interaction)
    if page is None:
        return resume(interaction)
    response = make_response(redirect(address(interaction, *page), 303))
    interactions.bind(interaction, response)
    return response


def follow(interaction: Interaction) -> Response:
    """Go where the facts now lead: the next page, or back to the client."""
    page = _advance(interaction)
    if page is None:
        return resume(interaction)
    interactions.save(interaction)
    return make_response(redirect(address(interaction, *page), 303))


def lead(interaction: Interaction) -> Response:
    """Lead the person there; under the lease, since there may be nothing left but to answer the client."""
    page = due_page(interaction)
    if page is None:
        return resume(interaction)
    return make_response(redirect(address(interaction, *page), 303))


def _sign_in_again(interaction: Interaction, living: list[Proof]) -> None:
    interaction.proofs, interaction.begun, interaction.goal = living, [], DEFAULT_GOAL
    if not living:
        interaction.account_id = None
    interaction.notify("info", Text("signin.info.reauth"))


def _advance(interaction: Interaction) -> Page | None:
    """The page that is due; its step begins, once."""
    page = due_page(interaction)
    if page is None:
        return None
    flow, step = page
    label = f"{flow.name}/{step.name}"
    if label not in interaction.begun:
        try:
            step.begin(interaction)
        except Refused as refusal:
            for text in refusal.texts:
                interaction.notify("warn", text)
        interaction.begun.append(label)
    return page
