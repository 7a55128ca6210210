"""Adding a second factor touches one module, two templates, its word in the list, and its words in the catalogues.

Proven on a copy of the program: a toy factor is added by exactly these edits, then somebody enrols and signs in.
"""

import filecmp
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PARTS = ("idp", "flows", "keys", "pensioners", "admin", "templates", "locales", "static", "wsgi.py")
LANGUAGES = ("de", "fr", "it", "en")

MODULE = '''
"""Toy: says the word that was agreed on at the enrolment."""

from wtforms import Form
from wtforms import StringField

from idp.flow import Refused

from ..factor import Enrolled
from ..factor import Factor


class WordForm(Form):
    """One word."""

    word = StringField("e4.toy")


class Toy(Factor):
    """A word."""

    kind = "toy"
    word = "toy"
    method = "otp"
    enrolment = WordForm
    answer = WordForm

    def show_enrolment(self, draft, holder):
        return {"example": "abracadabra"}

    def enrol(self, draft, form, holder):
        if not form.word.data:
            raise Refused("code.err.empty", field="word")
        return Enrolled(self.kind, {"word": form.word.data})

    def verify(self, authenticator, form, holder):
        if form.word.data != authenticator.data["word"]:
            raise Refused("code.err.empty", field="word")
'''

TEMPLATE = """
<form method="post" novalidate>
{{ ui.csrf(csrf_token) }}
{{ ui.field(form.word) }}
{{ ui.actions(cancel_url=cancel_url) }}
</form>
"""

TRIAL = """
import sys
from application import make_app
import flows, idp
assert idp.__file__.startswith(sys.argv[1]) and flows.__file__.startswith(sys.argv[1]), idp.__file__
app = make_app(database_url=f"sqlite:///{sys.argv[2]}/idp.sqlite", factors=("sms", "toy"))
with app.app_context():
    from idp.provider import provider
    from visitor import Visitor, a_person, messages
    provider.keys.ensure()
    person, visitor = a_person(), Visitor(app)
    page = visitor.enrol_until("second-factor", person)
    assert "Toy in fr" in page.text, page.text
    page = visitor.answer(page, method="toy")
    assert visitor.answer(page, word="").status == 422
    page = visitor.answer(page, word="sesame")
    assert "/done" in page.url, (page.status, page.errors())
    assert "Toy in fr" in messages(person.email)[0]["text"]
    second = Visitor(app)
    page = second.give_password(second.open("/signin"), person.email)
    assert "Toy in fr" in page.text, page.text
    assert second.answer(page, word="wrong").status == 422
    assert second.browser.get_cookie("idp_session") is None
    assert second.answer(page, word="sesame").status == 303
    assert second.browser.get_cookie("idp_session") is not None
    print("enrolled and signed in")
"""


def copy(target: Path) -> None:
    for name in PARTS:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, target / name)


def add_toy(tree: Path) -> None:
    """The edits that the docstring of `flows/factors/__init__.py` names."""
    (tree / "flows/factors/toy.py").write_text(MODULE.lstrip())
    listed = tree / "flows/factors/__init__.py"
    text = listed.read_text()
    named = text.replace("from .totp import Totp\n", "from .totp import Totp\nfrom .toy import Toy\n")
    listed.write_text(named.replace("Totp())", "Totp(), Toy())"))
    assert listed.read_text().count("Toy") == 2
    folder = tree / "templates/factors/toy"
    folder.mkdir()
    for name in ("enrol.html", "verify.html"):
        (folder / name).write_text(TEMPLATE)
    for language in LANGUAGES:
        catalogue = tree / f"locales/{language}/LC_MESSAGES/messages.po"
        keys = ("e4.toy", "e4.toy_hint", "tf.toy.h1", "tf.m.toy", "method.toy")
        words = "".join(f'\nmsgid "{key}"\nmsgstr "Toy in {language}"\n' for key in keys)
        catalogue.write_text(catalogue.read_text() + words)


def changed(tree: Path) -> set[str]:
    """What differs from the program, by path."""
    found = set()
    for path in tree.rglob("*"):
        name = path.relative_to(tree)
        if path.is_file() and "__pycache__" not in name.parts:
            original = ROOT / name
            if not original.exists() or not filecmp.cmp(path, original, shallow=False):
                found.add(str(name))
    return found


def test_a_factor_is_one_module_two_templates_a_word_and_its_texts(tmp_path: Path) -> None:
    tree, data = tmp_path / "tree", tmp_path / "data"
    tree.mkdir()
    data.mkdir()
    copy(tree)
    assert changed(tree) == set()
    add_toy(tree)

    done = subprocess.run(
        [sys.executable, "-c", TRIAL, str(tree), str(data)],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": f"{tree}:{ROOT / 'tests'}", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.stdout.endswith("enrolled and signed in\n"), done.stdout[-3000:] + done.stderr[-3000:]
    assert changed(tree) == {
        "flows/factors/toy.py",
        "flows/factors/__init__.py",
        "templates/factors/toy/enrol.html",
        "templates/factors/toy/verify.html",
        *(f"locales/{language}/LC_MESSAGES/messages.po" for language in LANGUAGES),
    }
