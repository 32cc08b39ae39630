"""The pages: health, readiness, metrics, status, and a front page with links to them."""

from __future__ import annotations

import html
import json
import logging
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import web

from winter_sync.core import WinterSyncError
from winter_sync.web.hosts import is_served
from winter_sync.web.shared_answer import SharedAnswer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence

    from aiohttp.typedefs import Handler

_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_HEADERS = {
    "Server": "winter-sync",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}
_ABOUT = {
    "/healthz": "is the daemon alive and at work",
    "/readyz": "is it ready: has it begun, can it use disk and catalog",
    "/metrics": "numbers for Prometheus",
    "/api/status": "what is here, pending and missing, as `winter-sync status --json` says it",
}
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
    metrics: Callable[[], Awaitable[bytes]]
    """Returns the metrics as Prometheus reads them."""
    status: Callable[[], Awaitable[str]]
    """Returns the status as JSON."""


def make_application(
    sources: Sources,
    *,
    names: Callable[[], Collection[str]],
    monotonic: Callable[[], float],
    on_request: Callable[[web.Request], None],
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
        return await handler(request)

    pages = _Pages(sources, monotonic)
    application = web.Application(middlewares=[guard, _explain_errors])
    application.add_routes(pages.routes)
    application.on_response_prepare.append(_limit)
    application.on_cleanup.append(pages.close)
    return application


class _Pages:
    """Answers requests from the sources."""

    def __init__(self, sources: Sources, monotonic: Callable[[], float]) -> None:
        self._sources = sources
        self._metrics = SharedAnswer(sources.metrics, monotonic)
        self._status = SharedAnswer(sources.status, monotonic)

    @property
    def routes(self) -> list[web.RouteDef]:
        """The routes to all pages, and one for whatever is no page."""
        pages = {
            "/": self._show_front,
            "/healthz": self._show_health,
            "/readyz": self._show_readiness,
            "/metrics": self._show_metrics,
            "/api/status": self._show_status,
        }
        found = [web.get(path, page, expect_handler=_expect) for path, page in pages.items()]
        return [*found, web.route("*", "/{anything:.*}", _not_found, expect_handler=_expect)]

    async def close(self, _: web.Application) -> None:
        """Stop making the answers that are under way."""
        await self._metrics.close()
        await self._status.close()

    async def _show_front(self, _: web.Request) -> web.Response:
        return _response(_front_page().encode(), "text/html; charset=utf-8")

    async def _show_health(self, _: web.Request) -> web.Response:
        return troubles_response(self._sources.health())

    async def _show_readiness(self, _: web.Request) -> web.Response:
        return troubles_response(self._sources.readiness())

    async def _show_metrics(self, _: web.Request) -> web.Response:
        return _response(await self._metrics(), _METRICS_TYPE)

    async def _show_status(self, _: web.Request) -> web.Response:
        return _response((await self._status()).encode(), "application/json")


async def _not_found(_: web.Request) -> web.Response:
    return troubles_response(["there is nothing here"], HTTPStatus.NOT_FOUND)


async def _expect(_: web.Request) -> None:
    """Ignore an Expect header: nothing in a body is of use, so no client is asked to send one."""


@web.middleware
async def _explain_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer with the reason when a page cannot be made; never with a traceback."""
    try:
        return await handler(request)
    except web.HTTPNotFound:
        return await _not_found(request)
    except WinterSyncError as error:
        return troubles_response([error.message])
    except Exception:
        _logger.exception("a page could not be made")
        return troubles_response(
            ["an internal fault: see the log"], HTTPStatus.INTERNAL_SERVER_ERROR
        )


async def _limit(_: web.Request, response: web.StreamResponse) -> None:
    """Hold our headers and one answer a connection for what aiohttp answers by itself, too."""
    response.headers.update(_HEADERS)
    response.force_close()


def troubles_response(
    troubles: Sequence[str], status: HTTPStatus = HTTPStatus.SERVICE_UNAVAILABLE
) -> web.Response:
    """Return the answer that all is well or, with a status, what is not."""
    text = json.dumps({"ok": not troubles, "troubles": list(troubles)}) + "\n"
    return _response(text.encode(), "application/json", status if troubles else HTTPStatus.OK)


def _response(body: bytes, content_type: str, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    headers = {**_HEADERS, "Content-Type": content_type}
    response = web.Response(body=body, status=status, headers=headers)
    response.force_close()
    return response


def _front_page() -> str:
    links = "".join(
        f'<li><a href="{path}">{path}</a>: {html.escape(about)}</li>'
        for path, about in _ABOUT.items()
    )
    return f"<!doctype html><html lang=en><title>winter-sync</title><ul>{links}</ul></html>\n"
