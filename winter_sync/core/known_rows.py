"""Rows that the archive listed before, known again by fingerprints of their text.

A row that is listed as before, of a product about which nothing else changed, means nothing new. It
is known by its text alone, and neither understood nor looked up.
"""

from __future__ import annotations

from array import array
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from winter_sync.core.queries import Subject

COVERED = 1
"""The query asks for the date of this product."""
EXPECTED = 2
"""The query must list this product."""


def fingerprint_salt(subject: Subject, reader: str) -> bytes:
    """Return what the fingerprints of a subject's rows are made with.

    What a row means depends on what was asked, and on who reads it: where that is another nothing
    is known, and each row is read once more.

    Parameters
    ----------
    subject
        What was asked for; the region does not matter.
    reader
        The version of this program, and the pattern of the tree.
    """
    about = (reader, subject.program, subject.instrument, subject.image_type)
    return blake2b("\0".join(about).encode(), digest_size=16).digest()


def fingerprint(text: str, salt: bytes) -> int:
    """Return the fingerprint of a row's text: a signed number of 64 bits."""
    content = text.encode() if text.isascii() else text.encode(errors="surrogatepass")
    digest = blake2b(content, digest_size=8, salt=salt).digest()
    return int.from_bytes(digest, "big", signed=True)


class KnownRows:
    """The products that a subject lists with dates about those of a query.

    Parameters
    ----------
    salt
        That of the fingerprints.
    rows
        Of each product: its number in the catalog, `COVERED` and `EXPECTED` or neither, and the
        fingerprint of its row if that row would mean nothing new, otherwise None.
    """

    __slots__ = ("kinds", "numbers", "places", "salt")

    def __init__(self, salt: bytes = b"", rows: Iterable[tuple[int, int, int | None]] = ()) -> None:
        self.salt = salt
        self.numbers = array("q")
        self.kinds = bytearray()
        self.places: dict[int, int] = {}
        """The place of each fingerprint: an index of `numbers` and `kinds`."""
        number_of, kind_of, places = self.numbers.append, self.kinds.append, self.places
        for place, (number, kind, known) in enumerate(rows):
            number_of(number)
            kind_of(kind)
            if known is not None and places.setdefault(known, place) != place:
                del places[known]  # of two alike neither is known

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def expected(self) -> int:
        """How many products the query must list."""
        return sum(self.kinds.count(kind) for kind in (EXPECTED, EXPECTED | COVERED))

    def numbers_of(self, kind: int) -> list[int]:
        """Return the numbers of the products that are `COVERED`, or `EXPECTED`."""
        return [number for number, its in zip(self.numbers, self.kinds, strict=True) if its & kind]

    def places_of(self, seen: bytes, numbers: Collection[int]) -> list[int]:
        """Return the places of those of these products whose rows were known."""
        return [
            place for place, number in enumerate(self.numbers) if seen[place] and number in numbers
        ]

    def unseen(self, seen: bytes, others: Collection[int]) -> Iterator[tuple[int, int]]:
        """Yield the number and kind of each product that an answer does not list.

        Parameters
        ----------
        seen
            1 at the place of each row that was known.
        others
            The numbers of the other products that it lists.
        """
        place = seen.find(0)
        while place >= 0:
            if self.numbers[place] not in others:
                yield self.numbers[place], self.kinds[place]
            place = seen.find(0, place + 1)
