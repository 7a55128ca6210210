"""Parameters, read strictly: well-formed text, a bounded number of them, and never two of one name.

Frameworks merge query and body, take the first of two values and replace what is not UTF-8; whoever checks one value
while somebody else acts on the other is open to parameter pollution (CVE-2026-9689).
"""

from collections import Counter
from collections.abc import Iterable
from collections.abc import Iterator
from urllib.parse import parse_qsl

from flask import Request

MAX_PARAMETERS = 100
LISTS = frozenset({"resource", "audience"})
"""What may be sent several times (RFC 8707 §2, RFC 8693 §2.1)."""
FORM = "application/x-www-form-urlencoded"


class Malformed(ValueError):
    """The parameters cannot be read; the text is constant and safe to show."""


class Parameters:
    """What was sent, by name; `repeated` names whatever must not be believed."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        sent = list(pairs)
        counted = Counter(name for name, _ in sent)
        self._values = dict(sent)
        # `scope[]=…` is another way to send `scope` twice; alone it is a name that nobody reads.
        arrays = {name.partition("[")[0] for name in counted if "[" in name} & counted.keys()
        self.repeated = frozenset({name for name, times in counted.items() if times > 1} - LISTS | arrays)
        self._sent = sent

    def get(self, name: str) -> str | None:
        """The value, or None: a parameter without a value counts as left out (RFC 6749 §3.1)."""
        return self._values.get(name) or None

    def get_all(self, name: str) -> tuple[str, ...]:
        """Every value of a parameter that may be sent several times."""
        return tuple(dict.fromkeys(value for each, value in self._sent if each == name and value))

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Everything that has a value, as it was sent."""
        return ((name, value) for name, value in self._sent if value)

    def as_dict(self) -> dict[str, str]:
        """Every parameter that has a value."""
        return {name: value for name, value in self._values.items() if value}


def read_query(request: Request) -> Parameters:
    """The parameters of the address."""
    return _read(request.query_string)


def read_form(request: Request) -> Parameters:
    """The parameters of a form body, and of nothing else (RFC 6749 §3.2)."""
    if request.mimetype != FORM:
        raise Malformed("The body must be application/x-www-form-urlencoded.")
    if request.query_string:
        raise Malformed("Parameters belong into the body, not into the address.")
    return _read(request.get_data())


def _read(raw: bytes) -> Parameters:
    try:
        pairs = parse_qsl(raw.decode("utf-8"), keep_blank_values=True, max_num_fields=MAX_PARAMETERS, errors="strict")
    except ValueError:  # UnicodeDecodeError is one too
        raise Malformed("The parameters cannot be read.") from None
    return Parameters(pairs)
