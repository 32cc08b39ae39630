"""Serves the simulated archive over HTTP: the calls of the real API."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from dataclasses import replace
from email.utils import format_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Self

from aiohttp import web

from winter_sync.simulator.faults.hooks import Call, Faults, GoneAway, Reset
from winter_sync.simulator.http.authorisation import (
    authenticate,
    authorise,
    check_same_program,
)
from winter_sync.simulator.http.control import control_routes
from winter_sync.simulator.http.errors import missing
from winter_sync.simulator.http.request_log import RequestRecord, Trace
from winter_sync.simulator.http.requests import (
    Asked,
    Parameters,
    read_body,
    read_parameters,
    read_paths,
    read_queries,
)
from winter_sync.simulator.http.responses import cut, instead_of_answer, json_response, refusing
from winter_sync.simulator.observatory.observatory import Observatory
from winter_sync.simulator.observatory.too import too_details, too_summary
from winter_sync.simulator.packing.downloads import file_chunks, members_of, spooled, zip_chunks
from winter_sync.simulator.packing.member_store import MemberStore
from winter_sync.simulator.packing.zips import ZipStyle

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable
    from pathlib import Path
    from types import TracebackType

    from winter_sync.core import ImageType
    from winter_sync.simulator.observatory.observatory import Entry

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

LOWEST_CLIENT = "1.4.0"
"""The lowest client version served (winter-api.md, "Endpoints")."""
CONTROL_PREFIX = "/simulator/"

_LARGEST_BODY = 64 * 1024 * 1024
_SHUTDOWN_SECONDS = 1.0
_TRACE = web.RequestKey("trace", Trace)
_CALL = web.RequestKey("call", Call)


class Simulator:
    """A simulated archive on a real socket; an async context manager.

    Parameters
    ----------
    observatory
        What is served.
    host, port
        Where to listen; port 0 takes a free one.
    zip_style
        How downloads are written.
    faults
        What goes wrong; nothing when not given.
    delay
        Seconds each call of the real API waits before it is answered, passed to `sleep`.
    cache
        A directory that keeps packed members between runs.
    date
        What every answer has for its `Date` header; the simulated time when not given.
    unserved
        The status of answers about types that a camera's pipeline has no table of, 422 or 500;
        when not given they are answered like others.
    """

    def __init__(  # noqa: PLR0913 - the knobs of a test, all but one by name
        self,
        observatory: Observatory | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        zip_style: ZipStyle | None = None,
        faults: Faults | None = None,
        delay: float = 0.0,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        cache: Path | None = None,
        date: str | None = None,
        unserved: int | None = None,
    ) -> None:
        self.observatory = observatory or Observatory()
        self.zip_style = zip_style or ZipStyle()
        self.faults = faults or Faults()
        self.requests: list[RequestRecord] = []
        self.url = ""
        self._address = host, port
        self._delay = delay
        self._sleep = sleep
        self._date = date
        self.unserved = unserved
        self._store = MemberStore(cache)
        self._calls = 0
        self._runner: web.AppRunner | None = None
        self._absence: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Listen; `url` is then known.

        Raises
        ------
        OSError
            If the port is taken.
        """
        runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
        await runner.setup()
        try:
            await web.TCPSite(runner, *self._address).start()
        except BaseException:
            await runner.cleanup()
            raise
        self._runner = runner
        self._address = host, port = runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop listening and cut what is still being answered."""
        if self._absence is not None:
            self._absence.cancel()
            await asyncio.wait({self._absence})
        if self._runner is not None:
            await self._runner.cleanup()

    def _go_away(self, wait: Callable[[], Awaitable[object]]) -> None:
        """Cut every connection and accept none until a wait is over, unless that is under way."""
        if self._runner is not None and (self._absence is None or self._absence.done()):
            self._absence = asyncio.create_task(self._be_away(self._runner, wait))

    async def _be_away(self, runner: web.AppRunner, wait: Callable[[], Awaitable[object]]) -> None:
        for site in runner.sites:
            await site.stop()
        for connection in runner.server.connections if runner.server else ():
            if connection.transport is not None:
                connection.transport.abort()
        await wait()
        await web.TCPSite(runner, *self._address).start()

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[self._surround], client_max_size=_LARGEST_BODY)
        app.on_response_prepare.append(self._stamp)
        calls = {
            "/ping": self._ping,
            "/validation/version": self._version,
            "/validation/user": self._validate_user,
            "/validation/program": self._validate_program,
            "/images/query": self._query,
            "/images/download_list": self._download,
            "/too/summary": self._too_summary,
            "/too/details": self._too_details,
        }
        for path, handler in calls.items():
            app.router.add_get(path, handler, allow_head=False)
        app.add_routes(control_routes(self.observatory, self.requests))
        return app

    async def _stamp(self, _: web.Request, response: web.StreamResponse) -> None:
        """Date every answer by the simulated clock, as nginx does by its own."""
        response.headers["Date"] = self._date or format_datetime(
            self.observatory.clock.now(), usegmt=True
        )
        response.headers["Server"] = "nginx"

    @web.middleware
    async def _surround(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer or refuse a call, after the faults have looked at it, and record it."""
        if request.path.startswith(CONTROL_PREFIX):
            return await refusing(request, handler)
        trace = request[_TRACE] = self._trace(request)
        call = request[_CALL] = _call(request, trace)
        try:
            response = await self._faulted(request, call, handler)
        except (Reset, ConnectionError) as broken:
            if isinstance(broken, GoneAway):
                self._go_away(broken.wait)
            return cut(request)
        except Exception:
            trace.status = HTTPStatus.INTERNAL_SERVER_ERROR
            raise
        else:
            trace.status, trace.complete = response.status, True
            return response
        finally:
            self.requests.append(trace.record())

    async def _faulted(
        self, request: web.Request, call: Call, handler: Handler
    ) -> web.StreamResponse:
        if (answer := await self.faults.before(call)) is not None:
            return instead_of_answer(answer)
        if self._delay:
            await self._sleep(self._delay)
        return await refusing(request, handler)

    def _trace(self, request: web.Request) -> Trace:
        self._calls += 1
        agent = request.headers.get("User-Agent")
        now = self.observatory.clock.now()
        return Trace(self._calls, request.method, request.path, agent, now)

    async def _ping(self, _: web.Request) -> web.StreamResponse:
        return json_response({"msg": "pong"})

    async def _version(self, _: web.Request) -> web.StreamResponse:
        return json_response(
            {"msg": "Minimum supported version of winterapi", "body": LOWEST_CLIENT}
        )

    async def _validate_user(self, request: web.Request) -> web.StreamResponse:
        account = authenticate(self.observatory.accounts, request)
        return json_response({"msg": "User credentials validated!", "body": account.user})

    async def _validate_program(self, request: web.Request) -> web.StreamResponse:
        record, _ = authorise(self.observatory.accounts, request, [])
        return json_response({"msg": "Program credentials validated!", "body": record.body()})

    async def _too_summary(self, request: web.Request) -> web.StreamResponse:
        record, _ = authorise(self.observatory.accounts, request, [])
        archived = request.query.get("include_archived", "false").lower() in ("true", "1")
        rows = too_summary(self.observatory, record.name, include_archived=archived)
        return json_response({"msg": f"Found {len(rows)} schedules.", "body": rows})

    async def _too_details(self, request: web.Request) -> web.StreamResponse:
        wanted = request.query.get("schedule_name")
        wrong = [] if wanted else [missing(("query", "schedule_name"), None)]
        record, _ = authorise(self.observatory.accounts, request, wrong)
        rows = too_details(self.observatory, record.name, wanted or "")
        return json_response({"msg": f"Found {len(rows)} entries.", "body": rows})

    async def _query(self, request: web.Request) -> web.StreamResponse:
        body = read_body(await request.read(), request.headers.get("Content-Type"))
        queries, problems = read_queries(body, self.observatory.clock.now().date())
        _, parameters = authorise(self.observatory.accounts, request, problems)
        check_same_program(queries, parameters)
        if self.unserved and any(_has_no_table(asked, parameters) for asked in queries):
            return json_response({"detail": "No such images"}, self.unserved)
        rows = await asyncio.to_thread(self._rows, queries, parameters)
        request[_TRACE].count = len(rows)
        message = f"Request passed validation! Found {len(rows)} images."
        answer = self.faults.listing(request[_CALL], {"msg": message, "body": rows})
        text = await asyncio.to_thread(json.dumps, answer)
        return web.Response(text=text, content_type="application/json")

    def _rows(self, queries: list[Asked], parameters: Parameters) -> list[dict[str, object]]:
        rows = {}
        for asked in queries:
            program, camera = parameters.program, parameters.instrument
            for entry in self.observatory.entries(program, camera, asked.image_type):
                row = self.observatory.row(entry, program)
                if asked.wants(row):
                    rows[entry.product.savepath] = row
        return list(rows.values())

    async def _download(self, request: web.Request) -> web.StreamResponse:
        body = read_body(await request.read(), request.headers.get("Content-Type"))
        paths, problems = read_paths(body)
        _, parameters = authorise(self.observatory.accounts, request, problems, with_type=True)
        call = replace(request[_CALL], savepaths=tuple(paths))
        if (answer := await self.faults.before_zip(call)) is not None:
            return instead_of_answer(answer)
        meant = [self.faults.savepath(call, path) for path in paths]
        found = [self._available(parameters, path) for path in meant]
        entries = [entry for entry in found if entry is not None]
        trace = request[_TRACE]
        trace.count, trace.missing = len(paths), len(paths) - len(entries)
        return await self._send_zip(request, call, entries, _image_type(parameters))

    def _available(self, parameters: Parameters, path: str) -> Entry | None:
        return self.observatory.available(
            parameters.program, parameters.instrument, _image_type(parameters), path
        )

    async def _send_zip(
        self, request: web.Request, call: Call, entries: list[Entry], image_type: ImageType
    ) -> web.StreamResponse:
        trace, style = request[_TRACE], self.zip_style
        archive = _archive_name(image_type, self.observatory)
        members = members_of(self.observatory, entries, style, self._store, archive)
        members = self.faults.members(call, members)
        headers = {
            "Content-Type": "application/x-zip-compressed",
            "Content-Disposition": f"attachment; filename={archive}",
            "missing-images": str(trace.missing),
            "total-images": str(trace.count),
            "image-type": image_type.value,
        }
        response = web.StreamResponse(headers=self.faults.headers(call, headers))
        trace.status = response.status
        if style.built == "streamed":
            await self._send(request, response, call, zip_chunks(members, style))
        else:
            with await spooled(members, style) as file:
                await self._send(request, response, call, file_chunks(file, style))
        return response

    async def _send(
        self,
        request: web.Request,
        response: web.StreamResponse,
        call: Call,
        chunks: AsyncGenerator[bytes],
    ) -> None:
        await response.prepare(request)
        async with aclosing(chunks):
            async for chunk in self.faults.stream(call, chunks):
                await response.write(chunk)
                request[_TRACE].sent += len(chunk)
        await response.write_eof()


def _call(request: web.Request, trace: Trace) -> Call:
    parameters, _ = read_parameters(request.query, with_type="image_type" in request.query)

    def left() -> bool:
        return request.transport is None or request.transport.is_closing()

    if parameters is None:
        return Call(trace.number, request.method, request.path, None, None, None, left=left)
    image_type = parameters.image_type
    trace.program = parameters.program
    trace.instrument = parameters.instrument.value
    trace.image_type = image_type.value if image_type else None
    names = parameters.program, parameters.instrument, image_type
    return Call(trace.number, request.method, request.path, *names, left=left)


def _has_no_table(asked: Asked, parameters: Parameters) -> bool:
    """Return whether the camera's pipeline has no table of what a query asks for."""
    return not asked.image_type.for_camera(parameters.instrument).is_in_pipeline


def _image_type(parameters: Parameters) -> ImageType:
    if parameters.image_type is None:
        raise AssertionError("read with its image type")
    return parameters.image_type


def _archive_name(image_type: ImageType, observatory: Observatory) -> str:
    return f"WINTER_images_{image_type}_{observatory.clock.now():%Y_%m_%d_%H_%M_%S}.zip"
