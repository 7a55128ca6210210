"""Draws the secrets of compose.yaml into var/compose.env, once: `make up`."""

import os
import secrets
from pathlib import Path

FILE = Path(__file__).resolve().parent.parent / "var" / "compose.env"


def main() -> None:
    """Write the file unless it is there; losing it means losing what the secret sealed."""
    FILE.parent.mkdir(exist_ok=True)
    if FILE.exists():
        return
    with open(os.open(FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(f"IDP_SECRET={secrets.token_urlsafe(48)}\nPOSTGRES_PASSWORD={secrets.token_urlsafe(24)}\n")


if __name__ == "__main__":
    main()
