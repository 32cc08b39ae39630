"""What a backfill would download, of an archive that lists more than is read at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.lister import listing_of, poll_rig
from support.makers import NIGHT, PROGRAM, product
from support.rows_alive import RowsAlive

from winter_sync.core.queries import Part, Selection
from winter_sync.core.traits import ImageType, Instrument
from winter_sync.sync.dry_run import dry_run
from winter_sync.sync.windows import Nights

if TYPE_CHECKING:
    from pathlib import Path


async def test_more_rows_than_are_used_at_once_are_asked_for_by_dates(tmp_path: Path) -> None:
    """As the backfill itself does: each date is small enough, though no window is."""
    async with poll_rig(tmp_path, most_rows=4) as rig:
        for ago in range(6):
            night = NIGHT.plus(-ago)
            rig.lister.add(*(product(10 * ago + number, night=night) for number in range(3)))
        selection = Selection(PROGRAM, (ImageType.STACK,), (Instrument.WINTER,))
        nights = Nights(NIGHT.plus(-5), NIGHT)
        found = await dry_run(rig.api, None, [selection], nights, Part())
    assert found.failed == []
    assert (found.together.listed, found.together.to_fetch) == (18, 18)


async def test_no_more_rows_are_held_than_those_of_one_type_that_are_wanted(tmp_path: Path) -> None:
    """Those of other nights are let go of with their answer, and a type is counted at once."""
    types = (ImageType.STACK, ImageType.DIFF, ImageType.SCIENCE)
    async with poll_rig(tmp_path) as rig:
        for number in range(12):
            night = NIGHT.plus(-(number % 2))
            rig.lister.add(*(product(number, each, night=night) for each in types))
        alive = RowsAlive(rig)
        rig.lister.answer = lambda _, rows: alive.answer(listing_of(rows))
        selection = Selection(PROGRAM, types, (Instrument.WINTER,))
        found = await dry_run(rig.api, None, [selection], Nights(NIGHT, NIGHT), Part())
    assert found.together.listed == 3 * 6
    assert alive.counts == [0, 0, 0]
