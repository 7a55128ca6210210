"""`python -m demo`: the portal on a loopback port; one process, because sessions live in its memory."""

import os

from granian import Granian
from granian.constants import Interfaces

from .settings import BadSetting
from .settings import load


def main() -> None:
    """Check the settings, then serve."""
    settings = load()
    host, port = os.environ.get("DEMO_HOST") or "127.0.0.1", _port()
    print(f"The demo portal is at {settings.base_url}", flush=True)
    Granian(
        "demo.portal:create_app",
        factory=True,
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=1,
        blocking_threads=4,
        websockets=False,
        log_access=False,
    ).serve()


def _port() -> int:
    value = os.environ.get("DEMO_PORT") or "8401"
    if not value.isascii() or not value.isdigit() or not 0 < int(value) < 65536:
        raise BadSetting("DEMO_PORT: give a port number, for example 8401.")
    return int(value)


if __name__ == "__main__":
    main()
