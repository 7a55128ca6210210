"""Where the fields of the clients stand in a TOML file; the standard library's parser does not tell."""

import re

_CLIENT = re.compile(r"\s*\[\[\s*client\s*\]\]")
_FIELD = re.compile(r"""\s*(?:\[\s*client\s*\.\s*)?["']?([A-Za-z0-9_-]+)["']?\s*[.=\]]""")


class TomlLines:
    """The lines of a file with so many `[[client]]`; silent where their number is not what can be seen."""

    def __init__(self, text: str, clients: int) -> None:
        self._lines = text.splitlines()
        begins = [number for number, line in enumerate(self._lines) if _CLIENT.match(line)]
        self._begins = begins if len(begins) == clients else []

    def where(self, client: int, field: str) -> str:
        """`line 7: ` for a field of a client, or for the client where the field is not there."""
        if not self._begins:
            return ""
        begin, *end = self._begins[client : client + 2]
        for number, line in enumerate(self._lines[begin + 1 : end[0] if end else None], begin + 2):
            found = _FIELD.match(line)
            if found and found[1] == field:
                return f"line {number}: "
        return f"line {begin + 1}: "
