"""Look-alikes: names that people take for another one (Unicode Technical Standard 39).

A name is compared by its skeleton: what is left of it for somebody who glances at it. The table holds the letters that
could stand for a Latin one; whole names in another script are nobody's look-alike unless all their letters are.
"""

import re
import unicodedata

_LIKE = {
    "a": "АаΑαᎪꓮⲀⲁɑ",
    "b": "ВвЬьΒβᏴᏏꓐƄƅ",
    "c": "СсςᏟꓚⲤⲥ",
    "d": "ԀԁᎠᏧꓓ",
    "e": "ЕеЄєΕεᎬꓰ",
    "f": "Ϝϝꓝ",
    "g": "ԌԍցᏀꓖ",
    "h": "НнҺһΗհᎻᏂꓧⲎⲏ",
    "j": "ЈјϳͿᎫꓙ",
    "k": "КкҚқҠҡӃӄΚκᏦꓗⲔⲕ",
    "l": "iI1ІіӀӏΙιɩᎥꓲⲒⲓᏞꓡԼ",
    "m": "МмΜϺᎷꓟⲘⲙ",
    "n": "пΝηոꓠⲚⲛ",
    "o": "0ОоΟοσՕօꓳⲞⲟ",
    "p": "РрΡρᏢꓑⲢⲣ",
    "q": "Ԛԛզ",
    "r": "гᎡᏒꓣ",
    "s": "ЅѕՏᏚᏕꓢ",
    "t": "ТтΤτᎢꓔⲦⲧ",
    "u": "μυսՍꓴ",
    "v": "ѴѵνᏙᏩꓦ",
    "w": "ԜԝШшωᎳᏔꓪ",
    "x": "ХхΧχꓫⲬⲭ",
    "y": "УуҮүҰұΥγᎩᎽꓬⲨⲩ",
    "z": "ΖζᏃꓜⲌⲍ",
    "": "\u115f\u1160",  # letters that nobody sees
}
_LATIN = {ord(char): letter for letter, like in _LIKE.items() for char in like}
_PAIRS = {"rn": "m", "vv": "w"}
_ADORNED = re.compile(r"LATIN (?:SMALL |CAPITAL )?LETTER (?:SMALL CAPITAL |DOTLESS |SCRIPT )?([A-Z])(?: WITH .+)?")
_EAST_ASIAN = frozenset({"CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO"})
"""Scripts that are written together, and beside Latin letters, to which they have no likeness (UTS 39 §5.2)."""


def skeleton(name: str) -> str:
    """The name without case, spaces, signs and accents, each letter as the Latin one that it looks like."""
    letters = "".join(_unadorned(char) for char in unicodedata.normalize("NFKD", name) if char.isalnum())
    plain = letters.translate(_LATIN).casefold().translate(_LATIN)
    for pair, letter in _PAIRS.items():
        plain = plain.replace(pair, letter)
    return plain


def is_mixed(name: str) -> bool:
    """Whether a word of the name is written in several scripts, as only who wants to deceive does."""
    plain = "".join(char for char in unicodedata.normalize("NFKD", name) if not unicodedata.combining(char))
    return any(len(_scripts(word)) > 1 for word in re.split(r"[\W\d_]+", plain))


def _unadorned(char: str) -> str:
    """A Latin letter without hook and stroke, and in its usual form."""
    found = _ADORNED.fullmatch(unicodedata.name(char, ""))
    return found[1] if found is not None else char


def _scripts(word: str) -> set[str]:
    """The scripts of a word, East Asian ones left out; the first word of a letter's Unicode name says which it is."""
    letters = [char for char in word if unicodedata.category(char) in {"Lu", "Ll", "Lt", "Lo"}]
    return {unicodedata.name(char, "").partition(" ")[0] for char in letters} - _EAST_ASIAN
