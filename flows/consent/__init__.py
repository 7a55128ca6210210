"""Consent: what another party's application will receive; asked once and remembered (decision 7)."""

from authlib.oidc.core.errors import ConsentRequiredError

from idp.flow import Flow

from .agreement import Agreement


def flow() -> Flow:
    """One page, for applications that are not the fund's own."""
    agreement = Agreement()
    return Flow("consent", (agreement,), is_due=agreement.is_due, error=ConsentRequiredError, cancel="client")
