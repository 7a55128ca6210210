"""Audience: «Veuillez choisir» (skipped when there is one entry, or the client names its own)."""

from authlib.oidc.core.errors import LoginRequiredError

from idp.flow import Flow

from .choice import Choice


def flow() -> Flow:
    """One page of large buttons."""
    choice = Choice()
    return Flow("audience", (choice,), is_due=choice.is_due, error=LoginRequiredError, cancel="client")
