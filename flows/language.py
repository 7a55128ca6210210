"""The language in which a person before our pages is written to: that of the pages (pages.md 2.1.1)."""

from idp import pages
from idp.interaction import Interaction


def spoken(interaction: Interaction) -> str:
    """The language of the next page: chosen there, asked by the client, or stored for whoever was just identified.

    Settled anew, for the answer that is being taken began before the person was known.
    """
    asked = interaction.request.ui_locales if interaction.request else ()
    pages.speak(ui_locales=asked, stored=interaction.language, since=interaction.started_at)
    return pages.language()
