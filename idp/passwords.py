"""Passwords: hashed for the database, and judged before they are taken.

A hash is `pepper:argon2id…`: argon2id over a keyed fingerprint of the password, so that a stolen database alone cannot
be guessed at (decision 27). `pepper` names the root secret behind the fingerprint; one under an older root still
verifies and is due for a new hash. Passwords are NFC-normalised and otherwise taken as they are (pages.md 2.2.7).
"""

import hashlib
import re
import secrets
import threading
import unicodedata
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from functools import cache
from typing import Literal

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error
from argon2.exceptions import InvalidHashError
from zxcvbn_rs_py import zxcvbn

from .provider import provider
from .texts import Text

Rule = Literal["groups", "length"]

SHORTEST: dict[Rule, tuple[int, str]] = {"groups": (8, "pw.err.short"), "length": (12, "pw.err.short12")}
LONGEST = 256
AT_ONCE = 4
"""Hashes computed side by side in one process: each takes 19 MiB and a core."""
LONGEST_WAIT = 5.0
WEAKEST_SCORE = 2

_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_places = threading.BoundedSemaphore(AT_ONCE)


class Busy(RuntimeError):
    """Too many passwords are being checked (HTTP 503)."""


def hash(password: str) -> str:
    """What the database keeps of a password."""
    password = _normal(password)
    if not 0 < len(password) <= LONGEST:
        raise ValueError(f"A password has 1 to {LONGEST} characters.")
    with _place():
        return f"{_peppers()[0]}:{_hasher.hash(_fingerprints(password)[0])}"


def verify(stored: str | None, password: str) -> bool:
    """Whether this is the password; without a stored hash the answer is no, after the same work."""
    password, peppers = _normal(password), _peppers()
    pepper, _, hashed = (stored or "").partition(":")
    is_possible = pepper in peppers and len(password) <= LONGEST
    fingerprints = _fingerprints(password[:LONGEST])
    with _place():
        nobody = _nobodys_hash()
        if not is_possible:
            _fits(nobody, fingerprints[0])
            return False
        return _fits(hashed, fingerprints[peppers.index(pepper)])


def needs_rehash(stored: str) -> bool:
    """Whether parameters or root secret have changed since the hash was made."""
    pepper, _, hashed = stored.partition(":")
    try:
        return pepper != _peppers()[0] or _hasher.check_needs_rehash(hashed)
    except InvalidHashError:
        return True


def problems(password: str, *, rule: Rule, words: Sequence[str]) -> list[Text]:
    """What is wrong with a new password, most important first; `words` are the person's own.

    Of these an e-mail address, a birth date or an AHV number must not stand in it; with all of them it is guessed at.
    """
    password = _normal(password)
    if len(password) > LONGEST:
        return [Text("pw.err.long", {"max": LONGEST})]
    found = []
    shortest, too_short = SHORTEST[rule]
    if len(password) < shortest:
        found.append(Text(too_short, {"n": len(password)}))
    missing = _missing_groups(password) if rule == "groups" else ()
    if missing:
        found.append(Text("pw.err.missing", {"groups": missing}))
    if _is_personal(password, words):
        found.append(Text("pw.err.personal"))
    if not found and _is_easy(password, words):  # else the other advice comes first, and mends this too
        found.append(Text("pw.err.common"))
    return found


@contextmanager
def _place() -> Iterator[None]:
    """One of the few places to compute in; better to refuse a few than to make everybody wait."""
    if not _places.acquire(timeout=LONGEST_WAIT):
        raise Busy("Too many passwords are being checked.")
    try:
        yield
    finally:
        _places.release()


def _fits(hashed: str, fingerprint: str) -> bool:
    try:
        return _hasher.verify(hashed, fingerprint)
    except (Argon2Error, InvalidHashError):
        return False


@cache
def _nobodys_hash() -> str:
    """What is computed against where there is no account: the same work, and no password fits."""
    return _hasher.hash(secrets.token_hex(32))


def _fingerprints(password: str) -> list[str]:
    """The password under each pepper; hashed first, for the vault would take ﬁ and fi for one (NFKC)."""
    digest = hashlib.sha256(password.encode("utf-8", "surrogatepass")).hexdigest()
    return provider.vault.fingerprints("password", digest)


