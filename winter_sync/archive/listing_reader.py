"""A listing read while it arrives: known rows are counted, all others are understood.

Nothing of an answer is kept but its rows that are not known, and what has arrived of the next one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from winter_sync.archive.json_text import JsonText
from winter_sync.archive.listing import MOST_ROWS, Listing, RowsRead, rows_of_table
from winter_sync.archive.responses import too_much
from winter_sync.core import KnownRows, fingerprint

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from winter_sync.core import Query

_LARGEST_LISTING = 1 << 30
"""Bytes after decompression: some 2,500,000 rows."""
_BEGINNING = 4096


class ListingReader:
    """Reads the answer to one query. Call `feed` with each block, then `close`.

    Parameters
    ----------
    query
        What was asked.
    known
        The rows that would mean nothing new.
    most
        How many others are understood.

    Raises
    ------
    ValueError, RecursionError
        From `feed` and `close`, if it is not JSON.
    TooManyRowsError
        If it has more rows that are not known; `so_far` returns what was read until then.
    BadAnswerError
        If it has a larger row than is taken, or no table at all.
    """

    def __init__(self, query: Query, known: KnownRows | None = None, most: int = MOST_ROWS) -> None:
        self.beginning = b""
        """The first bytes of the answer."""
        self._query, self._most = query, most
        self._known = KnownRows() if known is None else known
        self._size = 0
        self._said: object = None
        self._last = ("", 0)
        self._table: object = None
        self._begin_rows()
        self._text = JsonText()
        self._parser = self._answer()
        next(self._parser)

    def feed(self, block: bytes) -> None:
        """Read a block of the answer."""
        self._size += len(block)
        if self._size > _LARGEST_LISTING:
            raise too_much(f"{_LARGEST_LISTING} bytes")
        self.beginning += block[: max(_BEGINNING - len(self.beginning), 0)]
        if self._text.add(block):
            self._go_on()

    def close(self) -> Listing:
        """Return what the whole answer lists."""
        self._text.end()
        self._go_on()
        if not self._has_list:
            self._begin_rows()
            for number, raw in enumerate(rows_of_table(self._table), start=1):
                self._rows.add(number, raw)
        return self._rows.listing(self._said, self._known, bytes(self._seen), self._times_seen)

    def so_far(self) -> Listing:
        """Return what was read until there were too many rows."""
        read = self._rows.listing(self._said, self._known, bytes(self._seen), self._times_seen)
        return replace(read, is_stopped=True)

    def discard(self) -> None:
        """Let go of all that has arrived; the generator would keep it until it is collected."""
        self._parser.close()
        self._text, self._table = JsonText(), None
        self._begin_rows()

    def _go_on(self) -> None:
        """Read as far as the text goes."""
        next(self._parser, None)

    def _begin_rows(self) -> None:
        """Begin the list of rows; of two in one object the last counts, as in `json.loads`."""
        self._has_list, self._rows = True, RowsRead(self._query, self._most)
        self._seen = bytearray(len(self._known))
        self._times_seen = 0

    def _answer(self) -> Generator[None, None, None]:
        """Read the answer; yield where more of it must arrive first."""
        text = self._text
        match (yield from text.next_character()):
            case "{":
                yield from self._members()
            case "[":
                yield from self._list()
            case _:
                self._has_list, self._table = False, (yield from text.value())
        if (yield from text.next_character()):
            raise ValueError("there is more after the end")

    def _members(self) -> Iterator[None]:
        """Read the members of the answer, which is an object."""
        text = self._text
        self._has_list = False
        text.skip("{")
        if (yield from text.next_character()) == "}":
            text.skip("}")
            return
        while True:
            if (yield from text.next_character()) != '"':
                raise ValueError("a name is missing")
            name = yield from text.value()
            yield from text.next_character()
            text.skip(":")
            yield from self._member(name)
            if (yield from text.next_character()) == "}":
                text.skip("}")
                return
            text.skip(",")

    def _member(self, name: object) -> Iterator[None]:
        starts = yield from self._text.next_character()
        if name == "body" and starts == "[":
            self._begin_rows()
            yield from self._list()
            return
        value = yield from self._text.value()
        if name == "body":
            self._has_list, self._table = False, value
        elif name == "msg":
            self._said = value

    def _list(self) -> Iterator[None]:
        """Read the rows."""
        text = self._text
        text.skip("[")
        if (yield from text.next_character()) == "]":
            text.skip("]")
            return
        while not self._read_rows():
            yield from text.more()

    def _read_rows(self) -> bool:
        """Read all rows that are here; return whether the list ends with them."""
        is_known = self._is_known if self._known.places else _is_never_known
        for value, raw in self._text.elements(is_known):
            if not is_known(raw):
                self._rows.add(self._number(), value, self._fingerprint(raw))
        return self._text.is_list_over

    def _is_known(self, raw: str) -> bool:
        """Return whether this is the text of a known row, and count it if it is."""
        place = self._known.places.get(self._fingerprint(raw))
        if place is None:
            return False
        self._seen[place] = 1
        self._times_seen += 1
        return True

    def _fingerprint(self, raw: str) -> int:
        """Return the fingerprint of a text; the same may be asked for several times in a row."""
        if raw != self._last[0]:
            self._last = raw, fingerprint(raw, self._known.salt)
        return self._last[1]

    def _number(self) -> int:
        """Return the number of the row that is read now, from 1."""
        return self._times_seen + self._rows.count + 1


def _is_never_known(_: str) -> bool:
    return False
