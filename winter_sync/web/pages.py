"""What is served: health, readiness, metrics and status for machines, a site for people."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import web

from winter_sync.core import WinterSyncError
from winter_sync.web.access import Verdict, judge, without_token
from winter_sync.web.hosts import is_served
from winter_sync.web.responses import (
    answer_response,
    limit,
    plain_response,
    token_page,
    troubles_response,
)
from winter_sync.web.shared_answer import SharedAnswer
from winter_sync.web.site import PageRequest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence

    from aiohttp.typedefs import Handler

    from winter_sync.web.access import Access
    from winter_sync.web.site import Site

_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_NOT_SERVED = (
    "not served under the name in the Host header; use an IP address, or add the name to http.hosts"
)
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sources:
    """What the pages show. None of it may hold a secret."""

    health: Callable[[], Sequence[str]]
    """Returns what is wrong with the daemon; nothing if it is alive and at work."""
    readiness: Callable[[], Sequence[str]]
    """Returns why the daemon is not ready; nothing if it is."""
    site: Site
    """The pages for people."""
    metrics: Callable[[], Awaitable[bytes]] | None = None
    """Returns the metrics as Prometheus reads them; None where there are none."""
    status: Callable[[], Awaitable[str]] | None = None
    """Returns the status as JSON; None where there is none."""


def make_application(  # noqa: PLR0913 - all by name
    sources: Sources,
    *,
    names: Callable[[], Collection[str]],
    monotonic: Callable[[], float],
    on_request: Callable[[web.Request], None],
    access: Callable[[], Access],
    allow: Callable[[web.Request, float], None],
) -> web.Application:
    """Return the application that answers requests for the pages.

    Parameters
    ----------
    sources
        What the pages show.
    names
        Returns the host names under which they are served, beside localhost and IP addresses.
    monotonic
        Returns a time in seconds that never goes back.
    on_request
        Called with each whole request before it is answered.
    access
        Returns what protects the pages.
    allow
        Lets the connection of a request live for a number of seconds from then on.
    """

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        on_request(request)
        if not is_served(request.host, names()):
            return troubles_response([_NOT_SERVED], HTTPStatus.MISDIRECTED_REQUEST)
        if request.method not in {"GET", "HEAD"}:
            refused = troubles_response(["only GET and HEAD"], HTTPStatus.METHOD_NOT_ALLOWED)
            refused.headers["Allow"] = "GET, HEAD"
            return refused
        return _unless_allowed(request, access()) or await handler(request)

    pages = _Pages(sources, monotonic, allow, access)
    application = web.Application(middlewares=[guard, _explain_errors])
    application.add_routes(pages.routes)
    application.on_response_prepare.append(limit)
    application.on_shutdown.append(pages.end_streams)
    application.on_cleanup.append(pages.close)
    return application


def _unless_allowed(request: web.Request, access: Access) -> web.Response | None:
    """Return the answer to a request without the token, or with it in its address."""
    verdict = judge(
        access,
        request.path,
        query=request.query,
        cookies=request.cookies,
        authorization=request.headers.get("Authorization", ""),
    )
    match verdict:
        case Verdict.ALLOWED:
            return None
        case Verdict.TOKEN_GIVEN:
            address = without_token(request.rel_url.raw_path, request.query)
            found = plain_response(b"", "text/plain", HTTPStatus.SEE_OTHER)
            found.headers["Location"] = address
            found.set_cookie(*access.cookie, httponly=True, samesite="Strict")
            return found
        case Verdict.REFUSED:
            return token_page(request.path)


class _Pages:
    """Answers requests from the sources."""

    def __init__(
        self,
        sources: Sources,
        monotonic: Callable[[], float],
        allow: Callable[[web.Request, float], None],
        access: Callable[[], Access],
    ) -> None:
        self._sources = sources
        self._allow = allow
        self._access = access
        self._shared = {
            path: (SharedAnswer[str | bytes](make, monotonic), kind)
            for path, make, kind in (
                ("/metrics", sources.metrics, _METRICS_TYPE),
                ("/api/status", sources.status, "application/json"),
            )
            if make is not None
        }

    @property
    def routes(self) -> list[web.RouteDef]:
        """The routes for machines, and one to the site for all others."""
        pages: dict[str, Handler] = {
            "/healthz": self._show_health,
            "/readyz": self._show_readiness,
            **dict.fromkeys(self._shared, self._show_shared),
        }
        found = [web.get(path, page, expect_handler=_expect) for path, page in pages.items()]
        return [*found, web.route("*", "/{path:.*}", self._show_site, expect_handler=_expect)]

    async def end_streams(self, _: web.Application) -> None:
        """End the answers that go on, so that the server can end."""
        await self._sources.site.end_streams()

    async def close(self, _: web.Application) -> None:
        """Stop making the answers that are under way."""
        for answer, _kind in self._shared.values():
            await answer.close()
        await self._sources.site.close()

    async def _show_site(self, request: web.Request) -> web.StreamResponse:
        fields = tuple(request.query.items())
        asked = PageRequest(request.path, dict(request.query), fields, self._origin(request))
        answer = await self._sources.site.answer(asked)
        return await answer_response(request, answer, partial(self._allow, request))

    def _origin(self, request: web.Request) -> str:
        """Return what the addresses of the pages begin with, as the client has them."""
        forwarded = request.headers.get("X-Forwarded-Proto", "").lower()
        is_secure = self._access().trusted_proxy and forwarded == "https"
        return f"{'https' if is_secure else request.scheme}://{request.host}"

    async def _show_health(self, _: web.Request) -> web.Response:
        return troubles_response(self._sources.health())

    async def _show_readiness(self, _: web.Request) -> web.Response:
        return troubles_response(self._sources.readiness())

    async def _show_shared(self, request: web.Request) -> web.Response:
        answer, kind = self._shared[request.path]
        made = await answer()
        return plain_response(made.encode() if isinstance(made, str) else made, kind)


async def _expect(_: web.Request) -> None:
    """Ignore an Expect header: nothing in a body is of use, so no client is asked to send one."""


@web.middleware
async def _explain_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer with the reason when a page cannot be made; never with a traceback."""
    try:
        return await handler(request)
    except WinterSyncError as error:
        return troubles_response([error.message])
    except ConnectionResetError:
        # A closed tab, or a click before the page was whole: nobody is there, nothing is wrong.
        return troubles_response(["whoever asked has left"])
    except Exception:
        _logger.exception("a page could not be made")
        return troubles_response(
            ["an internal fault: see the log"], HTTPStatus.INTERNAL_SERVER_ERROR
        )
