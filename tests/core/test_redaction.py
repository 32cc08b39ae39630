"""Secrets are taken out of any text, however they are written there."""

from __future__ import annotations

import base64
import html
import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from yarl import URL

from winter_sync.core.credentials import Credentials
from winter_sync.core.redaction import SHOWN_INSTEAD, Redaction, redactor

if TYPE_CHECKING:
    from collections.abc import Callable

FORMS: dict[str, Callable[[str], str]] = {
    "raw": str,
    "quote": quote,
    "quote all": lambda secret: quote(secret, safe=""),
    "quote in lower case": lambda secret: quote(secret, safe="").replace("%2F", "%2f"),
    "quote_plus": quote_plus,
    "quoted twice": lambda secret: quote(quote(secret, safe=""), safe=""),
    "as aiohttp sends it": lambda secret: URL("http://x/").with_query(k=secret).raw_query_string,
    "repr": repr,
    "ascii": ascii,
    "repr of bytes": lambda secret: repr(secret.encode()),
    "repr of latin bytes": lambda secret: repr(secret.encode("latin-1", "replace")),
    "json": json.dumps,
    "json in Unicode": lambda secret: json.dumps(secret, ensure_ascii=False),
    "json in json": lambda secret: json.dumps(json.dumps({"detail": secret})),
    "json in repr": lambda secret: repr(json.dumps(secret).encode()),
    "html": html.escape,
    "html of json": lambda secret: html.escape(json.dumps(secret)),
    "json in html in a URL": lambda secret: quote(html.escape(json.dumps(secret)), safe=""),
    "html in numbers": lambda secret: "".join(f"&#{ord(character)};" for character in secret),
}
TWO_DIGITS = re.compile("[0-9A-Fa-f]{2}")
"""What a stray percent sign before it makes another character of."""
ORDINARY = "/srv/winter/winter/20240211/final/X_mef_4_0_0_stack.fits 100% & more\\n"


def credentials(user: str = "", password: str = "", *keys: str) -> Credentials:
    """Return credentials with these secrets."""
    return Credentials(user, password, {f"2024A{n:03}": key for n, key in enumerate(keys)})


def redacted(text: str, *secrets: str) -> str:
    """Take these secrets out of a text."""
    return redactor(credentials("", "", *secrets))(text)


secrets = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=4, max_size=12
).filter(lambda secret: secret not in SHOWN_INSTEAD)
contexts = st.sampled_from(["", " ", "?key=", "{}", "http://h/p?a=b&k=", "\\", "&", "x", "%"])


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=40)
@given(secrets, contexts, contexts)
@example("pass word", "", "")
@example("a/b&c=\"d'\\e+é€😀", "", "")
@example("\\\\\\\\", "", "")
@example("tab\tnew\nline\x7f", "", "")
def test_a_secret_is_found_in_every_form(form: str, secret: str, before: str, after: str) -> None:
    """Quoted, escaped, shown or sent: nothing of a secret is left but the marker."""
    written = FORMS[form](secret)
    if form == "repr of latin bytes" and "?" in secret.encode("latin-1", "replace").decode(
        "latin-1"
    ):
        return
    assume(written == secret or before != "%" or not TWO_DIGITS.match(written))
    shown = redacted(f"{before}{written}{after}", secret)
    assert SHOWN_INSTEAD in shown
    assert written not in shown
    assert secret not in shown


@given(secrets, secrets, st.data())
def test_basic_authorization_is_found(user: str, password: str, data: st.DataObject) -> None:
    """What the header holds is found as well as the user and the password alone."""
    encoding = data.draw(st.sampled_from(["utf-8", "latin-1"]))
    header = base64.b64encode(f"{user}:{password}".encode(encoding, "replace")).decode()
    redact = redactor(credentials(user, password))
    for written in (header, header.rstrip("="), quote(header, safe="")):
        shown = redact(f"Authorization: Basic {written}")
        assert written.rstrip("=").removesuffix("%3D") not in shown
        assert shown.startswith(f"Authorization: Basic {SHOWN_INSTEAD}")
    assert redact(f"user {user}, password {password}").count(SHOWN_INSTEAD) >= 2


def test_every_key_is_found() -> None:
    """The keys of all programs are secrets, each wherever it stands."""
    keys = [f"key-of-program-{n}" for n in range(30)]
    query = urlencode({f"k{n}": key for n, key in enumerate(keys)})
    shown = redacted(query, *keys)
    assert shown == "&".join(f"k{n}={SHOWN_INSTEAD}" for n in range(30))


