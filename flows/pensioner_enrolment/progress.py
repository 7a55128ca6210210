"""What an enrolment has established so far, and its draft.

Finished steps are kept for 24 hours as an encrypted draft keyed by the person; it is attached again only after a full,
right step 1 (decision 21).
"""

import json
from base64 import b64decode
from base64 import b64encode
from typing import Any

from idp.interaction import Interaction
from idp.provider import provider

from ..second_factor import draft as second_factor

NAME = "enrol"
DRAFT = "enrolment_draft"
KEPT = ("email", "typed_email", "password_hash", "confirmed")


def of(interaction: Interaction) -> dict[str, Any]:
    """The facts: who is identified, which e-mail, whether it is confirmed, which account came of it."""
    facts: dict[str, Any] = interaction.answers.setdefault(NAME, {})
    return facts


def is_activated(interaction: Interaction) -> bool:
    """Whether the account exists now."""
    return "account_id" in of(interaction)


def keep_draft(interaction: Interaction) -> None:
    """Keep the finished steps for the person."""
    facts = of(interaction)
    kept = {
        "letter": facts["activation_code_id"],
        NAME: {name: facts[name] for name in KEPT if name in facts},
        second_factor.KEY: interaction.answers.get(second_factor.KEY, {}),
    }
    person = facts["pensioner_id"]
    sealed = provider.vault.seal(json.dumps(kept), f"{DRAFT}:{person}")
    provider.store.put(DRAFT, person, {"sealed": b64encode(sealed).decode()}, provider.settings.draft_seconds)


def attach_draft(interaction: Interaction) -> bool:
    """Continue where the person stopped within the last 24 hours; False if there is nothing."""
    facts = of(interaction)
    person = facts["pensioner_id"]
    value = provider.store.get(DRAFT, person)
    if value is None:
        return False
    kept = json.loads(provider.vault.open(b64decode(value["sealed"]), f"{DRAFT}:{person}"))
    if kept["letter"] != facts["activation_code_id"]:  # another letter: what was begun with the old one is void
        drop_draft(person)
        return False
    facts.update(kept[NAME])
    interaction.answers[second_factor.KEY] = kept[second_factor.KEY]
    return bool(kept[NAME])


def ask_another_email(interaction: Interaction) -> None:
    """Back to step 2; the address must be proven, and the second factor confirmed, anew."""
    facts = of(interaction)
    for name in ("email", "typed_email", "confirmed"):
        facts.pop(name, None)
    again = {f"{NAME}/confirm-email", f"{NAME}/confirm-second-factor"}
    interaction.begun = [begun for begun in interaction.begun if begun not in again]
    drop_draft(facts["pensioner_id"])


def drop_draft(person: str) -> None:
    """Forget the finished steps."""
    provider.store.delete(DRAFT, person)
