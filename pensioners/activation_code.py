"""The activation code on the letter: 60 bits in Crockford base 32, drawn, printed and read again."""

import secrets
from typing import Literal

from .spelling import compact

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford base 32: no I, L, O, U."""
LENGTH = 12
GROUP = 4

LOOK_ALIKES = str.maketrans({"O": "0", "I": "1", "L": "1"})

Kind = Literal["empty", "length", "alphabet"]


class CodeProblem(ValueError):
    """Why a text cannot be an activation code, and how many characters were counted."""

    def __init__(self, kind: Kind, count: int = 0) -> None:
        super().__init__(f"not an activation code: {kind}")
        self.kind: Kind = kind
        self.count = count


def new() -> str:
    """Draw a code: twelve characters of five random bits each."""
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def show(code: str) -> str:
    """The code as it is printed, in groups of four: `K7XM 3QPA 9TZ2`."""
    return " ".join(code[start : start + GROUP] for start in range(0, len(code), GROUP))


def parse(text: str) -> str:
    """Read a code in any case and grouping, with look-alikes for what they look like (pages.md 2.2.3)."""
    code = compact(text).upper().translate(LOOK_ALIKES)
    if not code:
        raise CodeProblem("empty")
    if len(code) != LENGTH:
        raise CodeProblem("length", len(code))
    if any(char not in ALPHABET for char in code):
        raise CodeProblem("alphabet", len(code))
    return code
