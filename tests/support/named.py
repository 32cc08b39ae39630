"""Products, rows and candidates that tests tell apart by name: one night of one program."""

from __future__ import annotations

from datetime import date

from winter_sync.core.downloads import Candidate
from winter_sync.core.marks import Marks
from winter_sync.core.products import KnownProduct, Night, Product, Row, State
from winter_sync.core.queries import Subject
from winter_sync.core.traits import ImageType, Instrument
from winter_sync.sync.batching import ALONE, batch_limit

PROGRAM = "2024A000"


OTHER_PROGRAM = "2024B111"


NIGHT = Night("20240211")


SUBJECT = Subject(PROGRAM, Instrument.WINTER, ImageType.STACK)


TODAY = date(2024, 2, 12)


OLD = Marks("2024-02-12T00:00:00", "0.9")


NEW = Marks("2024-02-13T00:00:00", "0.9")


def product(
    name: str = "a.fits",
    image_type: ImageType = ImageType.STACK,
    instrument: Instrument = Instrument.WINTER,
) -> Product:
    """Return a product; the name may have directories."""
    return Product(instrument, f"/{NIGHT}/{name}", image_type, NIGHT)


def row(of: Product, marks: Marks = OLD, program: str = PROGRAM) -> Row:
    """Return the listing of a product with these marks."""
    return Row(of, program, lastmodified=marks.lastmodified, pipeversion=marks.pipeversion)


def known(
    of: Product, state: State = State.PUBLISHED, marks: Marks = OLD, *, withdrawn: bool = False
) -> KnownProduct:
    """Return what the catalog knows of a product."""
    return KnownProduct(of, state, marks, withdrawn=withdrawn)


def candidate(
    of: Product, *, program: str = PROGRAM, attempts: int = 0, size: int = 10_000_000
) -> Candidate:
    """Return a product that may be fetched."""
    return Candidate(of, program, of.savepath, attempts, OLD, size)


def check_batch(chosen: tuple[Candidate, ...]) -> None:
    """Make sure that products may travel in one request."""
    kinds = {
        (queued.program, queued.product.instrument, queued.product.image_type, queued.attempts)
        for queued in chosen
    }
    names = [queued.product.filename for queued in chosen]
    assert len(kinds) == 1
    assert len(names) == len(set(names))
    assert len(chosen) <= batch_limit(chosen[0].attempts)
    assert len(chosen) == 1 or sum(queued.expected_size for queued in chosen) <= ALONE.largest
