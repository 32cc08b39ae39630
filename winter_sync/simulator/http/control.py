"""The simulator's own endpoints, outside the real API: its clock, manifest and requests."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from aiohttp import web

from winter_sync.simulator.http.errors import problem, unprocessable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from winter_sync.simulator.http.request_log import RequestRecord
    from winter_sync.simulator.observatory.clock import SimulatedClock
    from winter_sync.simulator.observatory.observatory import Entry, Observatory


def control_routes(
    observatory: Observatory, requests: Sequence[RequestRecord]
) -> list[web.RouteDef]:
    """Return the routes below `/simulator/`; they ask for no credentials and show none."""

    async def clock(_: web.Request) -> web.Response:
        return _time(observatory.clock)

    async def set_clock(request: web.Request) -> web.Response:
        _drive(observatory.clock, await request.text())
        return _time(observatory.clock)

    async def manifest(_: web.Request) -> web.Response:
        lines = await asyncio.to_thread(_manifest, observatory)
        return web.json_response({"products": lines})

    async def past(_: web.Request) -> web.Response:
        return web.json_response({"requests": [record.body() for record in requests]})

    return [
        web.get("/simulator/clock", clock),
        web.post("/simulator/clock", set_clock),
        web.get("/simulator/manifest", manifest),
        web.get("/simulator/requests", past),
    ]


def _time(clock: SimulatedClock) -> web.Response:
    return web.json_response({"now": clock.now().isoformat()})


def _drive(clock: SimulatedClock, text: str) -> None:
    """Set or advance the clock: `{"now": iso}` or `{"advance": seconds}`.

    Raises
    ------
    Refusal
        422, when it is neither.
    """
    try:
        order: dict[str, Any] = json.loads(text)
        if "now" in order:
            clock.set(datetime.fromisoformat(order["now"]))
        else:
            clock.advance(timedelta(seconds=float(order["advance"])))
    except (ValueError, TypeError, KeyError, OverflowError):
        words = 'Give {"now": "<ISO time with zone>"} or {"advance": <seconds>}'
        raise unprocessable([problem("value_error", ("body",), words, text)]) from None


def _manifest(observatory: Observatory) -> list[dict[str, Any]]:
    now = observatory.clock.now()
    return [_line(observatory, entry, gone=entry.gone(now)) for entry in observatory.entries()]


def _line(observatory: Observatory, entry: Entry, *, gone: bool) -> dict[str, Any]:
    product = entry.product
    digest = None if gone else observatory.digest(*product.identity)
    return {
        "instrument": product.instrument.value,
        "savepath": product.savepath,
        "program": entry.program,
        "image_type": product.image_type.value,
        "size": digest and digest.size,
        "sha256": digest and digest.sha256,
        "gone": gone,
    }
