"""Products that vanish from a listing: withdrawn, renamed, listed elsewhere, or held in doubt."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from winter_sync.catalog.identities import NUMBER, identity_of, savepath_sql
from winter_sync.catalog.outbox import Outbox
from winter_sync.catalog.renames import Renames
from winter_sync.catalog.values import identity_values, region_name, subject_values
from winter_sync.core import (
    WITHDRAWN_AFTER,
    EventKind,
    HeldWithdrawal,
    ImageType,
    Instrument,
    Subject,
    is_confirmed,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from winter_sync.catalog.connection import Connection
    from winter_sync.core import Expectation, Product, Row

_OF_PRODUCT = f"program = :program AND product = {NUMBER}"


@dataclass(frozen=True, slots=True)
class Vanished:
    """What became of the products that vanished in one answer."""

    withdrawn: list[Product] = field(default_factory=list)
    """Those taken off the program's list."""
    held: list[Product] = field(default_factory=list)
    newly_held: int = 0
    renamed: int = 0
    """How many of the withdrawn have a successor."""


class Withdrawals:
    """What vanished from the listings, and whether that is believed."""

    def __init__(self, connection: Connection, outbox: Outbox | None = None) -> None:
        self._connection = connection
        self._outbox = outbox or Outbox(connection)
        self._renames = Renames(connection, self._outbox)

    # --- inside the transaction of a poll --------------------------------------------------------

    def record(
        self, subject: Subject, vanished: Sequence[Product], expectation: Expectation | None
    ) -> Vanished:
        """Withdraw the products that a subject's listing must have and has not, or hold them.

        Without an expectation all are withdrawn. Those with a successor always are, and count for
        nothing: a night that was processed again renames many.
        """
        if not vanished:
            return Vanished()
        renamed = self._renames.find(subject, vanished)
        held, newly = (
            self._to_hold(subject, vanished, renamed, expectation) if expectation else ([], 0)
        )
        withheld = {product.identity for product in held}
        withdrawn = [product for product in vanished if product.identity not in withheld]
        for product in withdrawn:
            self._withdraw(subject.program, product)
        self._renames.link({old: new for old, new in renamed.items() if old in withdrawn})
        return Vanished(withdrawn, held, newly, len(renamed))

    def _to_hold(
        self,
        subject: Subject,
        vanished: Sequence[Product],
        renamed: Mapping[Product, Product],
        expectation: Expectation,
    ) -> tuple[list[Product], int]:
        """Return the products that are not believed to be withdrawn, and record that they vanished.

        Also how many of them are held since now. What is held already stays so until it is
        confirmed, however little vanishes beside it.
        """
        lost = [product for product in vanished if product not in renamed]
        if expectation.rule.accepted:
            return [], 0
        known = self._known(subject)
        in_doubt = expectation.with_recent(self._recent(subject)).is_exceeded(len(lost))
        doubtful = [product for product in lost if in_doubt or product.savepath in known]
        held = [product for product in doubtful if not self._is_confirmed(known, product)]
        new = [product for product in held if product.savepath not in known]
        for product in held:
            self._hold(subject, product, expectation.expected)
        if new:
            self._tell(EventKind.WITHDRAWAL_HELD, subject, new, expected=expectation.expected)
        return held, len(new)

    _RECENT = """
    SELECT count(*) AS products FROM products p JOIN listings l ON l.product = p.id
    WHERE p.withdrawn_at >= :since AND l.program = :program AND p.instrument = :instrument
      AND p.image_type = :image_type AND NOT EXISTS
        (SELECT 1 FROM successors s WHERE s.product = p.id)
    """

    def _recent(self, subject: Subject) -> int:
        """Return how many products of a subject were withdrawn lately, without successors."""
        values = {**subject_values(subject), "since": self._connection.at(-WITHDRAWN_AFTER)}
        row = self._connection.row(self._RECENT, values)
        return int(row["products"]) if row else 0

    _KNOWN = f"""
    SELECT {savepath_sql()} AS savepath, h.region, h.held_at, h.answers
    FROM held_withdrawals h CROSS JOIN products p ON p.id = h.product
    WHERE h.program = :program AND p.instrument = :instrument AND p.image_type = :image_type
    """  # noqa: S608 - our own condition

    def _known(self, subject: Subject) -> dict[str, dict[str, Any]]:
        rows = self._connection.rows(self._KNOWN, subject_values(subject))
        return {row["savepath"]: row for row in rows}

    def _is_confirmed(self, known: Mapping[str, dict[str, Any]], product: Product) -> bool:
        row = known.get(product.savepath)
        if row is None:
            return False
        since = datetime.fromisoformat(row["held_at"])
        return is_confirmed(since, row["answers"] + 1, self._connection.clock())

    _HOLD = f"""
    INSERT INTO held_withdrawals (program, product, region, expected, held_at, answers)
    VALUES (:program, {NUMBER}, :region, :expected, :now, 1)
    ON CONFLICT DO UPDATE SET answers = answers + 1, held_at = min(held_at, excluded.held_at)
    """  # noqa: S608 - our own texts

    def _hold(self, subject: Subject, product: Product, expected: int) -> None:
        values = {
            **subject_values(subject),
            **identity_values(product),
            "expected": expected,
            "now": self._connection.now(),
        }
        self._connection.execute(self._HOLD, values)

    def _tell(
        self, kind: EventKind, subject: Subject, products: Collection[Product], **fields: int
    ) -> None:
        self._outbox.append(
            kind,
            program=subject.program,
            instrument=subject.instrument.value,
            image_type=subject.image_type.value,
            region=region_name(subject.region) or None,
            products=len(products),
            nights=sorted({product.night.name for product in products}),
            **fields,
        )

    _UNLIST = f"UPDATE listings SET withdrawn_at = :now WHERE {_OF_PRODUCT}"  # noqa: S608 - our own condition
    _END_HOLD = f"DELETE FROM held_withdrawals WHERE {_OF_PRODUCT}"  # noqa: S608 - our own condition
    _WITHDRAW = f"""
    UPDATE products SET withdrawn_at = :now WHERE id = {NUMBER}
      AND withdrawn_at IS NULL AND NOT EXISTS (SELECT 1 FROM listings l
        WHERE l.product = products.id AND l.withdrawn_at IS NULL)
    """  # noqa: S608 - our own texts

    def _withdraw(self, program: str, product: Product, *, moved: bool = False) -> None:
        """Take a product off a program's list; it is withdrawn when no other program lists it.

        `moved` says that another was just found to list it: only then is that an event. Otherwise
        the others were asked in vain, and their own polls withdraw it.
        """
        values = {"now": self._connection.now(), "program": program, **identity_values(product)}
        was_listed = self._connection.execute(f"{self._UNLIST} AND withdrawn_at IS NULL", values)
        self._connection.execute(self._END_HOLD, values)
        if self._connection.execute(self._WITHDRAW, values):
            self._outbox.append_product(EventKind.WITHDRAWN, product)
        elif was_listed and moved:
            listed = self._connection.row(self._LISTED_BY, values)
            self._outbox.append_product(
                EventKind.CORRECTED,
                product,
                program_was=program,
                program=listed["program"] if listed else None,
            )

    _LISTED_BY = f"""
    SELECT min(program) AS program FROM listings WHERE product = {NUMBER} AND withdrawn_at IS NULL
    """  # noqa: S608 - our own texts

    def move(self, program: str, products: Iterable[Product]) -> None:
        """Take products off the list of a program that another program was found to list."""
        for product in products:
            self._withdraw(program, product, moved=True)

    def clear(self, subject: Subject, rows: Iterable[Row]) -> int:
        """Let go of what is held of a subject if some of it is listed again; return how many.

        Parameters
        ----------
        subject
            What was asked for.
        rows
            What the answer lists.
        """
        known = self._known(subject)
        if not known:
            return 0
        listed = {row.product.savepath for row in rows}
        regions = {row["region"] for savepath, row in known.items() if savepath in listed}
        cleared = [path for path, row in known.items() if row["region"] in regions]
        for savepath in cleared:
            values = {"program": subject.program, **identity_of(subject.instrument, savepath)}
            self._connection.execute(self._END_HOLD, values)
        if cleared:
            self._outbox.append(
                EventKind.WITHDRAWAL_CLEARED,
                program=subject.program,
                instrument=subject.instrument.value,
                image_type=subject.image_type.value,
                products=len(cleared),
            )
        return len(cleared)

    # --- what is held ----------------------------------------------------------------------------

    _HELD = """
    SELECT h.program, p.instrument, p.image_type, count(*) AS products,
      max(h.expected) AS expected, min(h.held_at) AS held_at, min(h.answers) AS answers
    FROM held_withdrawals h JOIN products p ON p.id = h.product
    GROUP BY h.program, p.instrument, p.image_type
    ORDER BY h.program, p.instrument, p.image_type
    """

    def held(self) -> list[HeldWithdrawal]:
        """Return what is held in doubt, by program, camera and type."""
        return self._connection.read(_held_of, self._HELD)


def _held_of(row: dict[str, Any]) -> HeldWithdrawal:
    return HeldWithdrawal(
        subject=Subject(
            row["program"], Instrument(row["instrument"]), ImageType(row["image_type"])
        ),
        products=row["products"],
        expected=row["expected"],
        since=datetime.fromisoformat(row["held_at"]),
        answers=row["answers"],
    )
