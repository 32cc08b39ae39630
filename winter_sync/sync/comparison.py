"""A listing held against the catalog: what is new, changed, back or gone."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from winter_sync.core import (
    Instrument,
    KnownProduct,
    Product,
    Row,
    State,
    date_text,
    marks_of_row,
    united_marks,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence


@dataclass(frozen=True, slots=True)
class Comparison:
    """A listing held against the catalog."""

    new: list[Row] = field(default_factory=list)
    changed: list[Row] = field(default_factory=list)
    returned: list[Row] = field(default_factory=list)
    same: list[Row] = field(default_factory=list)
    withdrawn: list[Product] = field(default_factory=list)

    @property
    def rows(self) -> Iterator[Row]:
        """Every row of the listing."""
        yield from self.new
        yield from self.changed
        yield from self.returned
        yield from self.same

    def only(self, wanted: Callable[[Row], bool]) -> Comparison:
        """Return the same of some of the rows; what is withdrawn stays."""
        new, changed, returned, same = (
            [row for row in rows if wanted(row)]
            for rows in (self.new, self.changed, self.returned, self.same)
        )
        return Comparison(new, changed, returned, same, self.withdrawn)


def compare(
    rows: Iterable[Row], known: Iterable[KnownProduct], expected: Iterable[Product]
) -> Comparison:
    """Return what is new, changed, back or gone; the order of the rows does not matter.

    Parameters
    ----------
    rows
        The listing. A product in it twice counts once, with the marks of all its rows.
    known
        What the catalog knows of the products in the listing.
    expected
        The products that this very answer must list again unless they were withdrawn: none where
        the answer is known to be incomplete.
    """
    listed = one_row_each(rows)
    before = {product.product.identity: product for product in known}
    result = Comparison()
    for row in listed:
        _bin(result, row, before.get(row.product.identity)).append(row)
    identities = {row.product.identity for row in listed}
    result.withdrawn.extend(product for product in expected if product.identity not in identities)
    return result


def one_row_each(rows: Iterable[Row]) -> list[Row]:
    """Return one row for each product, in an order of their own, with the marks of all its rows."""
    listed = list(rows)
    if len({row.product.identity for row in listed}) == len(listed):
        return listed
    by_product: dict[tuple[Instrument, str], list[Row]] = {}
    for row in listed:
        by_product.setdefault(row.product.identity, []).append(row)
    return [alike[0] if len(alike) == 1 else _merged(alike) for alike in by_product.values()]


def _merged(rows: Sequence[Row]) -> Row:
    """Return one row for several of a product; of texts that differ it has no fingerprint."""
    chosen = max(rows, key=_order)
    if len({row.fingerprint for row in rows}) == 1 and chosen.fingerprint is not None:
        return chosen
    marks = united_marks(rows)
    return replace(
        chosen,
        lastmodified=marks.lastmodified,
        pipeversion=marks.pipeversion,
        fingerprint=None,
    )


def _order(row: Row) -> str:
    """Return a text that is the same of a row read from an answer and from the catalog."""
    return repr(replace(row, nightdate=date_text(row.nightdate) or row.nightdate))


def _bin(result: Comparison, row: Row, known: KnownProduct | None) -> list[Row]:
    if known is None:
        return result.new
    if is_reprocessed(row, known):
        return result.changed
    return result.returned if known.withdrawn else result.same


def is_reprocessed(row: Row, known: KnownProduct) -> bool:
    """Return whether a listing says that a product's content may no longer be what we hold.

    The marks belong to the exposure and are set when the pipeline ingests it. An exposure is the
    camera's own file, which no processing rewrites, so marks never make us fetch it again. An
    absent mark says nothing, and neither does one under which the content was fetched before,
    whichever program or row has it now.
    """
    if known.state is State.WANTED or not row.product.image_type.traits.may_be_reprocessed:
        return False
    return not known.settled_marks.cover(marks_of_row(row))
