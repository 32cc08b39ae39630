"""Faults in place of an answer: errors, pages, broken JSON, silence, a cut connection."""

from __future__ import annotations

import json
from datetime import timedelta
from email.utils import format_datetime
from functools import partial
from typing import ClassVar

from winter_sync.simulator.faults.hooks import Answer, Call, GoneAway, Reset
from winter_sync.simulator.faults.kinds import Kind

PAGE = b"<!DOCTYPE html><html><head><title>Under maintenance</title></head><body></body></html>\n"
_WAIT = 30.0
_AWAY = 5.0


class _Status(Kind):
    """An error of the server or of the nginx in front of it, as a page."""

    code: ClassVar[int]

    async def instead(self, call: Call) -> Answer | None:
        """Refuse."""
        del call
        return Answer(self.code, PAGE, "text/html", self._headers())

    def _headers(self) -> dict[str, str]:
        return {}


class _Busy(_Status):
    """An error that may say for how many seconds the client must wait."""

    takes = "seconds of its Retry-After"

    def _headers(self) -> dict[str, str]:
        seconds = self.value(0)
        return {"Retry-After": f"{seconds:.0f}"} if seconds else {}


class _BusyUntil(_Status):
    """An error that says until when the client must wait, as an HTTP date."""

    takes = "seconds until the date in its Retry-After"

    def _headers(self) -> dict[str, str]:
        until = self._circumstances.now() + timedelta(seconds=self.value(_WAIT))
        return {"Retry-After": format_datetime(until, usegmt=True)}


class InternalError(_Status):
    """The server fails."""

    name, code = "500", 500


class BadGateway(_Status):
    """The server behind nginx is not there."""

    name, code = "502", 502


class Unavailable(_Busy):
    """The server is busy."""

    name, code = "503", 503


class UnavailableUntil(_BusyUntil):
    """The server is busy until a date."""

    name, code = "503-until", 503


class GatewayTimeout(_Status):
    """The server behind nginx took too long."""

    name, code = "504", 504


class TooMany(_Busy):
    """We ask too often."""

    name, code = "429", 429


class TooManyUntil(_BusyUntil):
    """We ask too often, and may ask again from a date on."""

    name, code = "429-until", 429


class _Detail(Kind):
    """An error of the application, as FastAPI writes it."""

    code: ClassVar[int]
    detail: ClassVar[object]

    async def instead(self, call: Call) -> Answer | None:
        """Refuse, and say why."""
        del call
        return Answer(self.code, json.dumps({"detail": self.detail}).encode())


class Unauthorised(_Detail):
    """Credentials that were good are refused."""

    name, code, detail = "401", 401, "Incorrect email or password"


class Forbidden(_Detail):
    """The user may no longer read this."""

    name, code, detail = "403", 403, "User does not have access to this program"


class NotFound(_Detail):
    """The API has moved."""

    name, code, detail = "404", 404, "Not Found"


class Unprocessable(_Detail):
    """The request itself is rejected."""

    name, code = "422", 422
    detail: ClassVar[object] = [
        {"type": "value_error", "loc": ["body", 0], "msg": "Value error, not today", "input": None}
    ]


class Page(Kind):
    """An HTML page that calls itself a success."""

    name = "html"

    async def instead(self, call: Call) -> Answer | None:
        """Answer with a page."""
        del call
        return Answer(200, PAGE, "text/html")


class OtherJson(Kind):
    """The wrong kind of JSON, which calls itself a success."""

    name = "json"

    async def instead(self, call: Call) -> Answer | None:
        """Answer with an error's body."""
        del call
        return Answer(200, b'{"detail": "the archive is being moved"}')


class BrokenJson(Kind):
    """JSON that stops in the middle, and calls itself a success."""

    name = "broken-json"

    async def instead(self, call: Call) -> Answer | None:
        """Answer with the beginning of an answer."""
        del call
        return Answer(200, b'{"msg": "Request passed validation! Found 3 images.", "body": [{"pr')


class DeepJson(Kind):
    """JSON nested deeper than any reader can follow, which calls itself a success."""

    name = "deep-json"

    async def instead(self, call: Call) -> Answer | None:
        """Answer with lists in lists."""
        del call
        return Answer(200, b"[" * 100_000)


class Nothing(Kind):
    """An answer of no bytes at all, which calls itself a success."""

    name = "nothing"

    async def instead(self, call: Call) -> Answer | None:
        """Answer with nothing."""
        del call
        return Answer(200)


class ResetBefore(Kind):
    """The connection is cut before there is an answer."""

    name = "reset"

    async def instead(self, call: Call) -> Answer | None:
        """Cut it."""
        raise Reset(call)


class Refused(Kind):
    """Every connection is cut, and then refused for a while."""

    name = "refuse"
    takes = "seconds until connections are taken again"

    async def instead(self, call: Call) -> Answer | None:
        """Go away."""
        raise GoneAway(call, partial(self._circumstances.sleep, self.value(_AWAY)))


class SilenceBefore(Kind):
    """Nothing is ever answered."""

    name = "silence"

    async def instead(self, call: Call) -> Answer | None:
        """Hold the call."""
        await self.hold(call)
        if call.left():
            raise Reset(call)
        return None


KINDS: tuple[type[Kind], ...] = (
    InternalError,
    BadGateway,
    Unavailable,
    UnavailableUntil,
    GatewayTimeout,
    TooMany,
    TooManyUntil,
    Unauthorised,
    Forbidden,
    NotFound,
    Unprocessable,
    Page,
    OtherJson,
    BrokenJson,
    DeepJson,
    Nothing,
    ResetBefore,
    Refused,
    SilenceBefore,
)
