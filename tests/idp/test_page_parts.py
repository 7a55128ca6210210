"""The frame of every page and the parts of its forms: base.html, macros/form.html, error and legal pages."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from elements import Elements
from flask import Flask
from flask import render_template
from flask import render_template_string
from wtforms import BooleanField
from wtforms import Form
from wtforms import PasswordField
from wtforms import RadioField
from wtforms import StringField
from wtforms import validators

from idp.languages import LANGUAGES
from idp.texts import PSEUDO
from idp.texts import TAGS
from idp.texts import Text
from idp.texts import Texts

ROOT = Path(__file__).parents[2]
STEPS = ("enrol.s1", "enrol.s2", "enrol.s3", "enrol.s4", "enrol.s5")
ERRORS = ("400", "404", "405", "413", "500", "503", "denied", "many", "expired", "client", "cookies")
PAGE = '{% extends "base.html" %}{% set page_title = t("signin.h1") %}{% block content %}<h1>x</h1>{% endblock %}'


class Entrance(Form):
    id = StringField(
        "e1.user",
        [validators.DataRequired(), validators.Length(min=2, max=5)],
        description="e1.ahv_hint",
        render_kw={"autocomplete": "username", "inputmode": "email", "placeholder": "x"},
    )
    secret = PasswordField("e2.pw", render_kw={"autocomplete": "new-password"})
    method = RadioField("e4.legend", choices=[("sms", Text("e4.sms")), ("totp", Text("e4.app"))], validate_choice=False)
    terms = BooleanField("e1.terms")


class Pages:
    """A small application with what the provider gives its templates."""

    def __init__(self) -> None:
        hours = {"de": "Mo–Fr", "fr": "lu–ve", "it": "lu–ve", "en": "Mon–Fri"}
        defaults = {"portal": "myVPK", "fund": "0815", "help_phone": "061 555 01 23", "help_hours": hours}
        self.texts = Texts(ROOT / "locales", defaults=defaults, strict=True, pseudo=True)
        self.language = "fr"
        self.app = Flask("pages", template_folder=str(ROOT / "templates"), static_folder=None)
        self.app.jinja_env.trim_blocks = self.app.jinja_env.lstrip_blocks = True
        self.app.jinja_env.autoescape = True
        self.app.add_template_global(self.t, "t")
        self.app.add_template_filter(self.say, "say")
        self.settings = SimpleNamespace(theme={}, interaction_idle_seconds=3600)

    def t(self, key: str, **params: Any) -> str:
        return self.texts.text(self.language, key, **params)

    def say(self, message: Text | str) -> str:
        return self.t(message.key, **message.params) if isinstance(message, Text) else self.t(message)

    def context(self) -> dict[str, Any]:
        names = {"de": "Deutsch", "fr": "Français", "it": "Italiano", "en": "English"}
        return {
            "lang": self.language,
            "lang_tag": TAGS[self.language],
            "languages": [(code, name, f"/x?lang={code}", code == self.language) for code, name in names.items()],
            "portal": "myVPK",
            "home_url": "/",
            "settings": self.settings,
            "static_url": lambda name: f"/static/{name}?v=1",
        }

    def page(self, template: str, **given: Any) -> str:
        with self.app.test_request_context():
            return render_template(template, **self.context(), **given)

    def string(self, source: str, **given: Any) -> str:
        with self.app.test_request_context():
            return render_template_string(source, **self.context(), **given)

    def part(self, call: str, **given: Any) -> Elements:
        return Elements(self.string('{% import "macros/form.html" as ui %}{{ ui.' + call + " }}", **given))


@pytest.fixture
def pages() -> Pages:
    return Pages()


@pytest.fixture
def refused() -> Entrance:
    form = Entrance(data={"id": '756"><b>'})
    form.id.errors = [Text("ahv.err.length", {"n": 3}), "ahv.err.prefix"]
    form.method.errors = [Text("e4.err")]
    form.terms.errors = ["terms.err"]
    return form


def test_a_field_tells_its_label_hint_and_error_to_everybody(pages: Pages, refused: Entrance) -> None:
    """pages.md 2.1.3: label above, hint between, error between hint and field."""
    part = pages.part("field(form.id, width='ahv')", form=refused)

    field = part.one("input")
    order = [attributes.get("id", tag) for tag, attributes in part.elements if tag != "span"]
    assert order == ["div", "label", "id-hint", "id-err", "id"]
    assert part.one("label")["for"] == field["id"] == field["name"] == "id"
    assert field["aria-describedby"] == "id-hint id-err"
    assert field["aria-invalid"] == "true"
    assert field["class"] == "input w-ahv"
    assert field["value"] == '756"><b>'
    assert field["inputmode"] == "email"


def test_a_field_without_error_or_hint_says_nothing_of_them(pages: Pages) -> None:
    field = pages.part("checkbox(form.terms)", form=Entrance()).one("input")

    assert "aria-invalid" not in field
    assert "aria-describedby" not in field


def test_no_validator_makes_the_browser_judge(pages: Pages, refused: Entrance) -> None:
    """pages.md 2.1.3: no required, pattern, maxlength, placeholder, autofocus on fields."""
    field = pages.part("field(form.id)", form=refused).one("input")

    assert not {"required", "pattern", "maxlength", "minlength", "placeholder", "autofocus"} & set(field)


def test_a_password_can_be_shown_and_is_never_sent_back(pages: Pages) -> None:
    part = pages.part(
        "password(form.secret, rules=rules, second=true)",
        form=Entrance(data={"secret": "Geheim-1"}),
        rules=[("len", Text("pw.rule.len")), ("digit", Text("pw.rule.digit"))],
    )

    button = part.one("button")
    assert part.one("input")["value"] == ""
    assert button["aria-controls"] == "secret"
    assert button["aria-label"] == "Afficher le mot de passe répété"
    assert "hidden" in button
    assert [item["data-rule"] for item in part.all("li")] == ["len", "digit"]


def test_a_link_to_a_question_leads_to_its_first_answer(pages: Pages, refused: Entrance) -> None:
    part = pages.part("radios(form.method, hints=hints)", form=refused, hints={"sms": "e4.sms_hint"})

    first, second = part.all("input")
    assert (first["id"], first["value"]) == ("method", "sms")
    assert second["value"] == "totp"
    assert "checked" not in first
    assert {label["for"] for label in part.all("label")} == {first["id"], second["id"]}
    assert part.one("fieldset")["aria-describedby"] == "method-err"
    assert part.one("fieldset")["role"] == "radiogroup"
    assert len(part.all("span", **{"class": "hint"})) == 1


def test_a_chosen_answer_is_kept(pages: Pages) -> None:
    part = pages.part("radios(form.method)", form=Entrance(data={"method": "totp"}))

    assert [field["value"] for field in part.all("input") if "checked" in field] == ["totp"]


def test_the_only_submit_button_stands_between_two_links(pages: Pages) -> None:
    """Decision D2: Enter means «Suivant», and the order on the page is that of the paper."""
    part = pages.part("actions(back_url='/back', cancel_url='/cancel')")

    assert [tag for tag, _ in part.elements] == ["div", "a", "button", "a"]
    assert [attributes.get("href") for tag, attributes in part.elements if tag == "a"] == ["/back", "/cancel"]
    assert part.one("button")["type"] == "submit"


def test_a_new_code_is_asked_for_with_a_form_of_its_own(pages: Pages) -> None:
    part = pages.part("resend('abc')")

    assert part.one("form")["method"] == "post"
    assert part.one("input", name="csrf_token")["value"] == "abc"
    assert part.one("button", name="action")["value"] == "resend"


def test_the_summary_says_what_the_fields_say_and_leads_there(pages: Pages, refused: Entrance) -> None:
    """pages.md 2.1.4: one link a field, in the order of the fields, with the text beside the field."""
    html = pages.string(PAGE, form=refused)

    links = dict(re.findall(r'<li><a href="#(\w+)">(.*?)</a>', html))
    assert list(links) == ["id", "method", "terms"]
    for name, text in links.items():
        beside = pages.string(
            '{% import "macros/form.html" as ui %}{{ ui.before_input(form[name]) }}', form=refused, name=name
        )
        assert text in re.sub(r"\s+", " ", beside)
    assert Elements(html).one("div", **{"class": "error-summary"})["tabindex"] == "-1"
    assert html.index("error-summary") < html.index("<h1>")


def test_an_error_of_a_page_without_fields_is_shown_too(pages: Pages) -> None:
    form = Form()
    form.form_errors = [Text("code.err.wait", {"seconds": 30})]

    html = pages.string(PAGE, form=form)

    assert "Attendez 30 secondes" in html
    assert "<title>Erreur" in html


@pytest.mark.parametrize(
    ("given", "title"),
    [
        ({}, "Connexion – myVPK"),
        ({"form": Entrance()}, "Connexion – myVPK"),
        ({"numbered": STEPS, "number": 2}, "Étape 2 sur 5\u00a0: Connexion – myVPK"),
        ({"numbered": STEPS}, "Connexion – myVPK"),
    ],
)
def test_the_title_names_the_page_and_then_the_portal(pages: Pages, given: dict[str, Any], title: str) -> None:
    assert f"<title>{title}</title>" in pages.string(PAGE, **given)


def test_the_title_begins_with_the_error(pages: Pages, refused: Entrance) -> None:
    html = pages.string(PAGE, form=refused, numbered=STEPS, number=1)

    assert "<title>Erreur\u00a0: Étape 1 sur 5\u00a0: Connexion – myVPK</title>" in html


def test_the_step_list_marks_where_one_stands(pages: Pages) -> None:
    part = pages.part("steps(3, names)", names=STEPS)

    assert [item["class"] for item in part.all("li")] == ["done", "done", "now", "todo", "todo"]
    assert part.one("li", **{"aria-current": "step"})["class"] == "now"
    assert "Étape 3 sur 5" in part.text
    assert part.text.count("✓") == 2


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_says_its_language_and_links_to_the_others(pages: Pages, language: str) -> None:
    pages.language = language

    page = Elements(pages.string(PAGE))

    assert page.one("html")["lang"] == TAGS[language]
    links = {link["hreflang"]: link["href"] for link in page.all("a") if "hreflang" in link}
    assert links == {code: f"/x?lang={code}" for code in LANGUAGES if code != language}
    assert page.one("span", **{"aria-current": "true"})["lang"] == language


def test_notices_stand_before_the_heading_and_one_box_holds_those_of_a_kind(pages: Pages) -> None:
    html = pages.string(PAGE, notices=[("ok", Text("fp.done.h1")), ("ok", Text("fp.done.p"))])

    assert len(Elements(html).all("div", **{"class": "note ok"})) == 1
    assert html.index("Votre mot de passe a été modifié") < html.index("sessions ont été fermées") < html.index("<h1>")


def test_the_session_dialog_knows_how_to_extend(pages: Pages) -> None:
    page = Elements(pages.string(PAGE, extend_url="/i/1/extend", csrf_token="abc", cancel_url="/i/1/cancel"))

    dialog = page.one("dialog")
    assert (dialog["data-session"], dialog["data-extend"], dialog["data-csrf"]) == ("3600", "/i/1/extend", "abc")
    assert dialog["data-session-limit"] == "3600"
    assert "{n}" in page.one("p", id="session-left")["data-many"]
    assert pages.string(PAGE).count("<dialog") == 0


def test_a_page_says_how_much_of_the_idle_time_is_left(pages: Pages) -> None:
    html = pages.string(PAGE, extend_url="/i/1/extend", csrf_token="abc", idle_seconds=1199)

    assert pages.t("form.expires", minutes=20) in html
    dialog = Elements(html).one("dialog")
    assert (dialog["data-session"], dialog["data-session-limit"]) == ("1199", "3600")


def test_a_fund_can_switch_dark_colours_off(pages: Pages) -> None:
    pages.settings.theme = {"scheme": "light"}

    page = Elements(pages.string(PAGE))

    assert page.one("html")["data-scheme"] == "light"
    assert page.one("meta", name="color-scheme")["content"] == "light"


def test_what_people_type_is_text_wherever_it_is_shown(pages: Pages) -> None:
    html = pages.string(PAGE, notices=[("ok", Text("code.resent", {"target": "<script>alert(1)</script>"}))])

    assert "<script>alert" not in html
    assert "&lt;script&gt;alert" in html


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", ERRORS)
def test_every_error_page_has_frame_heading_way_on_and_number(pages: Pages, language: str, name: str) -> None:
    pages.language = language

    html = pages.page("errors/error.html", name=name, reference="1234 5678", status=400)

    page = Elements(html)
    assert len(page.all("h1")) == 1
    assert page.one("a", **{"class": "btn"})["href"] == "/"
    assert "061\u00a0555\u00a001\u00a023" in html
    assert name in {"503", "expired"} or "1234\u00a05678" in html
    assert html.count("1234") <= 1
    assert not re.search(r"\b(traceback|exception|http|csrf|null|none|undefined)\b", "".join(page.text), re.IGNORECASE)


def test_an_expired_enrolment_says_that_its_steps_are_kept(pages: Pages) -> None:
    assert "24 heures" in pages.page("errors/error.html", name="expired", enrolling=True)
    assert "24 heures" not in pages.page("errors/error.html", name="expired")


EVERY_PAGE = [f"errors/{name}" for name in ERRORS] + ["pages/terms", "pages/privacy", "pages/accessibility"]


def render(pages: Pages, name: str) -> str:
    folder, _, page = name.partition("/")
    if folder == "errors":
        return pages.page("errors/error.html", name=page, reference="1234 5678")
    return pages.page(f"{name}.html")


@pytest.mark.parametrize("name", EVERY_PAGE)
def test_no_page_carries_script_or_style_of_its_own(pages: Pages, name: str) -> None:
    """Decision 14: the policy allows none."""
    page = Elements(render(pages, name))

    assert page.all("style") == []
    assert all("src" in script for script in page.all("script"))
    assert not any(key == "style" or key.startswith("on") for _, attributes in page.elements for key in attributes)


@pytest.mark.parametrize("name", EVERY_PAGE)
def test_no_word_stands_outside_the_catalogues(pages: Pages, name: str) -> None:
    pages.language = PSEUDO

    assert Elements(render(pages, name)).foreign_words() == []
