"""Types that a camera's pipeline has no table of: refused or empty for ever, they cost no other."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from support.rig import EVERYTHING, Rig

from winter_sync.core import PollFailed, Retrying, ServerFailing, TypeNotServed
from winter_sync.core.errors import ExitCode
from winter_sync.core.products import Night
from winter_sync.core.traits import ImageType, Instrument
from winter_sync.factory import open_existing_catalog
from winter_sync.monitoring.status import read_last_night
from winter_sync.simulator import Observatory, SimulatedClock, Simulator, Universe

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from winter_sync.core import Event
    from winter_sync.core.products import Product

NIGHT = Night("20251022")
NOON = datetime(2025, 10, 23, 20, tzinfo=UTC)
"""When it is the last night, and most of it is in the archive."""
UNSERVED = (ImageType.EXPOSURE, ImageType.SCIENCE, ImageType.AVRO)


def served(observatory: Observatory) -> list[Product]:
    """Return what the archive lists of the types that it serves."""
    return [
        product
        for product in observatory.products()
        if product.image_type.for_camera(product.instrument).is_in_pipeline
    ]


def troubles(events: Iterable[Event]) -> list[Event]:
    """Return the events that say that something failed."""
    return [event for event in events if isinstance(event, PollFailed | Retrying | ServerFailing)]


@pytest.mark.parametrize("status", [422, 500, 404])
async def test_they_cost_no_other_type_anything(tmp_path: Path, status: int) -> None:
    """Everything else is mirrored and the exit code is 0; the last night is complete by status."""
    clock = SimulatedClock(NOON)
    observatory = Observatory(Universe(nights=(NIGHT,), gone_fraction=0), clock=clock)
    async with Simulator(observatory, unserved=status) as simulator:
        rig = Rig(simulator, tmp_path / "winter")
        for _ in range(2):
            report = await rig.sync()
            assert (report.exit_code, report.errors) == (ExitCode.DONE, ())
        report = await rig.backfill(NIGHT, NIGHT)
        assert (report.exit_code, report.errors) == (ExitCode.DONE, ())
        assert rig.files() == rig.truth(served(observatory))
        assert troubles(rig.events) == []
        assert rig.waits == []
        told = [event for event in rig.events if isinstance(event, TypeNotServed)]
        assert {event.query.subject.image_type for event in told} == set(UNSERVED)
        settings = rig.settings()
        async with open_existing_catalog(settings) as catalog:
            state = await read_last_night(catalog, settings.selections, clock.now())
        assert state.night == NIGHT
        assert state.is_complete


async def test_they_are_mirrored_if_the_archive_has_them_after_all(tmp_path: Path) -> None:
    """Once some were listed, they are types like all others: when they fail, that is reported."""
    observatory = Observatory(Universe(nights=(NIGHT,), gone_fraction=0))
    async with Simulator(observatory, unserved=422) as simulator:
        rig = Rig(simulator, tmp_path / "winter")
        rig.programs = [{"name": "2025B001", **EVERYTHING, "instruments": [Instrument.SPRING]}]
        await rig.sync()
        simulator.unserved = None
        report = await rig.sync()
        assert report.exit_code is ExitCode.DONE
        spring = observatory.products("2025B001", Instrument.SPRING)
        assert rig.files() == rig.truth(spring)
        simulator.unserved = 422
        report = await rig.sync()
        assert report.exit_code is ExitCode.SERVER_FAILING
