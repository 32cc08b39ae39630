"""What the command line may choose of a simulated observatory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from winter_sync.simulator.faults.kinds import utc_now
from winter_sync.simulator.observatory.accounts import DEFAULT_PROGRAMS
from winter_sync.simulator.observatory.clock import SimulatedClock
from winter_sync.simulator.observatory.observatory import TINY_SCALE, Observatory, settled
from winter_sync.simulator.observatory.universe import (
    DEFAULT_NIGHTS,
    DEFAULT_SEED,
    Universe,
    campaigns_of,
    default_sky,
)
from winter_sync.simulator.packing.zips import ZipStyle

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from winter_sync.core import Night
    from winter_sync.simulator.faults.script import Script

_GONE_FRACTION = 0.05


@dataclass(frozen=True, slots=True)
class SimulatorOptions:
    """The settings of a simulator that runs by itself.

    Parameters
    ----------
    host, port
        Where to listen; the real client's local mode expects port 7000.
    seed, nights, programs, gone_fraction, products_a_night
        What was observed; see `Universe`. The first program observes with WINTER, the others
        with both cameras. If none of the last four is given, there is what `default_sky` has;
        if some are, the nights that are not given are `DEFAULT_NIGHTS`.
    scale
        Of the image edges, 0 to 1; 1 is the real detectors.
    zip_style
        How downloads are written.
    start
        The simulated time at the start. If not given, the real time, as a client with the
        machine's own clock expects; later if not all given nights have settled by then.
    rate
        Simulated seconds a real second.
    delay
        Seconds the archive thinks about each call.
    cache
        A directory for packed members, worth having at full scale.
    faults
        What is to go wrong.
    """

    host: str = "127.0.0.1"
    port: int = 7000
    seed: int = DEFAULT_SEED
    nights: tuple[Night, ...] | None = None
    programs: tuple[str, ...] = DEFAULT_PROGRAMS
    gone_fraction: float | None = None
    products_a_night: int | None = None
    scale: float = TINY_SCALE
    zip_style: ZipStyle = field(default_factory=ZipStyle)
    start: datetime | None = None
    rate: float = 1.0
    delay: float = 0.0
    cache: Path | None = None
    faults: Script | None = None

    def observatory(self) -> Observatory:
        """Build the observatory these options describe."""
        if self._is_default:
            now = self.start or utc_now()
            clock = SimulatedClock(now, rate=self.rate)
            return Observatory(default_sky(now, self.seed), clock=clock, scale=self.scale)
        nights = self.nights or DEFAULT_NIGHTS
        universe = Universe(
            nights=nights,
            campaigns=campaigns_of(self.programs),
            seed=self.seed,
            gone_fraction=_GONE_FRACTION if self.gone_fraction is None else self.gone_fraction,
            products_a_night=self.products_a_night,
        )
        clock = SimulatedClock(self.start or max(utc_now(), settled(nights)), rate=self.rate)
        return Observatory(universe, clock=clock, scale=self.scale)

    @property
    def _is_default(self) -> bool:
        given = self.nights, self.products_a_night, self.gone_fraction
        return given == (None, None, None) and self.programs == DEFAULT_PROGRAMS
