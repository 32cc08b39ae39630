"""JSON text that arrives in pieces, and the values in it as soon as each is complete.

It takes what `json.loads` takes, with the same liberties.
"""

from __future__ import annotations

import codecs
import json
import re
from json.decoder import JSONDecoder
from typing import TYPE_CHECKING, Any

from winter_sync.archive.responses import too_much

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

_LARGEST_VALUE = 16 * 1024 * 1024
"""Characters of one value: a row, or a whole table that is no list of rows."""
_MOST_VALUES = 800_000
"""In one value, as far as its punctuation shows: each takes some 70 bytes of memory, however few
characters it was sent in."""
_COUNTED = 1024 * 1024
"""Characters above which the values in one are counted first."""
_ENCODING = 4
"""Bytes that show how JSON is encoded."""
_STARTS = frozenset('{["-0123456789tfnNI')
"""How values begin, those of JavaScript too that `json.loads` takes."""
_SPACE = re.compile(r"[ \t\n\r]*")


class JsonText:
    """What has arrived of a JSON text and was not read yet.

    Its generators yield where more must arrive first; `ValueError` or `RecursionError` says that it
    is not JSON.
    """

    def __init__(self) -> None:
        self._scan: Callable[[str, int], tuple[Any, int]] = JSONDecoder().scan_once  # type: ignore[attr-defined]
        self._decoder: codecs.IncrementalDecoder | None = None
        self._bytes = b""
        self._text, self._at = "", 0
        self._pieces: list[str] = []
        self._size = 0
        """Of what was not read yet, characters."""
        self._wanted = 1
        self._is_complete = False
        self.is_list_over = False
        """Whether the elements that were read last were the last of their list."""

    def add(self, block: bytes) -> bool:
        """Add a block; return whether there is enough text now to read on."""
        if self._decoder is None:
            self._bytes += block
            if len(self._bytes) < _ENCODING:
                return False
            block, self._decoder = self._bytes, _decoder_of(self._bytes)
        return self._append(self._decoder.decode(block))

    def end(self) -> None:
        """Take what was added for the whole text."""
        self._is_complete = True
        if self._decoder is None:
            self._append(_decoder_of(self._bytes).decode(self._bytes, final=True))
        else:
            self._append(self._decoder.decode(b"", final=True))

    def _append(self, text: str) -> bool:
        self._pieces.append(text)
        self._size += len(text)
        if self._size < self._wanted and not self._is_complete:
            return False
        self._text, self._at = "".join((self._text[self._at :], *self._pieces)), 0
        self._pieces.clear()
        return True

    def _wait_for(self, size: int) -> Iterator[None]:
        """Wait until this many characters are here, or all."""
        self._size = len(self._text) - self._at
        self._wanted = size
        yield

    def more(self) -> Iterator[None]:
        """Wait until twice as much is here as is now, so that nothing is read often in vain.

        Raises
        ------
        ValueError
            If nothing more comes.
        BadAnswerError
            If so much is not taken.
        """
        if self._is_complete:
            raise ValueError("it is not complete")
        yield from self._wait_for(2 * (len(self._text) - self._at) + 1)
        self._refuse_too_much()

    def _refuse_too_much(self) -> None:
        if len(self._text) - self._at <= _COUNTED:
            return
        if len(self._text) - self._at > _LARGEST_VALUE:
            raise too_much(f"{_LARGEST_VALUE} characters in one value")
        if sum(self._text.count(mark, self._at) for mark in ",[{") > _MOST_VALUES:
            raise too_much(f"{_MOST_VALUES} values")

    def next_character(self) -> Generator[None, None, str]:
        """Return the next character that is no space, without reading it; empty at the end."""
        while True:
            self._at = self._end_of_space(self._at)
            if self._at < len(self._text) or self._is_complete:
                return self._text[self._at : self._at + 1]
            yield from self._wait_for(1)

    def skip(self, character: str) -> None:
        """Read the character that must come next."""
        if not self._text.startswith(character, self._at):
            raise ValueError(f"{character} is missing")
        self._at += 1

    def value(self) -> Generator[None, None, Any]:
        """Read the value that comes next."""
        if (yield from self.next_character()) not in _STARTS:
            raise ValueError("no value begins so")
        while True:
            try:
                value, end = self._scan(self._text, self._at)
            except (ValueError, StopIteration):
                pass
            else:
                # More digits of a number may come.
                if end < len(self._text) or self._is_complete:
                    self._at = end
                    return value
            yield from self.more()

    def elements(self, is_known: Callable[[str], bool]) -> Iterator[tuple[Any, str]]:
        """Read the elements of a list that are complete, each with its text.

        `is_list_over` says afterwards whether the list ends with them.

        Parameters
        ----------
        is_known
            Whether a text is an object that is known. Most of those are passed over: the text up to
            the first brace is all of an object if it is the text of one, whatever was expected.
        """
        text, at, scan = self._text, self._at, self._scan
        find, starts, between, length = text.find, text.startswith, "no comma yet", 0
        self.is_list_over = False
        try:
            while True:
                end = find("}", at) + 1
                if starts(between, end) and is_known(text[at:end]):
                    at = end + length
                    continue
                try:
                    value, end = scan(text, at)
                except (ValueError, StopIteration):
                    if (after := self._end_of_space(at)) == at:
                        return
                    at = after
                    continue
                if not starts(between, end):
                    after = self._end_of_space(end)
                    if after == len(text):
                        return
                    between, length = self._mark(end, after)
                yield value, text[at:end]
                at = end + length
                if self.is_list_over:
                    return
        finally:
            self._at = at

    def _mark(self, end: int, after: int) -> tuple[str, int]:
        """Return what is between an element and the next, and its length, or ends the list."""
        self.is_list_over = self._text[after] == "]"
        if not self.is_list_over and self._text[after] != ",":
            raise ValueError("a comma is missing")
        between = self._text[end : self._end_of_space(after + 1)]
        return between, len(between)

    def _end_of_space(self, at: int) -> int:
        found = _SPACE.match(self._text, at)
        return found.end() if found else at


def _decoder_of(content: bytes) -> codecs.IncrementalDecoder:
    """Return what decodes JSON that begins with these bytes, as `json.loads` does."""
    return codecs.getincrementaldecoder(json.detect_encoding(content))("surrogatepass")
