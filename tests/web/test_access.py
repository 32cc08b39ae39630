"""Who may see the pages: everybody on this machine, others with the token or through a proxy."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from web.client import PATHS, Shown, shown

from winter_sync.core import UsageError
from winter_sync.web import Access, serving
from winter_sync.web.access import UNGUARDED, Verdict, judge, without_token

if TYPE_CHECKING:
    from web.client import Site

TOKEN = "a-token-of-many-letters"
OPEN = "0.0.0.0:0"
HERE = "127.0.0.1"


async def get(site: Site, path: str, **headers: str) -> tuple[int, dict[str, str], str]:
    """Request a page with headers, and follow nothing."""
    port = site.address.rpartition(":")[2]
    async with site.client.get(
        f"http://{HERE}:{port}{path}", headers=headers, allow_redirects=False
    ) as answer:
        return answer.status, dict(answer.headers), await answer.text()


async def test_other_machines_are_never_served_without_protection() -> None:
    """The server does not begin at an address that they can reach; the error says what to set."""
    with pytest.raises(UsageError, match=OPEN) as refused:
        async with serving(OPEN, Shown().sources):
            pass
    assert "token_file" in refused.value.remedy
    assert "trusted_proxy" in refused.value.remedy
    async with shown(Shown(), OPEN, access=Access(trusted_proxy=True)) as site:
        assert (await get(site, "/"))[0] == HTTPStatus.OK


async def test_pages_are_shown_to_who_has_the_token() -> None:
    """Without it there is a page that asks for it; health and metrics are answered to monitoring.

    It comes in a header or, once, in the address: then the browser keeps a cookie, which is out of
    reach of scripts and of other sites, and the token stands in no address any more.
    """
    async with shown(Shown(), OPEN, access=Access(TOKEN)) as site:
        for path in PATHS:
            status, headers, text = await get(site, path)
            assert status == (HTTPStatus.OK if path in UNGUARDED else HTTPStatus.UNAUTHORIZED)
            assert TOKEN not in text + str(headers)
        assert 'name="token"' in (await get(site, "/"))[2]
        assert (await get(site, "/?token=wrong"))[0] == HTTPStatus.UNAUTHORIZED
        assert (await get(site, "/", Authorization=f"Bearer {TOKEN}"))[0] == HTTPStatus.OK
        status, headers, _ = await get(site, f"/?token={TOKEN}&page=2")
        assert (status, headers["Location"]) == (HTTPStatus.SEE_OTHER, "/?page=2")
        cookie = headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert TOKEN not in str(headers)
        assert (await get(site, "/", Cookie=cookie.split(";")[0]))[0] == HTTPStatus.OK
        assert (await get(site, "/", Cookie="winter-sync=1"))[0] == HTTPStatus.UNAUTHORIZED


@given(given_=st.text(), header=st.text(), cookie=st.text())
def test_nothing_but_the_token_is_taken_for_it(given_: str, header: str, cookie: str) -> None:
    """Whatever else stands in the query, in a header or in the cookie is refused."""
    access = Access(TOKEN)
    verdict = judge(
        access,
        "/",
        query={"token": given_},
        cookies={access.cookie[0]: cookie},
        authorization=header,
    )
    assert verdict is Verdict.REFUSED
    assert TOKEN not in "".join(access.cookie) + repr(access)


@given(path=st.text(alphabet="/\\.ae%:?#@"), more=st.dictionaries(st.text(), st.text()))
def test_the_address_without_the_token_is_of_this_site(path: str, more: dict[str, str]) -> None:
    """Whatever path was asked for, the browser is not sent to another host."""
    address = without_token(f"/{path}", {**more, "token": TOKEN})
    assert TOKEN not in address
    assert address[0] == "/"
    assert address[1:2] not in {"/", "\\"}
    assert not urlsplit(address).netloc
