"""What an enrolment has established so far, and its draft.

The e-mail address, and that it is proven, are kept for 24 hours as an encrypted draft keyed by the person, attached
again only after a full, right step 1 with the same letter (decision 21). A draft keeps neither password nor second
factor: whoever goes on may be somebody else than who began, with the letter in both hands (security.md 2.67).
"""

import json
from base64 import b64decode
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from idp import email_address
from idp.interaction import Interaction
from idp.provider import provider

from .. import masked

NAME = "enrol"
DRAFT = "enrolment_draft"
KEPT = ("email", "confirmed")
WHO = ("pensioner_id", "activation_code_id")


def of(interaction: Interaction) -> dict[str, Any]:
    """The facts: who is identified, which e-mail, whether it is confirmed, which account came of it."""
    facts: dict[str, Any] = interaction.answers.setdefault(NAME, {})
    return facts


def begin(interaction: Interaction, identified: Mapping[str, Any]) -> bool:
    """Note who it is; True where a draft has come back. In one and the same visit nothing is lost by step 1 again."""
    before = of(interaction)
    is_same = all(before.get(name) == identified[name] for name in WHO)
    interaction.answers[NAME] = {**(before if is_same else {}), **identified}
    return not is_same and _attach_draft(interaction)


def is_proven(interaction: Interaction) -> bool:
    """Whether the e-mail address is confirmed, and not another one since."""
    facts = of(interaction)
    return "email" in facts and facts.get("confirmed") == facts["email"]


def shown_email(interaction: Interaction) -> str:
    """The address as it was typed in this visit; one that comes from a draft is masked (pages.md 2.1.7)."""
    facts = of(interaction)
    return str(facts.get("typed_email") or masked.email(facts["email"]))


def is_activated(interaction: Interaction) -> bool:
    """Whether the account exists now."""
    return "account_id" in of(interaction)


def keep_draft(interaction: Interaction) -> None:
    """Keep the finished steps for the person."""
    facts = of(interaction)
    kept = {"letter": facts["activation_code_id"], NAME: {name: facts[name] for name in KEPT if name in facts}}
    person = facts["pensioner_id"]
    sealed = provider.vault.seal(json.dumps(kept), f"{DRAFT}:{person}")
    provider.store.put(DRAFT, person, {"sealed": b64encode(sealed).decode()}, provider.settings.draft_seconds)


def ask_another_email(interaction: Interaction) -> None:
    """Back to step 2; the address must be proven, the password judged, and the second factor confirmed, anew."""
    facts = of(interaction)
    taken = email_address.canonical(facts["email"])
    if email_address.canonical(facts.get("suggested_email") or "") == taken:  # the register's would be refused again
        facts["suggested_email"] = None
    for name in ("email", "typed_email", "confirmed", "password_hash"):
        facts.pop(name, None)
    again = {f"{NAME}/confirm-email", f"{NAME}/confirm-second-factor"}
    interaction.begun = [begun for begun in interaction.begun if begun not in again]
    drop_draft(facts["pensioner_id"])


def drop_draft(person: str) -> None:
    """Forget the finished steps."""
    provider.store.delete(DRAFT, person)


def _attach_draft(interaction: Interaction) -> bool:
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
    facts.update({name: kept[NAME][name] for name in KEPT if name in kept[NAME]})
    return True
