"""Events to webhooks: a real HTTP server, well and unwell."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from support.wires import listening, request_of, saying

from winter_sync.core.outbox import EventKind
from winter_sync.delivery.sinks import EventSink, Webhook

if TYPE_CHECKING:
    import asyncio

    from delivery.conftest import Place

SECRET = "a secret of the webhook"
TOKEN = "token-in-the-path"
TAKEN = b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"


class Receiver:
    """An HTTP server that gives its answers one after the other, the last again and again."""

    def __init__(self, *answers: bytes) -> None:
        self._answers = list(answers)
        self.requests: list[tuple[bytes, bytes]] = []

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.requests.append(await request_of(reader))
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        writer.write(answer)
        await writer.drain()

    @property
    def numbers(self) -> list[list[int]]:
        """The numbers of the events of each request."""
        return [[event["number"] for event in json.loads(body)] for _, body in self.requests]


def hook(port: int, *, scheme: str = "http", **changes: object) -> EventSink:
    """Return a sink that posts to a port of this machine."""
    to = Webhook(f"{scheme}://127.0.0.1:{port}/{TOKEN}?channel=winter", SECRET)
    return EventSink("chat", to, **changes)  # type: ignore[arg-type] # all kinds


async def test_events_are_posted_as_a_signed_list(place: Place) -> None:
    """The signature covers the time and the body; whoever knows the secret can check it."""
    receiver = Receiver(TAKEN)
    async with listening(receiver.answer) as port:
        await place.deliver(hook(port))
        await place.record(2, reason="é")
        await place.deliver(hook(port))
    assert receiver.numbers == [[1, 2]]
    head, body = receiver.requests[0]
    line, *lines = head.decode().rstrip().split("\r\n")
    headers = {name.lower(): value for name, value in (each.split(": ", 1) for each in lines)}
    assert line == f"POST /{TOKEN}?channel=winter HTTP/1.1"
    assert headers["content-type"] == "application/json"
    timestamp = headers["x-winter-sync-timestamp"]
    assert int(timestamp) == int(place.clock().timestamp())
    expected = hmac.new(SECRET.encode(), timestamp.encode() + b"." + body, hashlib.sha256)
    assert headers["x-winter-sync-signature"] == f"sha256={expected.hexdigest()}"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (saying(b"HTTP/1.1 500 Gone\x1b[31m away\r\n\r\n"), "answered 500 Gone\\x1b[31m away"),
        (saying(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), "answered 404 Not Found"),
        (
            saying(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\n\r\n"),
            "redirects (302), which is not followed: set url to the final address",
        ),
        (saying(b"SSH-2.0-OpenSSH_9.6\r\n"), "answered with something that is not HTTP"),
        (saying(), "closed the connection before it answered"),
        (saying(reset=True), "closed the connection before it answered"),
        (
            saying(*[b"HTTP/1.1 100 Continue\r\n\r\n" * 1000] * 1000),
            "sent more than 16 informational answers (1xx) and no other",
        ),
    ],
    ids=["500", "404", "redirect", "not HTTP", "cut", "reset", "announced for ever"],
)
async def test_what_is_not_taken_is_posted_again(place: Place, answer: object, reason: str) -> None:
    """The reason says what happened, and has neither the secret nor the path in it."""
    async with listening(answer) as port:  # type: ignore[arg-type] # an answer
        await place.deliver(hook(port))
        await place.record()
        await place.deliver(hook(port))
        progress = await place.progress("chat")
        assert progress.error == f"http://127.0.0.1:{port} {reason}"
    assert (progress.cursor, progress.failures) == (0, 1)
    receiver = Receiver(TAKEN)
    async with listening(receiver.answer) as port:
        await place.deliver(hook(port))
    assert receiver.numbers == [[1]]
    assert (await place.progress("chat")).failures == 0


async def test_a_server_that_hangs_is_given_up(place: Place) -> None:
    """After the time that the settings allow for a call."""

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request_of(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n")
        await reader.read()

    async with listening(hang) as port:
        slow = hook(port, timeout=timedelta(milliseconds=50))
        await place.deliver(slow)
        await place.record()
        await place.deliver(slow)
    error = (await place.progress("chat")).error or ""
    assert "did not answer within" in error


async def test_nobody_listening_and_no_tls_are_failures(place: Place) -> None:
    """An unknown certificate is never accepted."""
    receiver = Receiver(TAKEN)
    async with listening(receiver.answer, "good") as port:
        await place.deliver(hook(port, scheme="https"))
        await place.record()
        await place.deliver(hook(port, scheme="https"))
    assert "no TLS certificate that this machine trusts" in (await place.progress("chat")).error  # type: ignore[operator] # it is there
    assert receiver.requests == []
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        await place.deliver(hook(port))
    error = (await place.progress("chat")).error or ""
    assert error.startswith(f"http://127.0.0.1:{port} cannot be reached: ")
    assert TOKEN not in error


async def test_a_failing_sink_blocks_no_other(place: Place) -> None:
    """Each has its own place in the order."""
    well, unwell = Receiver(TAKEN), Receiver(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
    async with listening(well.answer) as one, listening(unwell.answer) as two:
        sinks = (
            EventSink("well", Webhook(f"http://127.0.0.1:{one}/"), at_most=1),
            EventSink("unwell", Webhook(f"http://127.0.0.1:{two}/")),
        )
        await place.deliver(*sinks)
        await place.record(3, EventKind.MISSING)
        await place.deliver(*sinks)
    assert well.numbers == [[1], [2], [3]]
    assert b"signature" not in well.requests[0][0].lower()
    assert [(await place.progress(name)).cursor for name in ("well", "unwell")] == [3, 0]