def _peppers() -> list[str]:
    """The name of each pepper, the current one first."""
    return [name[:8] for name in provider.vault.fingerprints("password pepper", "name")]


def _normal(password: str) -> str:
    return unicodedata.normalize("NFC", password)


def _missing_groups(password: str) -> tuple[Text, ...]:
    """The groups as the page's script ticks them: a letter without case, such as 安, is in none."""
    kinds = {unicodedata.category(character) for character in password}
    has = {
        "digit": "Nd" in kinds,
        "lower": "Ll" in kinds,
        "upper": "Lu" in kinds,
        "special": any(kind != "Nd" and not kind.startswith("L") for kind in kinds),
    }
    return tuple(Text(f"pw.rule.{group}") for group, is_there in has.items() if not is_there)


def _is_personal(password: str, words: Sequence[str]) -> bool:
    """Whether e-mail, birth date or AHV number stand in it, however separated (pages.md 2.2.7)."""
    folded, bare = _folded(password), _bare(password)
    for word in words:
        if "@" in word:
            local = _bare(word.partition("@")[0])
            if len(local) >= 4 and local in bare:
                return True
        elif DIGITS_ONLY.fullmatch(word):
            digits = _bare(word)
            if (len(digits) >= 6 and digits in bare) or (digits != word and _folded(word) in folded):
                return True
    return False


def _is_easy(password: str, words: Sequence[str]) -> bool:
    """Whether it is guessed soon: easy words with a year or so, or a low score with the person's words."""
    own = [*words, *(part for word in words for part in re.split(r"[\W_]+", word) if len(part) > 2)]
    easy = EASY_WORDS.union(*(_words(_folded(word)) for word in own))
    folded = _folded(password)
    core = re.sub(r"^[\W\d_]+|[\W\d_]+$", "", folded)
    if any(_is_decoration(folded, _words(text), easy) for text in (folded, core.translate(LOOK_ALIKES))):
        return True
    guessable = [*own, *EASY_WORDS, provider.settings.portal, *" ".join(provider.settings.fund.values()).split()]
    readable = password.encode("utf-8", "replace").decode()  # zxcvbn takes no lone surrogates
    return int(zxcvbn(readable, guessable).score) < WEAKEST_SCORE


def _is_decoration(password: str, words: Sequence[str], easy: Collection[str]) -> bool:
    """Whether easy words are all there is to it: «été2026!», «s0mmer-24», «hans-muster_48a»."""
    covered = sum(len(word) for word in words if word in easy)
    letters = sum(map(str.isalpha, password))
    return covered > 0 and len(password) - covered <= DECORATION and letters - covered <= MORE_LETTERS


def _words(folded: str) -> list[str]:
    return [word for word in re.findall(r"[^\W\d_]+", folded) if len(word) > 2]


def _folded(text: str) -> str:
    """One spelling for all: small letters, no accents, no width."""
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    return "".join(character for character in decomposed if not unicodedata.combining(character))


def _bare(text: str) -> str:
    return "".join(character for character in _folded(text) if character.isalnum())


DIGITS_ONLY = re.compile(r"(?=.*\d)[\d .\-/]+")
DECORATION = 8
"""Characters beside easy words: a date, a sign or two …"""
MORE_LETTERS = 2
"""… and letters among them."""
LOOK_ALIKES = str.maketrans("013457@$", "oieastas")
EASY_WORDS = frozenset(
    _folded(
        # The seasons and months of our languages, as people write them with a year …
        "Frühling Fruehling Frühjahr Fruehjahr Sommer Herbst Winter printemps été automne hiver primavera estate "
        "autunno inverno spring summer autumn fall Januar Februar März Maerz April Mai Juni Juli August September "
        "Oktober November Dezember janvier février mars avril juin juillet août septembre octobre novembre décembre "
        "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre January "
        "February March May June July October December "
        # … and what people here put for «password».
        "Passwort Kennwort Geheim Hallo Willkommen Schatz motdepasse secret bonjour bienvenue soleil parola ciao amore "
        "benvenuto password welcome hello Schweiz Suisse Svizzera Switzerland Rente Pension Pensionskasse"
    ).split()
)
