"""What the images of a position amount to, in words: no more than was seen."""

from __future__ import annotations

from math import floor
from typing import TYPE_CHECKING

from winter_sync.api.places import show_position

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from winter_sync.api.coverage import Coverage, CoveringImage
    from winter_sync.catalog import Images, Unseen

_REASONS = (
    ("pending", "not downloaded yet"),
    ("missing", "without a file in the archive now"),
    ("damaged", "damaged on this machine"),
    ("unread", "downloaded, header not read yet"),
    ("without_footprint", "downloaded, without a WCS in the header"),
)
"""Why nobody knows whether an image shows a position, in the order in which it is said."""


def summary_of(coverage: Coverage) -> str:
    """Return the answer to where a position was observed, in one line."""
    asked, place = _asked(coverage.asked), _place(coverage)
    if coverage:
        return f"{place}: observed{asked}, {_described(coverage, coverage.deepest)}"
    if coverage.shallower and coverage.deeper_than is not None:
        shallower = _described(coverage.shallower, coverage.deepest_shallower)
        return f"{place}: observed{asked}, {_depth(coverage)}: {shallower}"
    never = f"not observed{asked}" if asked else "never observed"
    return f"{place}: {never} by any image on this machine"


def _place(coverage: Coverage) -> str:
    """Return what was asked about: a target with its position, which a name leaves open."""
    position = show_position(coverage.position)
    return position if coverage.name == position else f"{coverage.name} at {position}"


def unseen_in_words(unseen: Unseen, radius: float) -> str:
    """Return what else may show the position, in one line."""
    if not unseen.listed:
        return f"No image is listed within {radius:g} degree of it."
    parts = _gaps(unseen)
    if not parts:
        words = (
            f"All images listed within {radius:g} degree of it were downloaded "
            "and their sky is known"
        )
        return f"{words}{_but_not_kept(unseen.not_kept)}."
    return f"Unknown are images listed within {radius:g} degree of it: {'; '.join(parts)}."


def caveat_of(lost: int, unseen: Unseen | None, radius: float) -> str:
    """Return what was removed of a position's images, and what else may show it."""
    if not lost:
        return "" if unseen is None else unseen_in_words(unseen, radius)
    words = _lost_in_words(lost)
    if unseen is None or not _gaps(unseen):
        return words
    return f"{words} {unseen_in_words(unseen, radius)}"


def _gaps(unseen: Unseen) -> list[str]:
    return [f"{getattr(unseen, name)} {words}" for name, words in _REASONS if getattr(unseen, name)]


def _but_not_kept(count: int) -> str:
    if not count:
        return ""
    return f", but for {count} science image{'' if count == 1 else 's'} that the archive lacks"


def _lost_in_words(count: int) -> str:
    """Return what is said of images that show the position and whose files were removed."""
    files, them = (
        ("1 file of an image", "it") if count == 1 else (f"{count} files of images", "them")
    )
    return (
        f"{files} of it {'was' if count == 1 else 'were'} removed from this machine: "
        f"`winter-sync verify --repair` downloads {them} again."
    )


def _asked(images: Images) -> str:
    words = [f"in {' or '.join(images.filters)}"] if images.filters else []
    words += [f"since {images.since:%Y-%m-%d %H:%M}"] if images.since else []
    words += _nights(images)
    kinds = (*images.programs, *images.image_types, *images.instruments)
    words += [f"({', '.join(kinds)})"] if kinds else []
    return f" {' '.join(words)}" if words else ""


def _nights(images: Images) -> Iterator[str]:
    """Yield the words for the nights that were asked about."""
    if images.nights:
        names = sorted({night.name for night in images.nights})
        yield f"in the night{'' if len(names) == 1 else 's'} {', '.join(names)}"
    if images.first_night is not None:
        yield f"from the night {images.first_night}"
    if images.last_night is not None:
        yield f"up to the night {images.last_night}"


def _depth(coverage: Coverage) -> str:
    unknown = len({i.path for i in coverage.shallower if i.limiting_magnitude is None})
    known = f"shallower than {coverage.deeper_than:g}"
    return f"{known} ({unknown} of unknown depth)" if unknown else known


def _described(images: Iterable[CoveringImage], deepest: Mapping[str, CoveringImage]) -> str:
    every = list(images)
    count = len({image.path for image in every})
    nights = sorted({_day(image) for image in every})
    span = f"on {nights[0]}" if len(nights) == 1 else f"from {nights[0]} to {nights[-1]}"
    words = f"{count} image{'' if count == 1 else 's'} {span}"
    depths = ", ".join(_depths(deepest))
    return f"{words}, deepest {depths}" if depths else f"{words}, of unknown depth"


def _depths(deepest: Mapping[str, CoveringImage]) -> Iterator[str]:
    for name, image in deepest.items():
        # Never rounded up: "deepest 20.0" would contradict "shallower than 20".
        depth = floor((image.limiting_magnitude or 0.0) * 10.0 + 1e-9) / 10.0
        yield f"{name} {depth:.1f} on {_day(image)}"


def _day(image: CoveringImage) -> str:
    """Return the UTC date of an image, or its night where no time is known."""
    if image.started_at is not None:
        return f"{image.started_at:%Y-%m-%d}"
    return f"night {image.night}"
