"""Which images of the mirror show a position, and what nobody knows of it."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from operator import itemgetter
from typing import TYPE_CHECKING, overload

from winter_sync.api.coverage_columns import COVERAGE_COLUMNS, coverage_row
from winter_sync.api.coverage_words import caveat_of, summary_of
from winter_sync.api.products import MirrorProduct
from winter_sync.core import ErrorCode, ImageType, UsageError, was_removed

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from astropy.table import QTable
    from pandas import DataFrame

    from winter_sync.api.places import Place
    from winter_sync.catalog import Catalog, FoundImage, Images, Unseen
    from winter_sync.core import Footprint, Position

NEARBY = 1.0
"""Degrees from a listed pointing to a position that its images may show: more than the diagonal of
WINTER's field has from its centre."""


class CoveringImage(MirrorProduct):
    """An image that shows a position.

    Parameters
    ----------
    found
        What the catalog says of it.
    root
        The root of the tree, an absolute path.
    position
        The position, degrees.

    Attributes
    ----------
    footprint
        The part of the sky that it shows.
    sha256
        The digest of its file, as it was downloaded.
    mtime_ns
        The modification time of its file, in nanoseconds; None where it is not known.
    """

    __slots__ = ("_position", "footprint", "mtime_ns", "sha256")

    def __init__(self, found: FoundImage, root: Path, position: Position) -> None:
        super().__init__(found.found, root)
        self.footprint: Footprint = found.footprint
        self.sha256 = found.sha256
        self.mtime_ns = found.mtime_ns
        self._position = position

    @property
    def extension(self) -> int:
        """The HDU of the file that shows the position; 0 is the primary one."""
        return self.footprint.extension

    @property
    def edge_distance(self) -> float:
        """How far the position is from the nearest edge of the image, arcseconds."""
        return round(self.footprint.edge_distance(self._position) * 3600.0, 3)


class Coverage(Sequence[CoveringImage]):
    """The images that show a position, from the oldest.

    Parameters
    ----------
    place
        The position, and what it was called.
    images
        The images that show it and are as deep as was asked for.
    asked
        What images were asked for.
    unseen
        How many images near it nobody knows of whether they show it; None if some do.
    shallower
        Images that show it, too, but are not as deep as was asked for.
    deeper_than
        How deep that is, magnitudes; None if nothing was asked for.
    lost
        Images that show it, however deep, but their files were removed from the tree.
    """

    def __init__(  # noqa: PLR0913 - the parts of an answer
        self,
        place: Place,
        images: Iterable[CoveringImage],
        asked: Images,
        unseen: Unseen | None,
        *,
        shallower: Iterable[CoveringImage] = (),
        deeper_than: float | None = None,
        lost: Iterable[CoveringImage] = (),
    ) -> None:
        self.position = place.position
        self.name = place.name
        self.asked = asked
        self.unseen = unseen
        self.shallower = tuple(shallower)
        self.deeper_than = deeper_than
        self.lost = tuple(lost)
        self._images = tuple(images)

    def __len__(self) -> int:
        return len(self._images)

    @overload
    def __getitem__(self, index: int) -> CoveringImage: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[CoveringImage, ...]: ...

    def __getitem__(self, index: int | slice) -> CoveringImage | tuple[CoveringImage, ...]:
        return self._images[index]

    @property
    def paths(self) -> list[Path]:
        """The files, each once."""
        return list(dict.fromkeys(image.path for image in self._images))

    @property
    def deepest(self) -> dict[str, CoveringImage]:
        """The image with the faintest limiting magnitude of each filter, the deepest filter first.

        Images whose header says none are left out.
        """
        return deepest_of(self._images)

    @property
    def deepest_shallower(self) -> dict[str, CoveringImage]:
        """The same of the images that are not as deep as was asked for."""
        return deepest_of(self.shallower)

    @property
    def summary(self) -> str:
        """The answer in words."""
        return summary_of(self)

    @property
    def caveat(self) -> str:
        """What nobody knows of the position and what was removed, in words; otherwise empty."""
        return caveat_of(len({image.path for image in self.lost}), self.unseen, NEARBY)

    def table(self) -> QTable:
        """Return the images as an astropy table."""
        from winter_sync.science import make_table  # noqa: PLC0415 - loads astropy

        return make_table(map(coverage_row, self._images), COVERAGE_COLUMNS)

    def to_pandas(self) -> DataFrame:
        """Return the images as a pandas data frame; pandas must be installed."""
        return self.table().to_pandas()

    def __repr__(self) -> str:
        return f"<{self.summary}>"


def deepest_of(images: Iterable[CoveringImage]) -> dict[str, CoveringImage]:
    """Return the image with the faintest limiting magnitude of each filter; see `Coverage`."""
    known = [(i.limiting_magnitude, i) for i in images if i.limiting_magnitude is not None]
    deepest = dict[str, CoveringImage]()
    for _, image in sorted(known, key=itemgetter(0), reverse=True):
        deepest.setdefault(image.filter or "unknown filter", image)
    return deepest


def is_deeper(image: CoveringImage, magnitude: float | None) -> bool:
    """Return whether an image is known to be deeper than a magnitude, if any was asked for."""
    if magnitude is None:
        return True
    return image.limiting_magnitude is not None and image.limiting_magnitude > magnitude


def refuse_odd_images(asked: Images, deeper_than: float | None) -> None:
    """Refuse questions for images that no image answers.

    Raises
    ------
    UsageError
        If files of alerts are asked for, or a depth that is no number.
    """
    if ImageType.AVRO in asked.image_types:
        raise UsageError(
            "alerts (avro) are not images and cover nothing",
            remedy="Candidates at a place are found by: winter-sync alerts --cone RA,DEC,10s",
            code=ErrorCode.USE_OPTION,
        )
    if deeper_than is not None and not isfinite(deeper_than):
        raise UsageError(
            f"{deeper_than} is not a magnitude",
            remedy="Write a number: --deeper-than 19.5",
            code=ErrorCode.USE_OPTION,
        )


def find_coverage(
    catalog: Catalog, root: Path, place: Place, asked: Images, deeper_than: float | None = None
) -> Coverage:
    """Return the images that show a place, and what nobody knows of it, at one moment."""
    position = place.position
    with catalog.snapshot():
        every = [
            CoveringImage(f, root, position) for f in catalog.coverage.showing(position, asked)
        ]
        there = {path for path in {image.path for image in every} if not was_removed(path)}
        here = [image for image in every if image.path in there]
        images = [image for image in here if is_deeper(image, deeper_than)]
        unseen = None if images else catalog.coverage.unseen(position, NEARBY, asked)
    return Coverage(
        place,
        images,
        asked,
        unseen,
        shallower=[image for image in here if not is_deeper(image, deeper_than)],
        deeper_than=deeper_than,
        lost=[image for image in every if image.path not in there],
    )
