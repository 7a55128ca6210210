"""Addresses and numbers as a page may show them to somebody who has not just typed them (pages.md 2.1.7, C1)."""


def email(address: str) -> str:
    """Its first letter and its domain: `a…@bluewin.ch`."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}…@{domain}"


def phone(number: str) -> str:
    """Its last two digits: `… 67`."""
    return f"… {number[-2:]}"
