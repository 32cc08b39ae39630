"""A page as a browser and a screen reader take it, and checks of what all pages promise."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = {"meta", "link", "input", "br", "hr", "img", "path", "line", "circle", "rect", "polygon"}
_HEADINGS = {f"h{number}": number for number in range(1, 7)}


@dataclass
class Page(HTMLParser):
    """A page, read.

    Parameters
    ----------
    text
        Its HTML.
    """

    text: str
    ids: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    headings: list[int] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    references: list[str] = field(default_factory=list)
    """The ids that labels and descriptions refer to."""
    attributes: dict[str, dict[str, str]] = field(default_factory=dict)
    """The attributes of each element that has an id."""

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._open: list[str] = []
        self.feed(self.text)
        self.close()
        self._check()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Read an element."""
        given = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        if len(given) != len(attrs):
            self.faults.append(f"<{tag}> has an attribute twice")
        if tag in _HEADINGS:
            self.headings.append(_HEADINGS[tag])
        if "id" in given:
            self.ids.append(given["id"])
            self.attributes[given["id"]] = given
        for name in ("href", "src", "action"):
            if name in given:
                self.links.append(given[name])
        for name in ("aria-labelledby", "aria-describedby", "for"):
            self.references += given.get(name, "").split()
        self._check_element(tag, given)
        if tag not in _VOID:
            self._open.append(tag)

    def _check_element(self, tag: str, given: dict[str, str]) -> None:
        if tag == "style" or "style" in given:
            self.faults.append(f"<{tag}> has a style of its own")
        if any(name.startswith("on") for name in given):
            self.faults.append(f"<{tag}> has a script of its own")
        if tag == "script" and not given.get("src"):
            self.faults.append("a script stands in the page")
        if tag == "th" and given.get("scope") not in {"col", "row"}:
            self.faults.append("a heading of a table has no scope")
        if tag in {"img", "svg"} and not (
            "alt" in given or "aria-labelledby" in given or "aria-hidden" in given
        ):
            self.faults.append(f"<{tag}> has no words")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Read an element of a drawing that has no content."""
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        """End an element."""
        if tag in _VOID:
            return
        if not self._open or self._open[-1] != tag:
            self.faults.append(f"</{tag}> closes {self._open[-1:]}")
        else:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        """Read words."""
        if data.strip():
            self.words.append(data.strip())

    @property
    def said(self) -> str:
        """All words of the page."""
        return " ".join(" ".join(self.words).split())

    def _check(self) -> None:
        if self._open:
            self.faults.append(f"not closed: {self._open}")
        if len(self.ids) != len(set(self.ids)):
            self.faults.append("an id stands twice")
        if missing := set(self.references) - set(self.ids):
            self.faults.append(f"labels that are not there: {missing}")
        if self.headings[:1] != [1] or self.headings.count(1) != 1:
            self.faults.append(f"the headings begin with {self.headings[:1]}")
        steps = zip(self.headings, self.headings[1:], strict=False)
        if any(after > before + 1 for before, after in steps):
            self.faults.append(f"headings leave out a level: {self.headings}")
        for landmark in ("main", "header", "footer", "nav"):
            if landmark not in self.tags:
                self.faults.append(f"there is no <{landmark}>")
        if self.tags.count("table") != self.tags.count("caption"):
            self.faults.append("a table has no caption")
