"""Who may see the pages: everybody on this machine, and others only with the token.

A token is given once in the address and then kept by the browser in a cookie, or sent in a header.
Neither the log nor any page shows it.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from winter_sync.core import ErrorCode, UsageError
from winter_sync.web.addresses import open_addresses

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PARAMETER = "token"
"""The field of a query that has the token."""
UNGUARDED = frozenset({"/healthz", "/readyz", "/metrics"})
"""What monitoring asks for: numbers and states, without a token."""
_STATIC = "/static/"
_SCHEME = "bearer "


@dataclass(frozen=True, slots=True)
class Access:
    """What protects the pages from other machines.

    Parameters
    ----------
    token
        What whoever wants to see them must know; None for nothing.
    trusted_proxy
        Whether only a reverse proxy can reach them, which lets in whom it should.
    """

    token: str | None = field(default=None, repr=False)
    trusted_proxy: bool = False

    @property
    def is_protected(self) -> bool:
        """Whether other machines may reach the pages."""
        return self.token is not None or self.trusted_proxy

    @property
    def cookie(self) -> tuple[str, str]:
        """The name and the value of the cookie that stands for the token, and does not show it.

        The name depends on the token: a browser sends the cookies of all ports of a host.
        """
        digest = hmac.new((self.token or "").encode(), b"winter-sync pages", hashlib.sha256)
        value = digest.hexdigest()
        return f"winter-sync-{value[:8]}", value[8:]


class Verdict(Enum):
    """What becomes of a request."""

    ALLOWED = auto()
    TOKEN_GIVEN = auto()
    """The token stands in its address: the browser gets the cookie, and asks again without it."""
    REFUSED = auto()


def judge(
    access: Access,
    path: str,
    *,
    query: Mapping[str, str],
    cookies: Mapping[str, str],
    authorization: str = "",
) -> Verdict:
    """Decide what becomes of a request.

    Parameters
    ----------
    access
        What protects the pages.
    path, query, cookies
        Of the request.
    authorization
        The header of that name.
    """
    if access.token is None or path in UNGUARDED or path.startswith(_STATIC):
        return Verdict.ALLOWED
    given = query.get(PARAMETER)
    if given is not None and _is_same(given, access.token):
        return Verdict.TOKEN_GIVEN
    name, value = access.cookie
    if _is_same(cookies.get(name, ""), value):
        return Verdict.ALLOWED
    bears = authorization[: len(_SCHEME)].lower() == _SCHEME
    if bears and _is_same(authorization[len(_SCHEME) :].strip(), access.token):
        return Verdict.ALLOWED
    return Verdict.REFUSED


def _is_same(given: str, secret: str) -> bool:
    return hmac.compare_digest(
        given.encode("utf-8", "surrogatepass"), secret.encode("utf-8", "surrogatepass")
    )


def without_token(raw_path: str, query: Mapping[str, str]) -> str:
    """Return the address of a request without the token; never one of another site."""
    rest = urlencode([(name, value) for name, value in query.items() if name != PARAMETER])
    # Two slashes, or one and a backslash, begin the name of another host.
    path = "/" + raw_path.lstrip("/\\")
    return f"{path}?{rest}" if rest else path


async def refuse_unprotected(listen: str, access: Access) -> None:
    """Make sure that no page is served to other machines without any protection.

    Raises
    ------
    UsageError
        If "host:port" is one that they can reach, and there is none.
    """
    refuse_addresses(listen, access, await open_addresses(listen))


def refuse_addresses(listen: str, access: Access, addresses: Iterable[str]) -> None:
    """Do the same for the addresses behind "host:port" that other machines can reach."""
    if not access.is_protected and any(True for _ in addresses):
        raise UsageError(
            f"other machines could reach the pages on {listen}, and nothing asks them for a token",
            remedy='Set listen = "127.0.0.1:8765" under [http], or token_file to a file with a '
            "token that you choose, or trusted_proxy = true if only a reverse proxy that asks for "
            "a password can reach that address.",
            code=ErrorCode.PAGE_TOKEN,
        )
