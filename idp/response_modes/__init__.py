"""The ways an answer travels to a client. A mode is one file, and a word in this list.

`jwt.py` is none of them: it signs an answer, which then travels by one of them (JARM §2.3).
"""

from collections.abc import Callable
from collections.abc import Mapping

from flask import Response

from . import form_post
from . import fragment
from . import query

MODES: dict[str, Callable[[str, Mapping[str, str]], Response]] = {
    "query": query.send,
    "fragment": fragment.send,
    "form_post": form_post.send,
}
