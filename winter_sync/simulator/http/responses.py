"""Writes answers: JSON, refusals as FastAPI writes them, and those of faults."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import web

from winter_sync.simulator.http.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from winter_sync.simulator.faults.hooks import Answer

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def refusing(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer, or refuse with a `detail` as FastAPI does."""
    try:
        return await handler(request)
    except Refusal as refusal:
        return json_response({"detail": refusal.detail}, refusal.status, dict(refusal.headers))
    except web.HTTPMethodNotAllowed as error:
        allowed = {"Allow": ", ".join(sorted(error.allowed_methods))}
        return json_response({"detail": "Method Not Allowed"}, error.status, allowed)
    except web.HTTPClientError as error:
        return json_response({"detail": HTTPStatus(error.status).phrase}, error.status)


def json_response(
    body: object, status: int = 200, headers: dict[str, str] | None = None
) -> web.StreamResponse:
    """Return an answer with a JSON body."""
    return web.json_response(body, status=status, headers=headers)


def instead_of_answer(answer: Answer) -> web.StreamResponse:
    """Return the answer of a fault."""
    return web.Response(
        status=answer.status,
        body=answer.body,
        content_type=answer.content_type,
        headers=answer.headers,
    )


def cut(request: web.Request) -> web.StreamResponse:
    """Close the connection without an answer; the response returned afterwards is not sent."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
