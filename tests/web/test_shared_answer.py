"""One answer serves all who ask for it at the same time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from web.client import Site


async def test_who_asks_at_once_is_answered_at_once(site: Site) -> None:
    """However many ask while an answer is made, it is made once; one that leaves stops no other."""
    asked, go = asyncio.Event(), asyncio.Event()

    async def make() -> None:
        asked.set()
        await go.wait()

    site.shown.make = make
    impatient = asyncio.create_task(site.get("/metrics"))
    await asked.wait()
    others = [asyncio.create_task(site.get("/metrics")) for _ in range(5)]
    impatient.cancel()
    # An answer of something else on the same loop: all of these have been asked by then.
    for _ in range(3):
        await site.get("/healthz")
    go.set()
    assert {answer.text for answer in await asyncio.gather(*others)} == {"made 1\n"}
    assert site.shown.made == 1


async def test_what_takes_long_is_given_again_for_a_while(site: Site) -> None:
    """Making it takes a tenth of the time at most, even if somebody asks all the time."""

    async def make() -> None:
        site.shown.time += 2

    site.shown.make = make
    assert (await site.get("/api/status")).text == '{"made": 1}'
    site.shown.time += 17.9
    assert (await site.get("/api/status")).text == '{"made": 1}'
    site.shown.time += 0.2
    assert (await site.get("/api/status")).text == '{"made": 2}'
