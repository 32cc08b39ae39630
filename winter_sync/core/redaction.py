"""Secrets taken out of text, in every form in which they travel."""

from __future__ import annotations

import base64
import html
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from winter_sync.core.credentials import Credentials

SHOWN_INSTEAD = "[secret]"
_SHORTEST = 4
"""A shorter secret is only taken out where it stands as a value: behind `=`, `:` or a quote mark.

Anywhere else it would blank ordinary words.
"""
_DEEPEST = 3
"""How many encodings inside each other are seen through, such as JSON in a URL in HTML."""
_URL = re.compile(r"%([0-9A-Fa-f]{2})")
_HTML = re.compile(r"&(?:(amp|lt|gt|quot|apos)|#0*(\d{1,7})|#[xX]0*([0-9A-Fa-f]{1,6}));")
_ESCAPED = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2})|U([0-9A-Fa-f]{8})|(.))", re.DOTALL)
_NAMED = dict(zip("abfnrtv0", "\a\b\f\n\r\t\v\0", strict=True))


def redactor(credentials: Credentials | None) -> Callable[[str], str]:
    """Return a function that takes every secret out of a text.

    A secret is found as it is, in a URL, in Basic authorization, in JSON, in HTML and as Python
    shows it, even where two of them overlap. What was cut off inside a secret is not found: take
    secrets out first and shorten then. Nor is one in a URL that a stray percent sign precedes, if
    it begins with two hexadecimal digits: the three are then a character of their own.
    """
    forms = sorted({form for secret in _secrets(credentials) for form in _forms(secret)})

    def redact(text: str) -> str:
        spans = [
            span for view in _views(_View.of(text)) for form in forms for span in view.find(form)
        ]
        return _blanked(text, spans) if spans else text

    return redact


class Redaction:
    """A redactor that learns of more secrets as it goes, and forgets none."""

    def __init__(self) -> None:
        self._known: list[Credentials] = []
        self._redactors: list[Callable[[str], str]] = []

    def add(self, credentials: Credentials) -> None:
        """Take these secrets out as well, from now on."""
        if credentials not in self._known:
            self._known.append(credentials)
            self._redactors.append(redactor(credentials))

    def __call__(self, text: str) -> str:
        """Take every known secret out of a text."""
        for redact in self._redactors:
            text = redact(text)
        return text


def _secrets(credentials: Credentials | None) -> Iterator[str]:
    if credentials is None:
        return
    yield from credentials.secrets
    both = f"{credentials.user}:{credentials.password}"
    for encoding in ("utf-8", "latin-1"):
        yield base64.b64encode(both.encode(encoding, errors="replace")).decode().rstrip("=")


def _forms(secret: str) -> Iterator[str]:
    """Yield what decoding may make of a secret: text, its UTF-8 octets, or halves of characters."""
    if not secret:
        return
    halves = secret.encode("utf-16-be", errors="surrogatepass")
    for form in (
        secret,
        secret.encode(errors="surrogatepass").decode("latin-1"),
        "".join(chr(high << 8 | low) for high, low in zip(halves[::2], halves[1::2], strict=True)),
    ):
        yield form
        yield form.replace(" ", "+")


@dataclass(frozen=True, slots=True)
class _View:
    """A text as it reads after some decoding, and where each character came from."""

    text: str
    origins: list[int] | range

    @classmethod
    def of(cls, text: str) -> _View:
        return cls(text, range(len(text) + 1))

    def decoded(self, pattern: re.Pattern[str], decode: Callable[[re.Match[str]], str]) -> _View:
        """Decode what a pattern matches, each time one character."""
        pieces: list[str] = []
        origins: list[int] = []
        at = 0
        for match in pattern.finditer(self.text):
            pieces += [self.text[at : match.start()], decode(match)]
            origins += self.origins[at : match.start() + 1]
            at = match.end()
        return _View("".join([*pieces, self.text[at:]]), [*origins, *self.origins[at:]])

    def find(self, form: str) -> Iterator[tuple[int, int]]:
        """Yield where a secret begins and ends in the original text, each time it occurs."""
        at = self.text.find(form)
        while at >= 0:
            end = at + len(form)
            if len(form) >= _SHORTEST or self._is_value(at, end):
                yield self.origins[at], self.origins[end]
            at = self.text.find(form, at + 1)

    def _is_value(self, at: int, end: int) -> bool:
        return self.text[at - 1 : at] in ("=", ":", '"', "'") and not re.match(
            r"\w", self.text[end : end + 1]
        )


def _views(view: _View, deep: int = 0) -> Iterator[_View]:
    """Yield a text in every way of decoding it."""
    yield view
    if deep == _DEEPEST:
        return
    for sign, pattern, decode in _DECODINGS:
        if sign in view.text and pattern.search(view.text):
            yield from _views(view.decoded(pattern, decode), deep + 1)


def _octet(match: re.Match[str]) -> str:
    return _character(match[1], 16)


def _entity(match: re.Match[str]) -> str:
    if match[1] is not None:
        return html.unescape(match[0])
    return _character(match[3], 16) if match[2] is None else _character(match[2], 10)


def _escape(match: re.Match[str]) -> str:
    number = match[1] or match[2] or match[3]
    return _NAMED.get(match[4], match[4]) if number is None else _character(number, 16)


def _character(digits: str, base: int) -> str:
    return chr(min(int(digits, base), sys.maxunicode))


_DECODINGS = (("%", _URL, _octet), ("&", _HTML, _entity), ("\\", _ESCAPED, _escape))


def _blanked(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """Put the marker in the place of these parts of a text; what overlaps is one part."""
    pieces: list[str] = []
    shown_to = 0
    for begin, end in sorted(spans):
        if begin >= shown_to:
            pieces += [text[shown_to:begin], SHOWN_INSTEAD]
        shown_to = max(shown_to, end)
    return "".join([*pieces, text[shown_to:]])
