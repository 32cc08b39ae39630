"""The simulated archive follows its clock, and changes on request."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from winter_sync.core.traits import ImageType, Instrument
from winter_sync.simulator import DEMO_NIGHT, Observatory, SimulatedClock, demo_universe

if TYPE_CHECKING:
    from winter_sync.core.products import Night

PROGRAM = "2024A000"
NOON = datetime(2025, 10, 24, 19, tzinfo=UTC)


def stacks(observatory: Observatory) -> list[str]:
    """Return the savepaths of the first program's listed stacks."""
    listed = observatory.products(PROGRAM, Instrument.WINTER, ImageType.STACK)
    return [product.savepath for product in listed]


def test_clock_stands_still_until_driven() -> None:
    """Without a rate only set and advance move it."""
    clock = SimulatedClock(NOON, source=lambda: 1e9)
    assert clock.now() == NOON
    clock.advance(timedelta(hours=1))
    assert clock.now() == NOON + timedelta(hours=1)
    clock.set(NOON)
    assert clock.now() == NOON


def test_clock_follows_real_time_scaled() -> None:
    """With a rate it runs with the source, also after it was driven."""
    real = [100.0]
    clock = SimulatedClock(NOON, rate=60.0, source=lambda: real[0])
    real[0] += 2.0
    assert clock.now() == NOON + timedelta(minutes=2)
    clock.advance(timedelta(hours=1))
    real[0] += 1.0
    assert clock.now() == NOON + timedelta(hours=1, minutes=3)


def test_clock_wants_a_zone() -> None:
    """A time without a zone is refused."""
    with pytest.raises(ValueError, match="time zone"):
        SimulatedClock(datetime(2025, 10, 24, 12))  # noqa: DTZ001 - what is refused


def test_products_appear_over_the_day() -> None:
    """Hour by hour the listing grows, to all of the night; nothing is there at dusk."""
    clock = SimulatedClock(datetime(2025, 10, 24, 1, tzinfo=UTC))
    observatory = Observatory(demo_universe(), clock=clock)
    counts, seen = [], set[str]()
    for _ in range(24 * 5):
        listed = {product.savepath for product in observatory.products()}
        assert seen <= listed
        seen = listed
        counts.append(len(listed))
        clock.advance(timedelta(hours=1))
    assert counts[0] == 0
    assert len(set(counts)) > 8
    assert counts[-1] == len(list(observatory.universe.holdings()))


def test_lastmodified_is_set_when_the_night_is_ingested() -> None:
    """An exposure is listed without it at first; some visits never have it."""
    clock = SimulatedClock(NOON)
    observatory = Observatory(demo_universe(), clock=clock)
    exposures = observatory.entries(None, None, ImageType.EXPOSURE)
    first = min(exposures, key=lambda entry: entry.holding.listed_at)
    assert observatory.row(first, PROGRAM)["lastmodified"] is not None
    clock.set(first.holding.listed_at)
    row = observatory.row(first, PROGRAM)
    assert (row["lastmodified"], row["pipeversion"]) == (None, None)
    clock.set(NOON)
    told = {observatory.row(entry, PROGRAM)["lastmodified"] is None for entry in exposures}
    assert told == {True, False}


def test_gone_science_was_there_before() -> None:
    """A science image that is deleted was available until its stack was made."""
    observatory = Observatory(demo_universe())
    now = observatory.clock.now()
    gone = [entry for entry in observatory.entries() if entry.gone(now)]
    assert gone
    for entry in gone:
        observatory.clock.set(entry.holding.listed_at)
        product = entry.product
        ask = (entry.program, product.instrument, product.image_type, product.savepath)
        assert observatory.available(*ask) is entry
        observatory.clock.set(now)
        assert observatory.available(*ask) is None
        assert product in observatory.products()


@pytest.mark.parametrize("night", [DEMO_NIGHT, DEMO_NIGHT.name])
def test_reprocess_changes_the_night(observatory: Observatory, night: Night | str) -> None:
    """Reduced products get a new content; all rows of the night say it was reprocessed."""
    before = {entry.product: entry.revision for entry in observatory.entries()}
    exposure = observatory.entries(PROGRAM, Instrument.WINTER, ImageType.EXPOSURE)[0]
    row = observatory.row(exposure, PROGRAM)
    remade = observatory.reprocess(night)
    assert {product.image_type for product in remade} == {
        ImageType.SCIENCE,
        ImageType.STACK,
        ImageType.DIFF,
        ImageType.AVRO,
    }
    for entry in observatory.entries():
        assert entry.revision - before[entry.product] == (entry.product in remade)
        told = observatory.row(entry, PROGRAM)
        assert told["lastmodified"] == observatory.clock.now().isoformat()
    again = observatory.row(exposure, PROGRAM)
    assert (row["pipeversion"], again["pipeversion"]) == ("0.19.0", "0.19.1")


