"""The four catalogues: complete, in one tone, and neither more nor less than the pages need."""

import ast
import re
import string
from collections.abc import Iterable
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po
from jinja2 import Environment
from jinja2 import nodes

from idp import gsm
from idp.audience import AudienceName
from idp.languages import LANGUAGES
from idp.texts import Texts

ROOT = Path(__file__).parents[2]
LOCALES = ROOT / "locales"
NBSP = "\u00a0"
KEY = re.compile(r"[a-z][a-z0-9]*(\.[a-z0-9_]+)+")
SPEAKING = {"Text", "Refused", "wrong", "t", "say", "text", "_text"}
"""Functions whose literal arguments are keys."""
FIELD_ARGUMENTS = {"description", "empty", "refused"}
MESSAGES = {"mail": (".s", ".b"), "sms": ("",)}
"""`mail("activated", …)` says `mail.activated.s` and `.b` (`idp/outbox.py` puts them together)."""


def catalogue(language: str) -> Catalog:
    with (LOCALES / language / "LC_MESSAGES" / "messages.po").open("rb") as file:
        return read_po(file, abort_invalid=True)


def messages(language: str) -> dict[str, str]:
    return {str(message.id): str(message.string) for message in catalogue(language) if message.id}


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


ALL = {language: messages(language) for language in LANGUAGES}


class Keys:
    """What a source tree says: `spoken` are keys it will ask for, `mentioned` every literal that may be one."""

    def __init__(self) -> None:
        self.spoken: dict[str, str] = {}
        self.mentioned: set[str] = set()
        self.patterns: dict[str, str] = {}

    def speak(self, key: str, where: str) -> None:
        if KEY.fullmatch(key):
            self.spoken.setdefault(key, where)

    def build(self, parts: Iterable[str | None], where: str) -> None:
        """A key put together: literal parts and, for each unknown one, None."""
        known = list(parts)
        beginning = known[0] or ""
        is_key = "." in beginning and all(re.fullmatch(r"[a-z0-9_.]*", part or "") for part in known)
        if is_key and beginning.partition(".")[0] not in MESSAGES:
            pattern = "".join(re.escape(part) if part else "[a-z0-9_.]+" for part in known)
            self.patterns.setdefault(pattern, where)


def read_tree(root: Path) -> Keys:
    """The keys of the Python files and templates below `root`."""
    keys = Keys()
    for folder in ("idp", "flows", "pensioners", "admin", "keys"):
        for path in sorted((root / folder).rglob("*.py")):
            read_python(path, keys)
    for path in sorted((root / "templates").rglob("*.*")):
        read_template(path, keys)
    return keys


def read_python(path: Path, keys: Keys) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            keys.mentioned.add(node.value)
        elif isinstance(node, ast.JoinedStr):
            keys.build((part.value if isinstance(part, ast.Constant) else None for part in node.values), str(path))
        elif isinstance(node, ast.Call):
            for argument in spoken_arguments(node):
                keys.speak(argument, f"{path}:{node.lineno}")


def spoken_arguments(call: ast.Call) -> Iterator[str]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    values: list[ast.expr] = []
    if name in MESSAGES and call.args and isinstance(call.args[0], ast.Constant):
        yield from (f"{name}.{call.args[0].value}{end}" for end in MESSAGES[name])
    elif name in SPEAKING:
        values = call.args[:2]
    elif name.endswith("Field"):
        values = call.args[:1] + [keyword.value for keyword in call.keywords if keyword.arg in FIELD_ARGUMENTS]
    yield from (node.value for node in values if isinstance(node, ast.Constant) and isinstance(node.value, str))


def read_template(path: Path, keys: Keys) -> None:
    tree = Environment(autoescape=True).parse(path.read_text())
    for constant in tree.find_all(nodes.Const):
        if isinstance(constant.value, str):
            keys.mentioned.add(constant.value)
    for joined in tree.find_all(nodes.Concat):
        keys.build((part.value if isinstance(part, nodes.Const) else None for part in joined.nodes), str(path))
    for call in tree.find_all(nodes.Call):
        if isinstance(call.node, nodes.Name) and call.node.name == "t":
            for constant in literal_choices(call.args[0]):
                keys.speak(constant, f"{path}:{call.lineno}")


