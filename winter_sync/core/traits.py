"""Cameras, and one table of image types: where each lies, what it is, how it is mirrored.

The source is winter-api.md, "Products". A new image type is one word of
`ImageType`, one row of the table, and its tests.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Instrument(StrEnum):
    """A camera whose products the archive serves."""

    WINTER = "winter"
    SPRING = "spring"


class FileFormat(StrEnum):
    """A format of product files."""

    FITS = "FITS"
    AVRO = "Avro"

    @property
    def suffixes(self) -> tuple[str, ...]:
        """The suffixes of its files, in lower case."""
        return _SUFFIXES[self]


_SUFFIXES: Mapping[FileFormat, tuple[str, ...]] = {
    FileFormat.FITS: (".fits", ".fits.fz", ".fits.gz"),
    FileFormat.AVRO: (".avro",),
}

SUFFIXES = tuple(suffix for file_format in FileFormat for suffix in file_format.suffixes)
"""The suffixes of all files that can be checked; case does not matter."""


@dataclass(frozen=True, slots=True)
class CameraTraits:
    """What is particular to an image type of one camera.

    Parameters
    ----------
    directory
        Its directory below a night.
    other_directories
        Further directories of the same type.
    extensions
        How many HDUs usually follow the primary one; None if that varies.
    is_in_pipeline
        Whether the camera's pipeline has a table of it. Where it has none, nobody knows what the
        archive answers.
    """

    directory: str
    other_directories: tuple[str, ...] = ()
    extensions: int | None = None
    is_in_pipeline: bool = True


@dataclass(frozen=True, slots=True)
class Traits:
    """What the mirror has to know of an image type.

    Parameters
    ----------
    fetch_order
        Its place in the queue of a night: the type with the lowest number is fetched first.
    file_format
        The format of its files.
    typical_size
        About how many bytes one product has.
    cameras
        What is particular to each camera.
    is_kept
        Whether the archive keeps the files of what it lists.
    may_be_reprocessed
        Whether new marks of a listing may mean new content.
    is_listed_at_pointing
        Whether its rows carry the pointing of the exposure, the same for all boards, rather than
        the position of the image (winter-api.md, "Boards, filters and positions").
    """

    fetch_order: int
    file_format: FileFormat
    typical_size: int
    cameras: Mapping[Instrument, CameraTraits]
    is_kept: bool = True
    may_be_reprocessed: bool = True
    is_listed_at_pointing: bool = False


def _cameras(winter: CameraTraits, spring: CameraTraits) -> Mapping[Instrument, CameraTraits]:
    return {Instrument.WINTER: winter, Instrument.SPRING: spring}


class ImageType(StrEnum):
    """A type of product, in the archive's own words and in the order the pipeline makes them."""

    EXPOSURE = "exposure"
    RAW = "raw"
    SCIENCE = "science"
    STACK = "stack"
    DIFF = "diff"
    AVRO = "avro"

    @property
    def traits(self) -> Traits:
        """What the mirror has to know of it."""
        return _TRAITS[self]

    def for_camera(self, instrument: Instrument) -> CameraTraits:
        """Return what is particular to this type of one camera."""
        return _TRAITS[self].cameras[instrument]


_TRAITS: Mapping[ImageType, Traits] = {
    ImageType.EXPOSURE: Traits(
        fetch_order=6,
        file_format=FileFormat.FITS,
        typical_size=52_000_000,
        is_listed_at_pointing=True,
        # The camera's own file, which no processing rewrites.
        may_be_reprocessed=False,
        cameras=_cameras(
            winter=CameraTraits("raw", extensions=6),
            spring=CameraTraits("raw", is_in_pipeline=False),
        ),
    ),
    ImageType.RAW: Traits(
        fetch_order=5,
        file_format=FileFormat.FITS,
        typical_size=17_000_000,
        is_listed_at_pointing=True,
        cameras=_cameras(
            winter=CameraTraits("raw_unpacked"),
            spring=CameraTraits("loaded_raw"),
        ),
    ),
    ImageType.SCIENCE: Traits(
        fetch_order=4,
        file_format=FileFormat.FITS,
        typical_size=17_000_000,
        is_listed_at_pointing=True,
        is_kept=False,
        cameras=_cameras(
            winter=CameraTraits("astrostats"),
            spring=CameraTraits("astrostats", is_in_pipeline=False),
        ),
    ),
    ImageType.STACK: Traits(
        fetch_order=1,
        file_format=FileFormat.FITS,
        typical_size=10_000_000,
        cameras=_cameras(
            winter=CameraTraits("final"),
            spring=CameraTraits("processed_after_psf", ("processed_after_psf_with_color",)),
        ),
    ),
    ImageType.DIFF: Traits(
        fetch_order=2,
        file_format=FileFormat.FITS,
        typical_size=16_000_000,
        cameras=_cameras(
            winter=CameraTraits("diffs"),
            spring=CameraTraits("diffs"),
        ),
    ),
    ImageType.AVRO: Traits(
        fetch_order=3,
        file_format=FileFormat.AVRO,
        typical_size=10_000_000,
        cameras=_cameras(
            winter=CameraTraits("avro"),
            spring=CameraTraits("avro", is_in_pipeline=False),
        ),
    ),
}
"""What is looked at in the morning is fetched first, and what is large last."""

FETCH_ORDER = tuple(sorted(ImageType, key=lambda image_type: image_type.traits.fetch_order))
"""All types, in the order in which those of a night are fetched."""

NOT_KEPT = tuple(image_type for image_type in ImageType if not image_type.traits.is_kept)
"""The types of which the archive lists files that it does not keep."""

IMAGE_TYPES = tuple(t for t in ImageType if t.traits.file_format is FileFormat.FITS)
"""The types of images."""

DIRECTORIES = frozenset(
    directory
    for image_type in ImageType
    for camera in image_type.traits.cameras.values()
    for directory in (camera.directory, *camera.other_directories)
)
"""Every directory below a night that belongs to a type."""
