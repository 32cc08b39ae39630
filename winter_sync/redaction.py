"""Secrets taken out of text, in every form in which they travel."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from winter_sync.models import Credentials

SHOWN_INSTEAD = "[secret]"
_SHORTEST = 4
"""A shorter secret is only looked for in its encoded forms: it would blank ordinary words."""


def redactor(credentials: Credentials | None) -> Callable[[str], str]:
    """Give a function that replaces every secret in a text: raw, URL-encoded, as Basic auth."""
    forms = sorted(_forms(credentials), key=len, reverse=True) if credentials else []

    def redact(text: str) -> str:
        for form in forms:
            text = text.replace(form, SHOWN_INSTEAD)
        return text

    return redact


def _forms(credentials: Credentials) -> Iterable[str]:
    both = f"{credentials.user}:{credentials.password}"
    for encoding in ("utf-8", "latin-1"):
        yield base64.b64encode(both.encode(encoding, errors="replace")).decode()
    for secret in credentials.secrets:
        if len(secret) >= _SHORTEST:
            yield from {secret, quote(secret, safe=""), quote(secret), quote_plus(secret)}
            yield repr(secret)[1:-1]