def literal_choices(node: nodes.Expr) -> Iterator[str]:
    """The keys `t("a")` and `t("a" if x else "b")` may ask for; one that is put together is a pattern."""
    if isinstance(node, nodes.Const) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, nodes.CondExpr):
        yield from literal_choices(node.expr1)
        if node.expr2 is not None:
            yield from literal_choices(node.expr2)


def missing_keys(root: Path, known: Iterable[str]) -> list[str]:
    """Keys the tree asks for and the catalogues lack, with the place."""
    known, keys = set(known), read_tree(root)
    groups = {key.partition(".")[0] for key in known}
    unknown = [f"{key} ({where})" for key, where in keys.spoken.items() if key not in known]
    empty = [f"{pattern} ({where})" for pattern, where in keys.patterns.items() if not any_matches(pattern, known)]
    return unknown + [pattern for pattern in empty if pattern.partition("\\")[0] in groups]


def unused_keys(root: Path, known: Iterable[str]) -> list[str]:
    """Keys of the catalogues that nothing in the tree asks for."""
    keys = read_tree(root)
    used = keys.mentioned | set(keys.spoken)
    return [key for key in known if key not in used and not any(re.fullmatch(one, key) for one in keys.patterns)]


def any_matches(pattern: str, known: Iterable[str]) -> bool:
    return any(re.fullmatch(pattern, key) for key in known)


def test_every_catalogue_has_the_same_keys_in_the_same_order() -> None:
    orders = {language: list(ALL[language]) for language in LANGUAGES}

    assert all(order == orders["fr"] for order in orders.values())
    assert len(orders["fr"]) > 300


