"""Which nights were observed for whom: the whole holdings of a simulated archive, by seed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from winter_sync.core import ImageType, Instrument, Night
from winter_sync.simulator.observatory.accounts import DEFAULT_PROGRAMS
from winter_sync.simulator.observatory.holdings import Holding, holdings_of
from winter_sync.simulator.observatory.notebook import (
    DOWNLOAD_PROGRAM,
    NOTEBOOK_NIGHTS,
    NOTEBOOK_PROGRAM,
    notebook_holdings,
)
from winter_sync.simulator.observatory.observing import Campaign, observe

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

DEFAULT_SEED = 20240211
DEMO_NIGHT = Night("20251023")
"""A night in summer time on which both default programs and both cameras observe."""
DEFAULT_NIGHTS = (Night("20240211"), Night("20240212"), DEMO_NIGHT)

_RECENT_NIGHTS = 3
_RECENT_PROGRAM = DEFAULT_PROGRAMS[1]
_GONE_SCIENCE = 0.9
"""Of the science images that are listed; the pipeline deletes them as a rule."""


@dataclass(frozen=True, slots=True)
class Universe:
    """All that was ever observed.

    Parameters
    ----------
    nights
        The observed nights.
    campaigns
        What is observed in each of them.
    seed
        Everything else follows from it.
    gone_fraction
        The part of the science images that are listed though their file is gone, 0 to 1.
    products_a_night
        When given, each night is filled with visits and cut to exactly this number of products.
    has_notebook
        Whether there is also what the client's notebooks found; see `notebook`.
    """

    nights: tuple[Night, ...] = DEFAULT_NIGHTS
    campaigns: tuple[Campaign, ...] = field(default_factory=lambda: campaigns_of(DEFAULT_PROGRAMS))
    seed: int = DEFAULT_SEED
    gone_fraction: float = 0.05
    products_a_night: int | None = None
    has_notebook: bool = False

    @property
    def all_nights(self) -> tuple[Night, ...]:
        """The observed nights and those of the notebook."""
        return (*NOTEBOOK_NIGHTS, *self.nights) if self.has_notebook else self.nights

    @property
    def programs(self) -> tuple[str, ...]:
        """The programs that observed, each once."""
        names = [each.program for each in self.campaigns]
        if self.has_notebook:
            names = [NOTEBOOK_PROGRAM, *names, DOWNLOAD_PROGRAM]
        return tuple(dict.fromkeys(names))

    def holdings(self) -> Iterator[Holding]:
        """Return every product of every night, in the order of the nights and their visits."""
        if self.has_notebook:
            yield from notebook_holdings(self.seed, self.gone_fraction)
        for night in self.nights:
            yield from self._night(night, _observing_on(night, self.campaigns))

    def _night(self, night: Night, campaigns: Sequence[Campaign]) -> Iterator[Holding]:
        if self.products_a_night is not None:
            campaigns = _enough(campaigns, self.products_a_night)
        held = [
            holding
            for visit in observe(night, campaigns, self.seed)
            for holding in holdings_of(visit, self.seed, self.gone_fraction)
        ]
        yield from held[: self.products_a_night]


def campaigns_of(programs: Sequence[str]) -> tuple[Campaign, ...]:
    """Return what programs observe: WINTER all of them, SPRING all but the first."""
    first, *others = programs
    campaigns = [Campaign(first, Instrument.WINTER, visits=2)]
    for program in others:
        campaigns.append(Campaign(program, Instrument.WINTER, visits=1))
        campaigns.append(Campaign(program, Instrument.SPRING, visits=4))
    return tuple(campaigns)


def default_sky(now: datetime, seed: int = DEFAULT_SEED) -> Universe:
    """Return what `simulate` shows at a time: what the notebooks found, and the nights before now.

    The last night is the one that ended last. SPRING has only what its pipeline has tables of.
    """
    last = Night.at(now).plus(-1)
    in_tables = (ImageType.RAW, ImageType.STACK, ImageType.DIFF)
    return Universe(
        nights=tuple(last.plus(day) for day in range(1 - _RECENT_NIGHTS, 1)),
        campaigns=(
            Campaign(_RECENT_PROGRAM, Instrument.WINTER, visits=2, has_outages=True),
            Campaign(_RECENT_PROGRAM, Instrument.SPRING, visits=4, image_types=in_tables),
        ),
        seed=seed,
        gone_fraction=_GONE_SCIENCE,
        has_notebook=True,
    )


def demo_universe(night: Night = DEMO_NIGHT, seed: int = DEFAULT_SEED) -> Universe:
    """Return one night of about 240 products: six types, two programs, two instruments."""
    return Universe(nights=(night,), seed=seed)


def sized_universe(
    nights: Sequence[Night],
    products_a_night: int,
    *,
    seed: int = DEFAULT_SEED,
    campaigns: Sequence[Campaign] | None = None,
) -> Universe:
    """Return nights with exactly the given number of products each."""
    universe = Universe(nights=tuple(nights), seed=seed, products_a_night=products_a_night)
    return replace(universe, campaigns=tuple(campaigns or universe.campaigns))


def _observing_on(night: Night, campaigns: Sequence[Campaign]) -> list[Campaign]:
    """Leave out programs that had not begun: each observes from the semester in its name."""
    return [each for each in campaigns if _semester(each.program) <= night.name[:6]]


def _semester(program: str) -> str:
    return program[:4] + ("08" if program[4] == "B" else "02")


def _enough(campaigns: Sequence[Campaign], products: int) -> list[Campaign]:
    """Raise the visits of all campaigns alike until there are enough products."""
    least = sum(each.visits * each.dithers * 2 for each in campaigns)
    factor = -(-products // max(least, 1))
    while factor > 1 and _at_least(campaigns, factor - 1) >= products:
        factor -= 1
    return [replace(each, visits=each.visits * factor) for each in campaigns]


def _at_least(campaigns: Sequence[Campaign], factor: int) -> int:
    return factor * sum(each.visits * _products_a_visit(each) for each in campaigns)


def _products_a_visit(campaign: Campaign) -> int:
    boards = len(campaign.boards)
    if campaign.instrument is Instrument.SPRING:
        return campaign.dithers * 3 + 3
    return campaign.dithers * (7 + boards) + 3 * boards
