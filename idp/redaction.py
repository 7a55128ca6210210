"""Redaction: what must never reach a log is taken out of whatever is about to be written.

Two nets, because each has holes: values under a telling name (`email`, `code`, `password` …) are dropped whole, and
every text is searched for what looks like an AHV number, a birth date, an e-mail address, a telephone number, a code or
a token. A false alarm costs a few characters of a log line; a miss costs a person's privacy.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

REMOVED = "[removed]"
LONGEST = 16_000
"""Characters of one text; of a longer one only the beginning and the end are kept."""

SENSITIVE = frozenset(
    {
        *(
            "password",
            "passwort",
            "secret",
            "token",
            "tokens",
            "code",
            "codes",
            "otp",
            "pin",
            "jwt",
            "assertion",
            "verifier",
        ),
        *("ahv", "avs", "birth", "birthdate", "birthday", "phone", "mobile", "msisdn", "email", "mail", "street"),
        *("recipient", "recipients", "cookie", "cookies", "authorization", "credential", "credentials", "answers"),
        *("body", "form", "args", "query", "params", "parameters", "headers", "environ", "payload"),
        *("first_name", "last_name", "given_name", "family_name", "full_name"),
    }
)
"""Words that make a name telling: `activation_code`, `new-password`, `headers` … drop their value."""

PLAIN = frozenset(
    {
        "event",
        "status_code",
        "error_code",
        "exit_code",
        "request_id",
        "reference",
        "kid",
        "client_id",
        "account_id",
        "revision",
    }
)
"""Names that say what they hold, and hold nothing of a person; only shapes of personal data are searched in them."""

SHAPES = (
    # Messages of the database driver that quote rows: SQLAlchemy's parameters, PostgreSQL's details.
    (re.compile(r"\[parameters: .{0,4000}?\](?=\n|$)", re.DOTALL), f"[parameters: {REMOVED}]"),
    (re.compile(r"(DETAIL:|Failing row contains|input_value=)[^\n]*"), rf"\1 {REMOVED}"),
    # AHV number: 756 and ten digits, in any grouping.
    (re.compile(r"(?<!\d)756(?:[ .\u00a0\u202f-]?\d){10}(?!\d)"), REMOVED),
    # Birth dates, as people write them and in ISO form; dates of this century are those of the program itself.
    (re.compile(r"(?<!\d)\d{1,2}[./ -]{1,2}\d{1,2}[./ -]{1,2}19\d\d(?!\d)"), REMOVED),
    (re.compile(r"(?<![\d.])\d\d\.\d\d\.\d\d(?![\d.])"), REMOVED),
    (re.compile(r"(?<!\d)19\d\d-?(?:0[1-9]|1[0-2])-?(?:0[1-9]|[12]\d|3[01])(?!\d)"), REMOVED),
    # E-mail, also percent-encoded; bounded, so that a long text cannot keep a worker busy.
    (
        re.compile(r"[^\s@%<>\"'(),:;\[\]{}=]{1,64}(?:@|%40)[^\s@%<>\"'(),:;\[\]{}=]{1,253}\.\w{2,}"),
        REMOVED,
    ),
    # JWT, also without signature.
    (re.compile(r"\beyJ[\w-]+\.[\w-]+(?:\.[\w-]*)*"), REMOVED),
    # Telephone: international, and Swiss as written at home.
    (re.compile(r"(?<![\w.:])(?:\+|%2B|00)[1-9](?:[ ./()\u00a0-]{0,2}\d){7,14}(?!\d)"), REMOVED),
    (re.compile(r"(?<![\w.:-])0\d{2}[ ./\u00a0-]?\d{3}[ ./\u00a0-]?\d{2}[ ./\u00a0-]?\d{2}(?!\w)"), REMOVED),
    # Activation code: Crockford base 32 in three groups of four.
    (re.compile(r"(?<![\w-])(?:[0-9A-HJKMNP-TV-Z]{4}[ -]){2}[0-9A-HJKMNP-TV-Z]{4}(?![\w-])", re.IGNORECASE), REMOVED),
    # Six digits (also 123 456) close after the word code, in our four languages.
    (re.compile(r"((?:code|codice|kode)\b[^\n\d]{0,40})\d{3}[ -]?\d{3}(?!\d)", re.IGNORECASE), rf"\1{REMOVED}"),
)
SHORTEST_TOKEN = 16
"""Letters alone, and fewer of them, fit none of the shapes; most of what is logged is one such word."""
TOKEN = re.compile(rf"(?<![\w-])[\w~+=-]{{{SHORTEST_TOKEN},}}(?![\w-])")


def redact(value: Any, name: str = "") -> Any:
    """The value as it may be logged; mappings and lists are searched to the bottom."""
    if name and name not in PLAIN and not isinstance(value, bool | None) and _is_sensitive(name):
        return REMOVED
    if isinstance(value, str):
        return redact_text(value, tokens=name not in PLAIN)
    if isinstance(value, bool | int | float | None):
        return _number(value)
    if isinstance(value, Mapping):
        return {redact_text(str(key)): redact(inner, str(key)) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(inner) for inner in value]
    return redact_text(str(value))


def redact_text(text: str, *, tokens: bool = True) -> str:
    """The text without anything that looks like personal data, a code or (unless switched off) a token."""
    if len(text) < SHORTEST_TOKEN and text.isalpha():
        return text
    if len(text) > LONGEST:
        text = f"{text[: LONGEST // 2]} … {text[-LONGEST // 2 :]}"
    for pattern, replacement in SHAPES:
        text = pattern.sub(replacement, text)
    return TOKEN.sub(_unless_words, text) if tokens else text


@lru_cache(maxsize=1024)
def _is_sensitive(name: str) -> bool:
    snake = re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower())
    return snake in SENSITIVE or not SENSITIVE.isdisjoint(snake.split("_"))


def _number(value: bool | float | None) -> Any:
    """An AHV number or a telephone number given as a number is one all the same."""
    if isinstance(value, int) and not isinstance(value, bool) and redact_text(str(value)) != str(value):
        return REMOVED
    return value


def _unless_words(found: re.Match[str]) -> str:
    """Leave names of functions, classes and files alone: they are made of words, a token is not."""
    text = found.group()
    if _is_made_of_words(text):
        return text
    has_both_cases = text.lower() != text and text.upper() != text
    return REMOVED if len(text) >= 24 or has_both_cases else text


def _is_made_of_words(text: str) -> bool:
    """Whether the letters come in words that can be spoken, and digits only at the end of one."""
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", text)
    if not words or sum(map(len, words)) / len(words) < 3.5 or max(map(len, words)) > 20:
        return False
    if text.upper() == text and any(character.isdigit() for character in text):
        return False
    if any(re.search(r"[bcdfghjklmnpqrstvwxz]{5}", word, re.IGNORECASE) for word in words):
        return False
    return re.search(r"\d(?:[a-z]|[A-Z](?![a-z]))|\d{5}", text) is None