def test_every_catalogue_says_which_language_it_is() -> None:
    tags = {language: str(catalogue(language).locale) for language in LANGUAGES}

    assert tags == {"de": "de_CH", "fr": "fr_CH", "it": "it_CH", "en": "en"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_there_well_formed_and_fills_the_same_placeholders(language: str) -> None:
    texts = ALL[language]

    assert [key for key, text in texts.items() if not text or text.strip() != text or "  " in text] == []
    assert [key for key, text in texts.items() if placeholders(text) != placeholders(ALL["fr"][key])] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_speaks_with_a_sharp_s_or_foreign_quotes(language: str) -> None:
    wrong = {key: text for key, text in ALL[language].items() if re.search("ß|[„“”‟‹›]|« | »", text)}

    assert wrong == {}


@pytest.mark.parametrize(
    ("language", "familiar"),
    [
        ("fr", r"\b(tu|toi|ton|ta|tes|te|t')\b"),
        ("de", r"\b(du|dir|dich|dein\w*)\b"),
        ("it", r"\b(tu|tuo|tua|tuoi|tue|ti)\b"),
    ],
)
def test_no_text_is_familiar(language: str, familiar: str) -> None:
    wrong = {key: text for key, text in ALL[language].items() if re.search(familiar, text, re.IGNORECASE)}

    assert wrong == {}


def test_french_punctuation_never_begins_a_line() -> None:
    """French sets a blank before `: ; ? !`; a no-break one keeps them together. SMS have none: it is not GSM."""
    pages = {key: text for key, text in ALL["fr"].items() if not key.startswith("sms.")}
    loose = {key: text for key, text in pages.items() if re.search(r"[^\S\u00a0][:;?!]", text)}
    close = {key: text for key, text in pages.items() if re.search(r"[^\s\u00a0][:;?!](?!//)", text)}

    assert (loose, close) == ({}, {})
    assert not any(NBSP in text for key, text in ALL["fr"].items() if key.startswith("sms."))


BREAKS = r"(?i)\be-mail|QR-code|\d[ -]\d|\b\d-[a-z]|\w–\w|[\d}] Uhr|7 [Mm]inut"


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_line_of_a_page_ends_within_what_belongs_together(language: str) -> None:
    """«e-/mail», «061 555 / 01 23», «9–/12 / Uhr»: as the pages get them, the operator's own words included."""
    texts = Texts(LOCALES, defaults={"help_phone": "061 555 01 23", "help_hours": "Mo–Fr 9–12 Uhr, 13.30–16 Uhr"})
    names = {name for text in ALL[language].values() for name in placeholders(text)} - {"help_phone", "help_hours"}
    values = dict.fromkeys(names, "7")
    pages = [key for key in ALL[language] if not key.startswith(("sms.", "mail.", "letter."))]

    broken = {key: text for key in pages if re.search(BREAKS, text := texts.text(language, key, **values))}

    assert broken == {}
    assert f":{NBSP}7." in texts.text(language, "code.err.left", n=7)
    assert len([key for key in pages if re.search(BREAKS, ALL[language][key])]) > 20, "the catalogues are plain"


def test_messages_and_what_people_typed_are_left_as_they_are() -> None:
    texts = Texts(LOCALES, defaults={"help_phone": "061 555 01 23", "portal": "myVPK", "site": "fund.ch"})

    assert "e-mail ne contient" in texts.text("fr", "mail.safety").replace("\n", " ")
    assert "061 555 01 23" in texts.text("fr", "mail.not_me")
    assert "à l-e-mail@e-mail.example." in texts.text("fr", "code.resent", target="l-e-mail@e-mail.example")
    assert f"079{NBSP}123{NBSP}45{NBSP}67" in texts.text("fr", "e5.sms.sent", phone="079 123 45 67")


@pytest.mark.parametrize("language", ["de", "it", "en"])
def test_other_languages_set_no_blank_before_punctuation(language: str) -> None:
    wrong = {key: text for key, text in ALL[language].items() if re.search(r"\s[:;?!](\s|$)", text)}

    assert wrong == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_sms_is_one_sms_with_a_long_host_and_fund(language: str) -> None:
    """pages.md 2.4: 160 characters of GSM 7 bit; the last line lets telephones fill the code in."""
    texts = Texts(LOCALES, strict=True)
    host, fund = "login.".ljust(37, "x") + ".ch", "Pensionskasse des Kantons Beispiel"[:33]

    sms = f"{texts.text(language, 'sms.code', code='447683', fund=fund)}\n\n" + texts.text(
        language, "sms.bound", host=host, code="447683"
    )

    assert (len(host), len(fund)) == (40, 33)
    assert gsm.septets(sms) <= gsm.ONE_SMS
    assert re.fullmatch(r"@[^ ]+ #\d{6}", sms.splitlines()[-1])


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_mail_with_a_code_begins_its_subject_with_it_and_no_mail_has_a_link(language: str) -> None:
    """pages.md 2.4; decision 25."""
    mails = {key: text for key, text in ALL[language].items() if key.startswith("mail.")}

    for key, text in mails.items():
        assert "http" not in text
        if key.endswith("_code.s"):
            assert text.startswith("{code} ")
        if key.endswith("_code.b"):
            assert "\n\n{code}\n\n" in text


def test_every_key_the_source_asks_for_is_in_the_catalogues() -> None:
    assert missing_keys(ROOT, ALL["fr"]) == []


def test_the_reading_of_the_source_finds_what_is_missing_and_what_is_unused(tmp_path: Path) -> None:
    (tmp_path / "idp").mkdir()
    (tmp_path / "templates" / "pages").mkdir(parents=True)
    (tmp_path / "idp" / "a.py").write_text(
        'x = CodeField("f.label", description="f.hint")\n'
        'raise Refused("f.gone", *more)\n'
        'y = wrong(f"f.err.{kind}")\n'
        'z = ("f.tuple", "no key")\n'
        'outbox.mail("hello", to)\n'
        'text(f"mail.{name}.s") + f"f.x {y} is a sentence"\n'
    )
    (tmp_path / "templates" / "pages" / "b.html").write_text(
        '{{ t("f.title") }} {{ t("f.yes" if x else "f.no") }} {{ t("f." ~ y ~ ".h1") }} {{ t("f.absent", n=1) }}'
    )
    used = ["f.label", "f.hint", "f.err.a", "f.tuple", "f.title", "f.yes", "f.no", "f.x.h1", "mail.hello.s"]
    unused = ["f.never", "f.x.p", "mail.never.s"]

    missing = missing_keys(tmp_path, used + unused)

    assert sorted(key.partition(" ")[0] for key in missing) == ["f.absent", "f.gone", "mail.hello.b"]
    assert unused_keys(tmp_path, used + unused) == unused
    assert r"f\.err\.[a-z0-9_.]+" in "".join(missing_keys(tmp_path, ["f.other"]))


@pytest.mark.parametrize("name", get_args(AudienceName))
def test_every_entry_of_the_choice_page_has_its_word(name: str) -> None:
    assert f"start.{name}" in ALL["de"]


def test_no_text_is_left_that_nothing_says() -> None:
    assert unused_keys(ROOT, ALL["fr"]) == []
