"""What the archive lists, as astronomers take it: rows, an astropy table, a data frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

from winter_sync.api.product_columns import product_columns
from winter_sync.core import exposure_time
from winter_sync.science import Column, Kind, make_table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from astropy.table import QTable
    from pandas import DataFrame

    from winter_sync.core import Row

COLUMNS = (
    Column("progname", Kind.TEXT, description="Program that the row names"),
    Column("nightdate", Kind.TEXT, description="UTC date of the exposure"),
    Column("targname", Kind.TEXT, ucd="meta.id;src", description="Target"),
    Column("ra", Kind.REAL, "deg", "pos.eq.ra", "Right ascension that the archive lists"),
    Column("dec", Kind.REAL, "deg", "pos.eq.dec", "Declination that the archive lists"),
    Column("fid", Kind.INTEGER, ucd="meta.id;instr.filter", description="Filter number"),
    Column("utctime", Kind.TEXT, description="As listed: hours off; see started_at"),
    Column("fieldid", Kind.INTEGER, description="Survey field; 999999999 for none"),
    Column("image_type", Kind.TEXT, description="Image type"),
    Column("savepath", Kind.TEXT, description="Path at the archive"),
    Column("lastmodified", Kind.TEXT, description="Mark of the exposure's processing"),
    Column("pipeversion", Kind.TEXT, description="Version of the pipeline"),
    *product_columns("night", "started_at"),
)
"""The archive's own names in its order (winter-api.md, "Endpoints"), then what follows from it."""


class ListedImages(Sequence["Row"]):
    """The images that the archive listed, in its order.

    `len(images)`, `images[0].product.savepath` and `for row in images` work as for a list;
    `table` and `to_pandas` give all columns.
    """

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self._rows = tuple(rows)

    def __len__(self) -> int:
        """Return how many images were listed."""
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Row: ...

    @overload
    def __getitem__(self, index: slice) -> ListedImages: ...

    def __getitem__(self, index: int | slice) -> Row | ListedImages:
        """Return a row, or several as listed images."""
        if isinstance(index, slice):
            return ListedImages(self._rows[index])
        return self._rows[index]

    def __add__(self, other: ListedImages) -> ListedImages:
        """Return the images of both, each product once."""
        rows = {row.product.identity: row for row in (*self._rows, *other)}
        return ListedImages(rows.values())

    def __repr__(self) -> str:
        """Return how many there are."""
        return f"<{len(self)} listed images>"

    @property
    def savepaths(self) -> tuple[str, ...]:
        """The paths at the archive, as a download asks for them."""
        return tuple(row.product.savepath for row in self._rows)

    def table(self) -> QTable:
        """Return an astropy table, positions with their units, unknown values masked."""
        return make_table([_values(row) for row in self._rows], COLUMNS)

    def to_pandas(self) -> DataFrame:
        """Return a data frame with the columns of winterapi's, and two of ours; needs pandas."""
        return self.table().to_pandas()


def _values(row: Row) -> dict[str, object]:
    product = row.product
    return {
        "progname": row.program,
        "nightdate": row.nightdate,
        "targname": row.target,
        "ra": row.ra,
        "dec": row.dec,
        "fid": row.fid,
        "utctime": row.utctime,
        "fieldid": row.fieldid,
        "image_type": product.image_type.value,
        "savepath": product.savepath,
        "lastmodified": row.lastmodified,
        "pipeversion": row.pipeversion,
        "night": product.night.name,
        "started_at": exposure_time(product.filename),
    }