def test_reprocess_leaves_other_nights_alone(observatory: Observatory) -> None:
    """Nothing happens to a night that was not named."""
    assert observatory.reprocess("20240211") == []


def test_rerun_is_not_reported(observatory: Observatory) -> None:
    """A stack made anew has another content and the same row."""
    (product, *_) = observatory.products(PROGRAM, Instrument.WINTER, ImageType.STACK)
    entry = observatory.entry(*product.identity)
    row, digest = observatory.row(entry, PROGRAM), observatory.digest(*product.identity)
    observatory.rerun(product)
    assert observatory.row(entry, PROGRAM) == row
    assert observatory.digest(*product.identity) != digest


def test_withdraw_and_relist(observatory: Observatory) -> None:
    """A withdrawn product is neither listed nor served, until it comes back."""
    (product, *_) = observatory.products(PROGRAM, Instrument.WINTER, ImageType.STACK)
    ask = (PROGRAM, product.instrument, product.image_type, product.savepath)
    before = stacks(observatory)
    observatory.withdraw(product)
    assert stacks(observatory) == before[1:]
    assert observatory.available(*ask) is None
    observatory.relist(product)
    assert stacks(observatory) == before
    assert observatory.available(*ask) is not None


def test_remove_and_restore_file(observatory: Observatory) -> None:
    """A deleted file is still listed but not served, until it is put back."""
    (product, *_) = observatory.products(PROGRAM, Instrument.WINTER, ImageType.STACK)
    ask = (PROGRAM, product.instrument, product.image_type, product.savepath)
    observatory.remove_file(product)
    assert product.savepath in stacks(observatory)
    assert observatory.available(*ask) is None
    observatory.restore_file(product)
    assert observatory.available(*ask) is not None


def test_rename(observatory: Observatory) -> None:
    """A renamed stack is listed under its new name only, and served."""
    (product, *_) = observatory.products(PROGRAM, Instrument.WINTER, ImageType.STACK)
    before = stacks(observatory)
    renamed = observatory.rename(product)
    assert set(stacks(observatory)) == {*before, renamed.savepath} - {product.savepath}
    ask = (PROGRAM, product.instrument, product.image_type)
    assert observatory.available(*ask, product.savepath) is None
    assert observatory.available(*ask, renamed.savepath) is not None
    assert observatory.content(*renamed.identity) != observatory.content(*product.identity)


def test_only_what_combines_several_exposures_is_renamed(observatory: Observatory) -> None:
    """Other products, and stacks named after the last dither, keep their names."""
    (raw, *_) = observatory.products(PROGRAM, Instrument.WINTER, ImageType.RAW)
    with pytest.raises(ValueError, match="cannot be named"):
        observatory.rename(raw)
    (stack, *_) = observatory.products(PROGRAM, Instrument.WINTER, ImageType.STACK)
    for _ in range(3):
        stack = observatory.rename(stack)
    with pytest.raises(ValueError, match="cannot be named"):
        observatory.rename(stack)


def test_listed_under_two_programs(observatory: Observatory) -> None:
    """A product may be listed, and served, under a second program too."""
    (product, *_) = observatory.products(PROGRAM, Instrument.WINTER, ImageType.STACK)
    observatory.list_also_under(product, "2025B001")
    for program in (PROGRAM, "2025B001"):
        assert product in observatory.products(program)
        entry = observatory.available(
            program, product.instrument, product.image_type, product.savepath
        )
        assert entry is not None
        assert observatory.row(entry, program)["progname"] == program


def test_program_and_target_are_corrected(observatory: Observatory) -> None:
    """A corrected row moves to its new program and target."""
    (product, *_) = observatory.products(PROGRAM, Instrument.WINTER, ImageType.STACK)
    observatory.correct(product, program="2025B001", target="SN2025new")
    assert product not in observatory.products(PROGRAM)
    entry = observatory.entry(*product.identity)
    assert product in observatory.products("2025B001")
    assert observatory.row(entry, "2025B001")["targname"] == "SN2025new"


def test_unknown_products_are_reported(observatory: Observatory) -> None:
    """What the archive never holds has no content."""
    with pytest.raises(KeyError):
        observatory.content("winter", "/data/loki/nothing.fits")
