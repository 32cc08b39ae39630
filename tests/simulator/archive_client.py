"""A client of the simulated archive, for tests of the simulator alone."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp

from winter_sync.simulator import DEFAULT_PASSWORD, DEFAULT_USER, key_of

if TYPE_CHECKING:
    from winter_sync.simulator import Simulator

PROGRAM = "2024A000"
OTHER_PROGRAM = "2025B001"


@dataclass
class Client:
    """A client of one simulator, by default with the right credentials."""

    simulator: Simulator
    session: aiohttp.ClientSession

    async def get(
        self,
        path: str,
        *,
        params: dict[str, str] | None = None,
        auth: tuple[str, str] | None = (DEFAULT_USER, DEFAULT_PASSWORD),
        **more: Any,  # noqa: ANN401 - aiohttp's own
    ) -> aiohttp.ClientResponse:
        """Ask, and read the whole answer."""
        headers = dict(more.pop("headers", {}))
        if auth is not None:
            headers["Authorization"] = aiohttp.encode_basic_auth(*auth)
        url = self.simulator.url + path
        response = await self.session.get(url, params=params, headers=headers, **more)
        await response.read()
        return response

    async def query(self, **asked: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - JSON
        """Return the rows of a query that must succeed."""
        response = await self.ask(**asked)
        assert response.status == 200, await response.text()
        rows: list[dict[str, Any]] = (await response.json())["body"]
        return rows

    async def ask(self, **asked: Any) -> aiohttp.ClientResponse:  # noqa: ANN401 - JSON
        """Send a query, of the first program and WINTER when nothing else is asked."""
        instrument = asked.pop("instrument", "winter")
        entry = {"program_name": PROGRAM} | asked
        params = credentials(entry["program_name"], instrument=instrument)
        return await self.get("/images/query", params=params, json=[entry])

    async def download(
        self,
        paths: list[str],
        image_type: str,
        *,
        program: str = PROGRAM,
        instrument: str = "winter",
    ) -> aiohttp.ClientResponse:
        """Ask for the zip of some products."""
        params = credentials(program, instrument=instrument, image_type=image_type)
        body = [{"path": path} for path in paths]
        return await self.get("/images/download_list", params=params, json=body)


def credentials(program: str = PROGRAM, **more: str) -> dict[str, str]:
    """Return the query string that names a program and its key."""
    return {"program_name": program, "program_api_key": key_of(program)} | more


async def unzipped(response: aiohttp.ClientResponse) -> dict[str, bytes]:
    """Return the members of a zip answer, each checked against its CRC."""
    assert response.status == 200, await response.text()
    with zipfile.ZipFile(io.BytesIO(await response.read())) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}
