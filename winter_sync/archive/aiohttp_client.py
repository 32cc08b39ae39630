"""aiohttp, imported without reading the certificates of authorities before a connection needs them.

aiohttp makes two TLS contexts of its own while it is imported, which takes a third of that time.
Ours are made in `connections`; the others are for whoever uses aiohttp in the same process.
"""

from __future__ import annotations

import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["aiohttp"]


class _LateContext(ssl.SSLContext):
    """A context that reads the certificates of authorities with its first connection."""

    def wrap_bio(self, *arguments: Any, **named: Any) -> ssl.SSLObject:  # noqa: ANN401 - as it is
        return _ready(self).wrap_bio(*arguments, **named)

    def wrap_socket(self, *arguments: Any, **named: Any) -> ssl.SSLSocket:  # noqa: ANN401 - as above
        return _ready(self).wrap_socket(*arguments, **named)


def _ready(context: ssl.SSLContext) -> ssl.SSLContext:
    """Make a late context one of the usual kind, with the certificates."""
    context.__class__ = ssl.SSLContext
    context.set_default_verify_paths()
    return context


def _put_off(context: ssl.SSLContext, *_: object) -> None:
    context.__class__ = _LateContext


@contextmanager
def _certificates_read_late() -> Iterator[None]:
    """Have contexts that are made meanwhile read the default certificates when they need them."""
    replaced = ("set_default_verify_paths", "load_default_certs")
    own = {name: vars(ssl.SSLContext).get(name) for name in replaced}
    for name in replaced:
        setattr(ssl.SSLContext, name, _put_off)
    try:
        yield
    finally:
        for name, method in own.items():
            if method is None:
                delattr(ssl.SSLContext, name)
            else:
                setattr(ssl.SSLContext, name, method)


with _certificates_read_late():
    import aiohttp
