"""Visits of a night: dither sets, and how much of each was seen by the headers of its images.

A visit is what one camera exposed without a break of one target in one filter for the same
programs. DITHNUM and NUMDITHS say how many exposures it should have (winter-api.md, "Header cards
by product"); nothing but the files of its other exposures says how many boards.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from winter_sync.core import ImageType, exposure_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from winter_sync.core import Dataset

_OF_CAMERA = (ImageType.EXPOSURE, ImageType.RAW)


@dataclass(frozen=True, slots=True)
class Visit:
    """A dither set, as far as it was seen.

    Parameters
    ----------
    instrument, programs, target, filter
        What was observed, for whom.
    first, last
        The UTC starts of its first and its last exposure.
    exposures
        How many exposures are known, from listed exposures and raw images.
    dithers
        The numbers of those of which a header was read, from 1.
    expected
        How many exposures the headers say the set has; None if they say nothing, or disagree.
    raw_exposures
        How many exposures have raw images here of any board.
    boards
        How many have one of each board.
    """

    instrument: str
    programs: tuple[str, ...]
    target: str | None
    filter: str | None
    first: datetime
    last: datetime
    exposures: int
    dithers: frozenset[int]
    expected: int | None
    raw_exposures: int
    boards: Mapping[int, int]

    @property
    def has_all_dithers(self) -> bool | None:
        """Whether every exposure was seen that the headers promise; None if that is not known."""
        if self.expected is None or not self.dithers:
            return None
        return self.dithers >= frozenset(range(1, self.expected + 1))

    @property
    def says(self) -> str:
        """What was seen of it, like "5 of 8 dithers, boards 1-6"."""
        parts = [self._says_dithers, *self._say_boards()]
        return ", ".join(part for part in parts if part)

    @property
    def _says_dithers(self) -> str:
        if self.expected is None or not self.dithers:
            plural = "" if self.exposures == 1 else "s"
            return f"{self.exposures} exposure{plural}, how many of the set is not known"
        seen = self.dithers & frozenset(range(1, self.expected + 1))
        return f"{len(seen)} of {self.expected} dithers"

    def _say_boards(self) -> list[str]:
        """Say which boards have raw images, and which of them not of every exposure."""
        if not self.boards:
            return []
        word = "board" if len(self.boards) == 1 else "boards"
        raws, exposures = self.raw_exposures, self.exposures
        of_some = f" of {raws} of {exposures} exposures" if raws < exposures else ""
        lacking = [
            f"board {board} lacking in {raws - count} of {raws}"
            for board, count in sorted(self.boards.items())
            if count < raws
        ]
        return [f"{word} {_spans(sorted(self.boards))}{of_some}", *lacking]


def _spans(numbers: Sequence[int]) -> str:
    """Return numbers like "1-3 5"."""
    breaks = [at for at, (one, next_) in enumerate(pairwise(numbers), 1) if next_ != one + 1]
    starts, ends = [0, *breaks], [*breaks, len(numbers)]
    spans = (numbers[start:end] for start, end in zip(starts, ends, strict=True))
    return " ".join(f"{span[0]}-{span[-1]}" if len(span) > 1 else f"{span[0]}" for span in spans)


@dataclass(frozen=True, slots=True)
class _Exposure:
    """All that is known of one exposure, from its own file and the raw images of its boards."""

    about: tuple[str, tuple[str, ...], str | None, str | None]
    """Camera, programs, target and filter."""
    started_at: datetime
    dither: int | None
    dithers: int | None
    boards: frozenset[int]


def visits(datasets: Iterable[Dataset]) -> list[Visit]:
    """Return the visits of a night, in the order of time, from its exposures and raw images."""
    together: defaultdict[tuple[str, datetime], list[Dataset]] = defaultdict(list)
    for dataset in datasets:
        # All files of an exposure have its start in their names; headers may be more precise.
        started = exposure_time(dataset.product.filename) or dataset.started_at
        if dataset.product.image_type in _OF_CAMERA and started is not None:
            together[dataset.product.instrument.value, started].append(dataset)
    groups: list[list[_Exposure]] = []
    for key in sorted(together):
        exposure = _exposure(key[1], together[key])
        if groups and _goes_on(groups[-1], exposure):
            groups[-1].append(exposure)
        else:
            groups.append([exposure])
    return sorted((_visit(group) for group in groups), key=lambda visit: visit.first)


def _exposure(started_at: datetime, datasets: Sequence[Dataset]) -> _Exposure:
    def known(name: str) -> int | None:
        values = (getattr(dataset.facts, name) for dataset in datasets)
        return next((value for value in values if value is not None), None)

    first = datasets[0]
    filters = (dataset.filter or dataset.facts.filter for dataset in datasets)
    targets = (dataset.target or dataset.facts.target for dataset in datasets)
    return _Exposure(
        about=(
            first.product.instrument.value,
            first.programs,
            next(filter(None, targets), None),
            next(filter(None, filters), None),
        ),
        started_at=started_at,
        dither=known("dither"),
        dithers=known("dithers"),
        boards=frozenset(
            dataset.facts.board
            for dataset in datasets
            if dataset.product.image_type is ImageType.RAW and dataset.facts.board is not None
        ),
    )


def _goes_on(visit: Sequence[_Exposure], exposure: _Exposure) -> bool:
    """Return whether an exposure belongs to the visit before it; a new set begins anew at 1."""
    last = visit[-1]
    if exposure.about != last.about:
        return False
    numbers = [each.dither for each in visit if each.dither is not None]
    return exposure.dither is None or not numbers or exposure.dither > numbers[-1]


def _visit(exposures: Sequence[_Exposure]) -> Visit:
    instrument, programs, target, filter_name = exposures[0].about
    expected = {each.dithers for each in exposures if each.dithers is not None}
    boards = sorted({board for each in exposures for board in each.boards})
    return Visit(
        instrument=instrument,
        programs=programs,
        target=target,
        filter=filter_name,
        first=exposures[0].started_at,
        last=exposures[-1].started_at,
        exposures=len(exposures),
        dithers=frozenset(each.dither for each in exposures if each.dither is not None),
        expected=expected.pop() if len(expected) == 1 else None,
        raw_exposures=sum(bool(each.boards) for each in exposures),
        boards={board: sum(board in each.boards for each in exposures) for board in boards},
    )
