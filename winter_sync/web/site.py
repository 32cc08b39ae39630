"""What the server asks a site of pages, and what it is answered: no HTTP is needed for either."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping
    from typing import BinaryIO

HTML = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True)
class PageRequest:
    """A question to the site.

    Parameters
    ----------
    path
        The path of the address, decoded.
    query
        The fields of its query, the first of each name.
    fields
        All fields of its query, as they were given.
    origin
        What the address begins with, as the client has it: "http://127.0.0.1:8765".
    """

    path: str
    query: Mapping[str, str]
    fields: tuple[tuple[str, str], ...] = ()
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """An answer that is complete.

    Parameters
    ----------
    body
        What is sent.
    content_type
        What it is.
    status
        The status of the answer.
    location
        Where to go instead: a path of the same site.
    keep_seconds
        How long a browser may keep it; 0 for not at all.
    """

    body: bytes
    content_type: str = HTML
    status: HTTPStatus = HTTPStatus.OK
    location: str | None = None
    keep_seconds: int = 0


@dataclass(frozen=True, slots=True)
class FileContent:
    """An answer that is a file to keep.

    Parameters
    ----------
    file
        The open file; whoever sends it closes it.
    filename
        The name under which to keep it.
    size
        Bytes.
    """

    file: BinaryIO
    filename: str
    size: int


@dataclass(frozen=True, slots=True)
class EventStream:
    """An answer that goes on: server-sent events, until the client leaves or they end.

    Parameters
    ----------
    events
        The events, as they are sent. Closed when the client leaves.
    longest_seconds
        How long it goes on at most.
    """

    events: AsyncGenerator[bytes, None]
    longest_seconds: float


@dataclass(frozen=True, slots=True)
class ByteStream:
    """An answer that is sent as it is made.

    Parameters
    ----------
    chunks
        Its parts. Closed when the client leaves.
    content_type
        What it is.
    longest_seconds
        How long it may take at most.
    """

    chunks: AsyncGenerator[bytes, None]
    content_type: str
    longest_seconds: float


Answer = Document | FileContent | EventStream | ByteStream


class Site(Protocol):
    """Pages for people."""

    async def answer(self, request: PageRequest) -> Answer:
        """Return the answer to a question; one about nothing that is there is a page, too."""
        ...

    async def end_streams(self) -> None:
        """End the answers that go on."""
        ...

    async def close(self) -> None:
        """Stop making the answers that are under way."""
        ...
