"""Words of the system, of OpenSSL and of others, as errors repeat them."""

from __future__ import annotations

import errno
import os
import ssl

from winter_sync.core import escape_unprintable

TRY_LATER = "Nothing is lost: it is tried again at the next poll."
"""What to do about what may pass by itself."""


def reason(error: BaseException) -> str:
    """Return the system's word for an error, or OpenSSL's."""
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({tls_words(error)})"
    number = getattr(error, "errno", None)
    if number == errno.ECONNRESET:
        return "it was reset by the other side"
    if number is not None and number > 0:
        said = os.strerror(number)
        return said[:1].lower() + said[1:]
    if isinstance(error, ConnectionError):
        return "it was closed by the other side"
    return "no reason is known"


def words(text: str) -> str:
    """Return what others wrote, as far as it prints and without its full stop."""
    return escape_unprintable(text.strip().rstrip("."), 200)


def tls_words(error: ssl.SSLError) -> str:
    """Return OpenSSL's reason in lower case."""
    return words(error.reason or "no reason given").lower().replace("_", " ")
