"""Questions to a mirror in plain words, and what the catalog understands."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, TypeVar

from winter_sync.api.places import SkyPosition, Where, find_place
from winter_sync.catalog import Search, UserState
from winter_sync.core import Cone, ErrorCode, ImageType, Instrument, Night, Rectangle, UsageError
from winter_sync.science import (
    parse_cone,
    parse_instant,
    parse_night,
    parse_position,
    parse_rectangle,
    split_cone,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from winter_sync.catalog import Catalog
    from winter_sync.core import Position

Word = TypeVar("Word", ImageType, Instrument, UserState)

Words = str | Iterable[str] | None
"""One word, several, or no condition."""
NightLike = str | int | date | Night
"""A night: "20240211", "2024-02-11", "yesterday", "-7d", a number or a date."""
InstantLike = str | datetime
"""An instant: "2024-02-11T05:30", "2024-02-11", "yesterday", "-12h"; UTC without a zone."""
ConeLike = (
    str | Cone | tuple[str | SkyPosition | tuple[float, float], float] | tuple[float, float, float]
)
"""A circle: "RA,DEC,RADIUS", "TARGET,RADIUS", (ra, dec, radius) or (position, radius), degrees."""
RectangleLike = str | Rectangle | tuple[float, float, float, float]
"""A rectangle: "RA1,RA2,DEC1,DEC2" or these numbers, in degrees, eastwards from RA1 to RA2."""

_NEAREST = 3


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a mirror, in plain words; see `Mirror.find`."""

    program: Words = None
    target: Words = None
    cone: ConeLike | list[ConeLike] | None = None
    rectangle: RectangleLike | list[RectangleLike] | None = None
    image_type: Words = None
    instrument: Words = None
    night: NightLike | Iterable[NightLike] | None = None
    first_night: NightLike | None = None
    last_night: NightLike | None = None
    filter: Words = None
    state: Words = None
    new_since: InstantLike | None = None
    limit: int | None = None
    newest_first: bool = False

    def search(self, catalog: Catalog | None, now: datetime) -> Search:
        """Return what the catalog understands.

        Parameters
        ----------
        catalog
            Knows the names of programs, and of targets and where they are. Without one any name
            may be right, and a cone is around a position.
        now
            What "yesterday" and "-7d" are counted from.

        Raises
        ------
        UsageError
            If something makes no sense, or there is no such program or target.
        """
        programs, targets = as_words(self.program), as_words(self.target)
        if catalog is not None:
            refuse_unknown_programs(catalog, programs)
            refuse_unknown_targets(catalog, targets)
        since = None if self.new_since is None else as_instant(self.new_since, now)
        search = Search(
            programs=programs,
            targets=targets,
            cones=_cones(catalog, self.cone),
            rectangles=_rectangles(self.rectangle),
            image_types=_known(ImageType, self.image_type, "image type"),
            instruments=_known(Instrument, self.instrument, "instrument"),
            nights=as_nights(self.night, now),
            first_night=None if self.first_night is None else as_night(self.first_night, now),
            last_night=None if self.last_night is None else as_night(self.last_night, now),
            filters=as_words(self.filter),
            states=_known(UserState, self.state, "state"),
            downloaded_since=since,
            limit=self.limit,
            newest_first=self.newest_first,
        )
        refuse_empty_span(search.first_night, search.last_night)
        return search


def as_night(night: NightLike, now: datetime) -> Night:
    """Return a night, however it was given; that of `now` is today's.

    Raises
    ------
    UsageError
        If it is not a night.
    """
    match night:
        case Night():
            return night
        case datetime():
            return Night.at(_with_zone(night))
        case date():
            return Night.of(night)
        case _:
            return parse_night(str(night), now)


def as_instant(instant: InstantLike, now: datetime) -> datetime:
    """Return an instant with its zone, however it was given.

    Raises
    ------
    UsageError
        If it is not an instant.
    """
    return parse_instant(instant, now) if isinstance(instant, str) else _with_zone(instant)


def as_past_instant(instant: InstantLike, now: datetime) -> datetime:
    """Return an instant that is not after `now`; see `as_instant`.

    Raises
    ------
    UsageError
        If it is not an instant, or in the future, of which nothing is known.
    """
    past = as_instant(instant, now)
    if past > now:
        raise UsageError(
            f"{past:%Y-%m-%d %H:%M} UTC is in the future; nobody knows what will be here",
            remedy="Write an instant that has passed: 2024-02-11, yesterday, -7d or now.",
            code=ErrorCode.USE_NIGHT,
        )
    return past


def _with_zone(instant: datetime) -> datetime:
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def as_words(words: Words) -> tuple[str, ...]:
    """Return the words of a condition; none if there is no condition."""
    if words is None:
        return ()
    return (words,) if isinstance(words, str) else tuple(words)