@pytest.mark.parametrize(
    ("text", "secrets", "shown"),
    [
        ("x abcdef x", ("abcd", "cdef"), f"x {SHOWN_INSTEAD} x"),
        ("x abcdef x", ("abcdef", "bcde"), f"x {SHOWN_INSTEAD} x"),
        ("x abcdef x", ("abcd", "abcdef"), f"x {SHOWN_INSTEAD} x"),
        ("x ababab x", ("abab",), f"x {SHOWN_INSTEAD} x"),
        ("abcdefgh", ("abcd", "efgh"), SHOWN_INSTEAD * 2),
        ("abcd abcd", ("abcd",), f"{SHOWN_INSTEAD} {SHOWN_INSTEAD}"),
        ("aaaaaaaa", ("aaaa",), SHOWN_INSTEAD + SHOWN_INSTEAD),
    ],
)
def test_overlapping_secrets_leave_nothing(text: str, secrets: tuple[str, ...], shown: str) -> None:
    """Where secrets share characters, all of them are taken out."""
    found = redacted(text, *secrets)
    assert found in (shown, shown.replace(SHOWN_INSTEAD * 2, SHOWN_INSTEAD))


@given(st.text("ab", max_size=30), st.lists(st.text("ab", min_size=4, max_size=6), max_size=3))
def test_every_character_of_a_secret_is_taken_out(text: str, found: list[str]) -> None:
    """Exactly the characters that belong to an occurrence of a secret are gone."""
    covered = {
        at + n
        for secret in found
        for at in range(len(text))
        if text.startswith(secret, at)
        for n in range(len(secret))
    }
    left = redacted(text, *found).replace(SHOWN_INSTEAD, "")
    assert left == "".join(char for at, char in enumerate(text) if at not in covered)


def test_the_marker_is_not_searched_again() -> None:
    """A secret that is part of the marker does not take the marker apart."""
    assert redacted("key abcd and secret", "abcd", "secret") == (
        f"key {SHOWN_INSTEAD} and {SHOWN_INSTEAD}"
    )


@pytest.mark.parametrize("short", ["a", "me", "abc", "é/", "123"])
def test_a_short_secret_is_only_found_as_a_value(short: str) -> None:
    """Three characters are no secret among words, but are where a value stands."""
    text = f"a {short} in 123abcme"
    assert redacted(text, short) == text
    for written in (
        f"api_key={short}",
        f"api_key={quote(short, safe='')}&x=1",
        f'"key": "{short}"',
        f"{{'key': {short!r}}}",
        f"user:{short}@host",
    ):
        shown = redacted(written, short)
        assert SHOWN_INSTEAD in shown
        assert short not in shown.replace("api_key", "")
    assert redacted(f"key={short}x", short) == f"key={short}x"


def test_ordinary_text_stays_as_it_is() -> None:
    """Without a secret in it a text is unchanged, and empty secrets are none."""
    assert redacted(ORDINARY, "some-api-key", "pass word") == ORDINARY
    assert redactor(credentials("", "", "", ""))(f"{ORDINARY} key=, x") == f"{ORDINARY} key=, x"
    assert redactor(None)(ORDINARY) == ORDINARY


@given(
    st.text('xyz\\\\%& é"25amp;u00e9', max_size=60),
    st.lists(st.text('xyz\\\\%& é"', max_size=6), max_size=4),
)
def test_no_text_is_too_strange(text: str, found: list[str]) -> None:
    """Whatever the text and the secrets, none of four characters is left."""
    shown = redacted(text, *found)
    assert not [secret for secret in found if len(secret) >= 4 and secret in shown]


def test_no_text_is_too_deep() -> None:
    """Encodings inside each other without an end are seen through only so far."""
    deep = "%" + "25" * 5000 + " the-key"
    assert redacted(deep, "the-key") == deep.replace("the-key", SHOWN_INSTEAD)


def test_new_secrets_are_learned_and_old_ones_remembered() -> None:
    """What was read before a reload stays secret after it."""
    redaction = Redaction()
    assert redaction("old-key new-key") == "old-key new-key"
    for key in ("old-key", "old-key", "new-key"):
        redaction.add(credentials("someone", "pass word", key))
    assert redaction("old-key new-key") == f"{SHOWN_INSTEAD} {SHOWN_INSTEAD}"
