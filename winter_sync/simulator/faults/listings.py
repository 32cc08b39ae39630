"""Faults in the answer to a query: other shapes, odd rows, rows that are not there."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from winter_sync.simulator.faults.kinds import QUERIES, Kind

if TYPE_CHECKING:
    from winter_sync.simulator.faults.hooks import Call

Rows = list[Any]


class _Listing(Kind):
    """Something else in the place of the rows."""

    strikes = QUERIES

    def listing(self, call: Call, body: dict[str, Any]) -> dict[str, Any]:
        """Change the table, unless another fault has already replaced it."""
        rows = body["body"]
        is_table = isinstance(rows, list) and all(isinstance(row, dict) for row in rows)
        return {**body, "body": self._table(call, rows)} if is_table else body

    def _table(self, call: Call, rows: Rows) -> object:
        raise NotImplementedError


class Columns(_Listing):
    """A dict of columns instead of a list of rows."""

    name = "columns"

    def _table(self, call: Call, rows: Rows) -> object:
        del call
        return {name: [row[name] for row in rows] for name in _names(rows)}


class LabelledColumns(_Listing):
    """A dict of columns, each a dict by row label, as pandas writes a table."""

    name = "labelled-columns"

    def _table(self, call: Call, rows: Rows) -> object:
        del call
        return {
            name: {str(number): row[name] for number, row in enumerate(rows)}
            for name in _names(rows)
        }


class NewColumns(_Listing):
    """Columns that nobody knows yet, of every kind that JSON has."""

    name = "new-columns"

    def _table(self, call: Call, rows: Rows) -> object:
        del call
        new = {"seeing": 1.2, "observer": "Šárka", "flags": [1, {"a": None}], "x" * 300: True}
        return [{**row, **new} for row in rows]


class WildValues(_Listing):
    """Values that nobody expects, in all columns but the savepath."""

    name = "wild-values"

    def _table(self, call: Call, rows: Rows) -> object:
        del call
        wild: list[object] = [
            *("\ud800", "\0", "x" * 10_000, "'; DROP TABLE products; --", "", " ", "NaN"),
            *(None, True, -1, 2**70, 1e308, float("inf"), float("nan"), [1], {"a": {"b": []}}),
        ]
        return [
            {
                name: value if name == "savepath" else wild[(number + at) % len(wild)]
                for at, (name, value) in enumerate(row.items())
            }
            for number, row in enumerate(rows)
        ]


class NullRows(_Listing):
    """Rows that are null, among the others."""

    name = "null-row"

    def _table(self, call: Call, rows: Rows) -> object:
        at = self.dice(call).randint(0, len(rows))
        return [*rows[:at], None, *rows[at:], None]


class OddRows(_Listing):
    """Rows that make no sense, or would lead out of the tree, among the others."""

    name = "odd-rows"

    def _table(self, call: Call, rows: Rows) -> object:
        del call
        night = "/data/loki/data/winter/20251023"
        paths: list[object] = [
            *("", "/", 7, None, "no/night/here.fits"),
            f"{night}/../../../../etc/passwd",
            f"{night}/final/..",
            f"{night}/final/a\0b.fits",
            f"{night}/final/{'x' * 4096}.fits",
        ]
        return [{}, "row", 3, [], *({"savepath": path} for path in paths), *rows]


class OtherNames(_Listing):
    """Rows of files that are neither FITS nor Avro, among the others."""

    name = "other-names"

    def _table(self, call: Call, rows: Rows) -> object:
        del call
        ends = (".jpg", ".fits.md5", ".FITS.Z", "")
        others = [
            {**row, "savepath": row["savepath"].removesuffix(".fits") + end}
            for row in rows
            if row["savepath"].endswith(".fits")
            for end in ends
        ]
        return [*others, *rows]


class NoRows(_Listing):
    """An empty listing, though there are products."""

    name = "no-rows"

    def _table(self, call: Call, rows: Rows) -> object:
        del call, rows
        return []


class NothingFound(Kind):
    """An empty listing with the message that nothing was found, though there are products."""

    name = "nothing-found"
    strikes = QUERIES

    def listing(self, call: Call, body: dict[str, Any]) -> dict[str, Any]:
        """Answer that nothing was found."""
        del call
        return {**body, "msg": "Request passed validation! Found 0 images.", "body": []}


class Capped(_Listing):
    """At most the given number of rows, though `msg` says how many were found."""

    name = "capped"
    takes = "rows (100)"

    def _table(self, call: Call, rows: Rows) -> object:
        del call
        return rows[: int(self.value(100))]


class Shuffled(_Listing):
    """The rows in another order each time."""

    name = "shuffled"

    def _table(self, call: Call, rows: Rows) -> object:
        dice = random.Random(f"{self.dice(call).random()}/{call.number}")  # noqa: S311 - an order
        return dice.sample(rows, len(rows))


class RowsTwice(_Listing):
    """Every row twice."""

    name = "rows-twice"

    def _table(self, call: Call, rows: Rows) -> object:
        del call
        return [*rows, *rows]


class NoTable(_Listing):
    """Null in place of the table."""

    name = "no-table"

    def _table(self, call: Call, rows: Rows) -> None:
        del call, rows


def _names(rows: Rows) -> list[str]:
    return list(rows[0]) if rows else []


KINDS: tuple[type[Kind], ...] = (
    Columns,
    LabelledColumns,
    NewColumns,
    WildValues,
    NullRows,
    OddRows,
    OtherNames,
    NoRows,
    NothingFound,
    Capped,
    Shuffled,
    RowsTwice,
    NoTable,
)