def as_nights(nights: NightLike | Iterable[NightLike] | None, now: datetime) -> tuple[Night, ...]:
    """Return nights, however they were given; none if there is no condition.

    Raises
    ------
    UsageError
        If one is not a night.
    """
    if nights is None:
        return ()
    if isinstance(nights, str | int | date | Night):
        return (as_night(nights, now),)
    return tuple(as_night(night, now) for night in nights)


def _known(words: type[Word], given: Words, what: str) -> tuple[Word, ...]:
    by_name = {word.value: word for word in words}
    for name in as_words(given):
        if name not in by_name:
            raise UsageError(
                f"{name!r} is not a known {what}{_nearest(name, by_name)}",
                remedy=f"Use one or several of {', '.join(by_name)}.",
                code=ErrorCode.USE_OPTION,
            )
    return tuple(by_name[name] for name in as_words(given))


def _cones(catalog: Catalog | None, cones: ConeLike | list[ConeLike] | None) -> tuple[Cone, ...]:
    if cones is None:
        return ()
    if isinstance(cones, list):
        return tuple(as_cone(catalog, cone) for cone in cones)
    return (as_cone(catalog, cones),)


def as_cone(catalog: Catalog | None, cone: ConeLike) -> Cone:
    """Return a circle, however it was given.

    Raises
    ------
    UsageError
        If it is not one, or there is no such target.
    """
    if isinstance(cone, Cone):
        return cone
    if isinstance(cone, str):
        where, radius = split_cone(cone)
        return Cone(*_center(catalog, where), radius)
    if len(cone) == 2:  # noqa: PLR2004 - a position and a radius
        return as_cone(catalog, (*_center(catalog, cone[0]), cone[1]))
    return parse_cone(_joined(cone))


def _center(catalog: Catalog | None, where: Where) -> Position:
    return parse_position(str(where)) if catalog is None else find_place(catalog, where).position


def _rectangles(
    rectangles: RectangleLike | list[RectangleLike] | None,
) -> tuple[Rectangle, ...]:
    if rectangles is None:
        return ()
    if isinstance(rectangles, list):
        return tuple(map(as_rectangle, rectangles))
    return (as_rectangle(rectangles),)


def as_rectangle(rectangle: RectangleLike) -> Rectangle:
    """Return a rectangle, however it was given.

    Raises
    ------
    UsageError
        If it is not one, or has no area.
    """
    if isinstance(rectangle, Rectangle):
        return rectangle
    if isinstance(rectangle, str):
        return parse_rectangle(rectangle)
    return parse_rectangle(_joined(rectangle))


def _joined(numbers: Iterable[float]) -> str:
    """Write numbers as people do, without exponents."""
    return ",".join(f"{float(number):.12f}" for number in numbers)


def refuse_unknown_programs(catalog: Catalog, programs: Sequence[str]) -> None:
    """Refuse programs that no product was ever listed for.

    Raises
    ------
    UsageError
        If there is one.
    """
    if not programs:
        return
    known = catalog.searches.programs()
    for name in programs:
        if name not in known:
            raise UsageError(
                f"no product of program {name} was ever listed in this mirror",
                remedy=f"Programs in this mirror: {', '.join(known) or 'none yet'}.",
                code=ErrorCode.USE_PROGRAM,
            )


def refuse_unknown_targets(catalog: Catalog, targets: Sequence[str]) -> None:
    """Refuse names of targets that no product was ever listed or observed for.

    Raises
    ------
    UsageError
        If there is one.
    """
    for name in targets:
        if not catalog.searches.is_target(name):
            raise UsageError(
                f"this mirror knows no target {name!r}{_nearest(name, catalog.searches.targets())}",
                remedy='A star stands for any text: "ZTF24*". To search by position, use a cone.',
                code=ErrorCode.USE_TARGET,
            )


def _nearest(name: str, known: Iterable[str]) -> str:
    """Return the end of a sentence about a name that is not known: those that are most like it."""
    by_lower = {each.lower(): each for each in known}
    close = difflib.get_close_matches(name.lower(), list(by_lower), n=_NEAREST, cutoff=0.5)
    return f"; did you mean {' or '.join(by_lower[each] for each in close)}?" if close else ""


def refuse_empty_span(first: Night | None, last: Night | None) -> None:
    """Refuse a span of nights that ends before it begins.

    Raises
    ------
    UsageError
        If it does.
    """
    if first is not None and last is not None and last < first:
        raise UsageError(
            f"the first night, {first}, is after the last, {last}",
            remedy="Swap them.",
            code=ErrorCode.USE_NIGHT,
        )
