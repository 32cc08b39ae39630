"""Answers as HTTP: with our headers, one on each connection."""

from __future__ import annotations

import json
from contextlib import aclosing
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from aiohttp import web

from winter_sync.web.site import HTML, ByteStream, Document, EventStream, FileContent

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from winter_sync.web.site import Answer

_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Server": "winter-sync",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_SLOWEST_RATE = 100_000
"""Bytes a second: a client that reads a file more slowly is cut off, and may go on from there."""
_LEAST_SECONDS = 60.0


async def limit(_: web.Request, response: web.StreamResponse) -> None:
    """Hold our headers and one answer a connection for what aiohttp answers by itself, too."""
    response.headers.update(_HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")
    # Of an answer that is sent in parts aiohttp has decided by now what it says of the connection.
    response.headers["Connection"] = "close"
    response.force_close()


def troubles_response(
    troubles: Sequence[str], status: HTTPStatus = HTTPStatus.SERVICE_UNAVAILABLE
) -> web.Response:
    """Return the answer that all is well or, with a status, what is not."""
    text = json.dumps({"ok": not troubles, "troubles": list(troubles)}) + "\n"
    return plain_response(text.encode(), "application/json", status if troubles else HTTPStatus.OK)


def plain_response(
    body: bytes, content_type: str, status: HTTPStatus = HTTPStatus.OK
) -> web.Response:
    """Return an answer that is complete."""
    headers = {**_HEADERS, "Cache-Control": "no-store", "Content-Type": content_type}
    response = web.Response(body=body, status=status, headers=headers)
    response.force_close()
    return response


def token_page(path: str) -> web.Response:
    """Return the answer to whoever has not given the token."""
    if path.startswith(("/api/", "/sia2")):
        return troubles_response(["the token is needed"], HTTPStatus.UNAUTHORIZED)
    response = plain_response(_ASKING_PAGE.encode(), HTML, HTTPStatus.UNAUTHORIZED)
    response.headers["WWW-Authenticate"] = "Bearer"
    return response


_ASKING_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Token needed · winter-sync</title>
<link rel="icon" href="/static/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/static/page.css">
</head>
<body>
<main>
<h1>Token needed</h1>
<p>This mirror is shown to whoever knows its token: the line in the file that
<code>http.token_file</code> names in its settings.</p>
<form method="get">
<label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required>
<button>Show the mirror</button>
</form>
</main>
</body>
</html>
"""


async def answer_response(
    request: web.Request, answer: Answer, allow: Callable[[float], None]
) -> web.StreamResponse:
    """Send an answer of the site.

    Parameters
    ----------
    request
        What was asked.
    answer
        The answer.
    allow
        Lets the connection live for a number of seconds from then on.
    """
    match answer:
        case Document():
            return _document_response(answer)
        case FileContent():
            with answer.file:
                allow(_LEAST_SECONDS + answer.size / _SLOWEST_RATE)
                return await _send_file(request, answer)
        case EventStream():
            allow(_LEAST_SECONDS + answer.longest_seconds)
            return await _send_chunks(request, answer.events, "text/event-stream")
        case ByteStream():
            allow(_LEAST_SECONDS + answer.longest_seconds)
            return await _send_chunks(request, answer.chunks, answer.content_type)


def _document_response(document: Document) -> web.Response:
    response = plain_response(document.body, document.content_type, document.status)
    if document.location is not None:
        response.headers["Location"] = document.location
    if document.keep_seconds:
        response.headers["Cache-Control"] = f"private, max-age={document.keep_seconds}"
    return response


async def _send_file(request: web.Request, file: FileContent) -> web.StreamResponse:
    # The name of the descriptor leads to the open file itself, whatever has its name now.
    response = web.FileResponse(Path("/dev/fd", str(file.file.fileno())))
    response.headers["Content-Type"] = "application/octet-stream"
    name = quote(file.filename, safe="")
    response.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{name}"
    response.headers["Cache-Control"] = "no-store"
    await response.prepare(request)
    return response


async def _send_chunks(
    request: web.Request, chunks: AsyncGenerator[bytes, None], content_type: str
) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": content_type})
    async with aclosing(chunks):
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        async for chunk in chunks:
            await response.write(chunk)
    return response
