"""Faults can be put between a call and its answer, and the loop is never blocked."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from simulator.archive_client import PROGRAM, Client, unzipped

from winter_sync.core.traits import ImageType, Instrument
from winter_sync.simulator import Answer, Call, Faults, Observatory, Reset, Simulator, ZipStyle
from winter_sync.simulator.packing.zips import pack

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from winter_sync.simulator.packing.zips import Member


def some_paths(observatory: Observatory) -> list[str]:
    """Return three stacks to ask for."""
    listed = observatory.products(PROGRAM, Instrument.WINTER, ImageType.STACK)
    return [product.savepath for product in listed[:3]]


class Unwell(Faults):
    """Refuses every call, and remembers them."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    async def before(self, call: Call) -> Answer | None:
        """Be unwell."""
        self.calls.append(call)
        return Answer(503, b"<html>", "text/html", {"Retry-After": "7"})


async def test_an_answer_may_be_replaced(observatory: Observatory) -> None:
    """A fault may answer instead, knows the call, and is recorded."""
    faults = Unwell()
    async with (
        Simulator(observatory, faults=faults) as simulator,
        aiohttp.ClientSession() as session,
    ):
        answer = await Client(simulator, session).download(some_paths(observatory), "stack")
        assert simulator.requests[0].status == 503
    assert (answer.status, answer.headers["Retry-After"]) == (503, "7")
    assert answer.content_type == "text/html"
    (call,) = faults.calls
    assert (call.path, call.program, call.image_type) == (
        "/images/download_list",
        PROGRAM,
        ImageType.STACK,
    )


@dataclass
class CutAfter(Faults):
    """Cuts the connection inside the body."""

    chunks: int

    async def stream(self, call: Call, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Pass some chunks on."""
        del call
        left = self.chunks
        async for chunk in chunks:
            if left == 0:
                raise Reset
            left -= 1
            yield chunk


@pytest.mark.parametrize("built", ["before", "streamed"])
@pytest.mark.parametrize("chunks", [0, 3])
async def test_a_body_may_be_cut(observatory: Observatory, built: str, chunks: int) -> None:
    """The client loses the connection; the record says the answer was not complete."""
    style = ZipStyle(chunk_size=500, built=built)  # type: ignore[arg-type]
    async with (
        Simulator(observatory, faults=CutAfter(chunks), zip_style=style) as simulator,
        aiohttp.ClientSession() as session,
    ):
        client = Client(simulator, session)
        with pytest.raises(aiohttp.ClientError):
            await client.download(some_paths(observatory), "stack")
        (record,) = simulator.requests
        assert not record.complete
        assert record.sent == 500 * chunks
        assert (await client.get("/ping")).status == 200


class ResetBefore(Faults):
    """Cuts the connection before there is an answer."""

    async def before(self, call: Call) -> Answer | None:
        """Cut it."""
        raise Reset(call)


async def test_a_connection_may_be_cut_before_the_answer(observatory: Observatory) -> None:
    """The client gets nothing at all."""
    async with (
        Simulator(observatory, faults=ResetBefore()) as simulator,
        aiohttp.ClientSession() as session,
    ):
        with pytest.raises(aiohttp.ClientError):
            await Client(simulator, session).get("/ping")


class WrongMembers(Faults):
    """Serves something else under the first name, and more than was asked for."""

    def members(self, call: Call, members: Iterator[Member]) -> Iterator[Member]:
        """Change the first member and add one."""
        assert len(call.savepaths) == 3
        first = next(members)
        wrong = replace(first, pack=lambda: pack(b"<html>", ZipStyle()))
        yield wrong
        yield from members
        yield replace(wrong, name="../extra")

    def headers(self, call: Call, headers: dict[str, str]) -> dict[str, str]:
        """Lie about the number."""
        del call
        return headers | {"total-images": "99"}

    def listing(self, call: Call, body: dict[str, Any]) -> dict[str, Any]:
        """Answer with a dict of columns."""
        del call
        columns = {name: [row[name] for row in body["body"]] for name in body["body"][0]}
        return body | {"body": columns}

    async def before_zip(self, call: Call) -> Answer | None:
        """Know what is asked for."""
        assert len(call.savepaths) == 3
        return None


async def test_members_headers_and_rows_may_be_wrong(observatory: Observatory) -> None:
    """A fault may change what is in the zip, what its headers say, and the listing."""
    async with (
        Simulator(observatory, faults=WrongMembers()) as simulator,
        aiohttp.ClientSession() as session,
    ):
        client = Client(simulator, session)
        answer = await client.download(some_paths(observatory), "stack")
        found = await unzipped(answer)
        listing = await (await client.ask()).json()
    assert next(iter(found.values())) == b"<html>"
    assert list(found)[-1] == "../extra"
    assert answer.headers["total-images"] == "99"
    assert set(listing["body"]["image_type"]) == {"stack"}


class SlowPacking(Faults):
    """Packs a member only when it is allowed to."""

    def __init__(self) -> None:
        self.packing = threading.Event()
        self.allowed = threading.Event()

    def members(self, call: Call, members: Iterator[Member]) -> Iterator[Member]:
        """Wait, in the thread that makes the zip."""
        del call
        self.packing.set()
        assert self.allowed.wait(30)
        yield from members


@pytest.mark.parametrize("built", ["before", "streamed"])
async def test_other_calls_are_answered_while_a_zip_is_made(
    observatory: Observatory, built: str
) -> None:
    """Making a zip does not keep the server from answering."""
    faults = SlowPacking()
    style = ZipStyle(built=built)  # type: ignore[arg-type]
    async with (
        Simulator(observatory, faults=faults, zip_style=style) as simulator,
        aiohttp.ClientSession() as session,
    ):
        client = Client(simulator, session)
        download = asyncio.create_task(client.download(some_paths(observatory), "stack"))
        await asyncio.to_thread(faults.packing.wait, 30)
        assert (await client.get("/ping")).status == 200
        assert not download.done()
        faults.allowed.set()
        assert len(await unzipped(await download)) == 3
