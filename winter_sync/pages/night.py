"""One night: what of it is here, its visits, how deep and sharp it was, and its products."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from winter_sync.catalog import Scope, Search
from winter_sync.core import ErrorCode, ImageType, Instrument, Numbers, UsageError
from winter_sync.monitoring import all_here
from winter_sync.pages.links import product_link
from winter_sync.pages.paging import part_asked
from winter_sync.pages.plots import Point, make_plot
from winter_sync.pages.words import said_of_numbers
from winter_sync.science import visits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from winter_sync.catalog import Catalog, FoundProduct, KindOfNight, SettledNight
    from winter_sync.core import Night
    from winter_sync.pages.context import PageContext
    from winter_sync.pages.paging import Part
    from winter_sync.pages.plots import Plot
    from winter_sync.science import Visit

_PRODUCTS = 100
_POINTS = 1000
_CAMERAS = list(Instrument)
_TYPES = list(ImageType)
_ALWAYS_SHOWN = frozenset({"here", "listed"})
_COLUMNS = ("here", "listed", "pending", "failing", "missing", "damaged", "not kept", "withdrawn")
_OF_CAMERA = (ImageType.EXPOSURE, ImageType.RAW)
_MEASURED = (ImageType.STACK, ImageType.SCIENCE, ImageType.RAW, ImageType.EXPOSURE)
"""Of these the first that the night has measures of is plotted."""


@dataclass(frozen=True, slots=True)
class KindRow:
    """How many products of one kind a program lists of a night, as a line of a table.

    Parameters
    ----------
    program, kind
        Which program, and which camera and type.
    numbers
        Those in the columns that all kinds have, and in the other columns.
    """

    program: str
    kind: str
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class KindTable:
    """The products of a night by program, camera and type; a column that would be empty is not."""

    columns: tuple[str, ...]
    rows: tuple[KindRow, ...]


def kind_table(kinds: Iterable[KindOfNight]) -> KindTable:
    """Return the table of the kinds of a night, types in the order of the pipeline."""
    lines = [(kind, _numbers(kind)) for kind in sorted(kinds, key=_place)]
    columns = tuple(
        column
        for column in _COLUMNS
        if column in _ALWAYS_SHOWN or any(numbers[column] for _, numbers in lines)
    )
    rows = tuple(
        KindRow(
            kind.program,
            f"{kind.count.instrument.upper()} {kind.count.image_type}",
            tuple(numbers[column] for column in columns),
        )
        for kind, numbers in lines
    )
    return KindTable(columns, rows)


def _numbers(kind: KindOfNight) -> dict[str, int]:
    numbers = Numbers.of([kind.count])
    return {
        "here": numbers.here,
        "listed": numbers.listed,
        "pending": numbers.pending,
        "failing": kind.failing,
        "missing": numbers.missing,
        "damaged": numbers.damaged,
        "not kept": numbers.not_kept,
        "withdrawn": kind.count.withdrawn,
    }


def _place(kind: KindOfNight) -> tuple[str, int, int]:
    """Return where a kind stands."""
    count = kind.count
    return kind.program, _CAMERAS.index(count.instrument), _TYPES.index(count.image_type)


@dataclass(frozen=True, slots=True)
class NightPage:
    """What the page of a night shows.

    Parameters
    ----------
    night, older, newer
        The night, and those beside it that have products.
    said
        How much of it is here, in words.
    is_all_here
        Whether it may be said that all that is listed of it is here.
    kinds
        How many products each program lists, by camera and type.
    settled
        For which programs it is settled, and since when.
    visits
        What was observed, as far as headers say it.
    plots
        Depth and seeing along the night.
    measured
        The images that the plots show, as a table; the part of it that is shown.
    image_type
        Only these products are listed; None for all.
    image_types
        The types that the night has.
    products, part
        The products, in order of time, in parts.
    """

    night: Night
    older: Night | None
    newer: Night | None
    said: str
    is_all_here: bool
    kinds: KindTable
    settled: Sequence[SettledNight]
    visits: Sequence[Visit]
    plots: tuple[Plot, ...]
    measured: Sequence[FoundProduct]
    image_type: ImageType | None
    image_types: tuple[ImageType, ...]
    products: Sequence[FoundProduct]
    part: Part


def read_night_page(
    catalog: Catalog,
    context: PageContext,
    night: Night,
    query: Mapping[str, str],
    now: datetime,
) -> NightPage:
    """Read what the page of a night shows, at one moment.

    Raises
    ------
    UsageError
        If nothing is known of the night, or the query names no type.
    StorageError
        If the catalog cannot be read.
    """
    programs = context.programs(catalog)
    with catalog.snapshot():
        scope = Scope(programs, first_night=night, last_night=night)
        counts = catalog.views.night_counts(scope)
        if not counts:
            raise UsageError(
                f"nothing is listed of the night {night.day.isoformat()}",
                code=ErrorCode.PAGE_NOT_FOUND,
            )
        numbers = Numbers.of(counts)
        is_all_here = all_here(numbers, catalog.polls.states(context.subjects, night))
        queue = catalog.views.queue_count(programs, night)
        image_type = type_asked(query)
        found = catalog.searches.numbers(_search(night, image_type))
        part = part_asked(query, len(found), _PRODUCTS)
        measured = _measured(catalog, night)
        return NightPage(
            night=night,
            older=next(iter(catalog.views.nights(1, night)), None),
            newer=catalog.views.night_after(night),
            said=said_of_numbers(numbers, queue, now, may_say_all=is_all_here),
            is_all_here=is_all_here,
            kinds=kind_table(catalog.nights.kinds(night, programs)),
            settled=[each for each in catalog.nights.settled(programs) if each.night == night],
            visits=_visits(catalog, night),
            plots=plots_of(measured),
            measured=measured,
            image_type=image_type,
            image_types=tuple(
                kind for kind in ImageType if any(count.image_type is kind for count in counts)
            ),
            products=catalog.searches.found(found[part.begin : part.end]),
            part=part,
        )


def type_asked(query: Mapping[str, str]) -> ImageType | None:
    """Return the type that the field `type` of a query names; None for all.

    Raises
    ------
    UsageError
        If there is no such type.
    """
    text = query.get("type", "").strip()
    try:
        return ImageType(text) if text else None
    except ValueError:
        raise UsageError(
            f"{text!r} is not an image type",
            remedy=f"Choose one of {', '.join(ImageType)}.",
            code=ErrorCode.PAGE_NOT_FOUND,
        ) from None


def _search(night: Night, image_type: ImageType | None) -> Search:
    return Search(nights=(night,), image_types=() if image_type is None else (image_type,))


def _visits(catalog: Catalog, night: Night) -> list[Visit]:
    search = Search(nights=(night,), image_types=_OF_CAMERA)
    return visits(catalog.exports.datasets(catalog.searches.numbers(search)))


def _measured(catalog: Catalog, night: Night) -> list[FoundProduct]:
    """Return the images whose depth or seeing is known, of the most processed type that has any."""
    for image_type in _MEASURED:
        search = Search(nights=(night,), image_types=(image_type,), limit=_POINTS)
        if measured := measured_of(catalog.searches.search(search)):
            return measured
    return []


def measured_of(products: Iterable[FoundProduct]) -> list[FoundProduct]:
    """Return the images whose time, and depth or seeing, are known."""
    return [
        found
        for found in products
        if found.started_at is not None
        and (found.limiting_magnitude is not None or found.seeing is not None)
    ]


def plots_of(products: Sequence[FoundProduct]) -> tuple[Plot, ...]:
    """Return the plots of depth and seeing of images, by filter; those that have any points."""
    depth = make_plot(
        "depth",
        "Limiting magnitude (5 sigma)",
        "mag AB",
        _points(products, lambda found: found.limiting_magnitude),
    )
    seeing = make_plot("seeing", "Seeing", "arcsec", _points(products, lambda found: found.seeing))
    return tuple(plot for plot in (depth, seeing) if plot is not None)


def _points(
    products: Sequence[FoundProduct], value_of: Callable[[FoundProduct], float | None]
) -> list[Point]:
    return [
        Point(found.started_at, value, found.filter or "?", link=product_link(found.path))
        for found in products
        if (value := value_of(found)) is not None and found.started_at is not None
    ]
