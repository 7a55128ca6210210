"""A page as its elements and its text: what tests ask of HTML without a browser."""

import re
from html.parser import HTMLParser

VOID = {"input", "meta", "link", "img", "br"}
NAMES = ("myVPK", "Deutsch", "Français", "Italiano", "English")
"""What is the same in every language."""
REFERENCES = ("for", "aria-describedby", "aria-controls", "aria-labelledby")


class Elements(HTMLParser):
    """The elements of a page as (tag, attributes), and its visible text; refuses tags that are not closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"an attribute stands twice in <{tag}>"
        assert not (tag == "form" and "form" in self._open), "a form within a form"
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def all(self, tag: str, **wanted: str) -> list[dict[str, str]]:
        return [
            attributes
            for name, attributes in self.elements
            if name == tag and all(attributes.get(key) == value for key, value in wanted.items())
        ]

    def one(self, tag: str, **wanted: str) -> dict[str, str]:
        (found,) = self.all(tag, **wanted)
        return found

    def foreign_words(self, *data: str) -> list[str]:
        """Words outside the ⟦brackets⟧ of the pseudo language: neither names nor the `data` of the page."""
        text = " ".join("".join(self.text).split())
        while re.search(r"⟦[^⟦⟧]*⟧", text):
            text = re.sub(r"⟦[^⟦⟧]*⟧", " ", text)
        for known in sorted((*NAMES, *data), key=len, reverse=True):
            text = text.replace(known, " ")
        return re.findall(r"[^\W\d_]+", text)

    def broken_references(self) -> list[str]:
        """Ids that stand twice, and what points to an id that is not there."""
        ids = [attributes["id"] for _, attributes in self.elements if "id" in attributes]
        twice = [each for each in set(ids) if ids.count(each) > 1]
        pointed = [
            each for _, attributes in self.elements for name in REFERENCES for each in attributes.get(name, "").split()
        ]
        fragments = [link["href"][1:] for link in self.all("a") if re.match("#.", link.get("href", ""))]
        return [*twice, *(each for each in [*pointed, *fragments] if each not in ids)]
