"""Cutouts of the images that show a position, with cards that say where each is from."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from math import isfinite
from typing import TYPE_CHECKING, Any, BinaryIO

from winter_sync import __version__
from winter_sync.api.coverage import is_deeper
from winter_sync.api.cutout_strip import panel_of, save_strip, strip_as_png
from winter_sync.api.places import show_position
from winter_sync.core import (
    ErrorCode,
    SymbolicLinkError,
    TreeFiles,
    UsageError,
    closing_descriptor,
    escape_unprintable,
    file_kind,
    sha256_of_descriptor,
)
from winter_sync.science import NoCutoutError, creating, cut_out, replacing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    import numpy as np
    from astropy.io.fits import Header, PrimaryHDU
    from astropy.wcs import WCS

    from winter_sync.api.coverage import Coverage, CoveringImage
    from winter_sync.core import Position
    from winter_sync.science import Cutout as Pixels

ARCSECONDS = 3600.0
_LONGEST_STEM = 150
"""Bytes of the name of an image in that of a cutout: all of them take 255 at most."""
_LARGEST = 10.0
"""Degrees; more than any image shows."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """An image of which there is no cutout, and why."""

    image: CoveringImage
    reason: str


class Cutout:
    """A part of an image, around a position.

    Parameters
    ----------
    image
        The image.
    pixels
        What was cut out of it.
    root
        The root of the tree, where no cutout is written.
    position
        The middle, degrees.
    size
        The length of each side, degrees.
    now
        When it was cut out.

    """

    def __init__(  # noqa: PLR0913, PLR0917 - what it is, and where and when it was made
        self,
        image: CoveringImage,
        pixels: Pixels,
        root: Path,
        position: Position,
        size: float,
        now: datetime,
    ) -> None:
        self.image = image
        self._root = root
        self.position = position
        self.size = size
        self.pixels = pixels
        for name, (value, comment) in _provenance(self, now).items():
            pixels.header[name] = (_written(value), comment)

    @property
    def data(self) -> np.ndarray[Any, Any]:
        """Rows of pixels, from the lowest; NaN where the image has none."""
        return self.pixels.data

    @property
    def header(self) -> Header:
        """The cards of the image, the WCS of the cutout, and where it is from (`WS...`)."""
        return self.pixels.header

    @property
    def wcs(self) -> WCS:
        """The WCS of the cutout, as astropy has it."""
        return self.pixels.wcs

    @property
    def hdu(self) -> PrimaryHDU:
        """The cutout as the only HDU of a FITS file."""
        return self.pixels.hdu

    @property
    def filename(self) -> str:
        """A name of its own: of another image, content, position or size the name is another."""
        stem = (
            self.image.filename.split(".fits")[0].encode()[:_LONGEST_STEM].decode(errors="ignore")
        )
        if stem.startswith("-"):  # which a command would take for an option
            stem = f"_{stem}"
        hdu = f"_hdu{self.image.extension}" if self.image.extension else ""
        place = show_position(self.position).replace(" ", "")
        size = f"{self.size * ARCSECONDS:g}s"
        return f"{stem}{hdu}_{place}_{size}_{self.image.sha256[:8]}.fits"

    def write(self, path: Path, *, overwrite: bool = False) -> None:
        """Write it as a FITS file that takes its name only when it is complete.

        Raises
        ------
        FileExistsError
            If there is a file of that name and it may not be replaced.
        UsageError
            If there cannot be a file of that name, or it would be inside the mirror.
        StorageError
            If it cannot be written.
        """
        refuse_tree(self._root, path)
        with (replacing if overwrite else creating)(path) as file:
            self.pixels.write(file)


class Cutouts:
    """The cutouts of the images that show a position, made one by one as they are iterated over.

    Parameters
    ----------
    root
        The root of the tree.
    coverage
        The images.
    size
        The length of each side, degrees.
    now
        When they are cut out.
    follow_links
        Whether directories of products may be symbolic links.

    Attributes
    ----------
    skipped
        The images of which there is none, of the iteration that was begun last.
    """

    def __init__(
        self, root: Path, coverage: Coverage, size: float, now: datetime, *, follow_links: bool
    ) -> None:
        if not isfinite(size) or not 0.0 < size <= _LARGEST:
            raise UsageError(
                f"the size of a cutout is more than 0 and at most {_LARGEST:g} degrees",
                remedy='Write a number and its unit: "60s", "2m" or "0.1d" for arcseconds, '
                "arcminutes or degrees.",
                code=ErrorCode.USE_OPTION,
            )
        self.coverage = coverage
        self.size = size
        self.skipped: list[Skipped] = []
        self.root = root
        self._now = now
        self._follow_links = follow_links
        lost = (each for each in coverage.lost if is_deeper(each, coverage.deeper_than))
        self._images = (*coverage, *lost)

    def __len__(self) -> int:
        """Return how many images there are to cut out of."""
        return len(self._images)

    def __iter__(self) -> Iterator[Cutout]:
        """Yield the cutouts; images that cannot be read are in `skipped`."""
        self.skipped = []
        for image in self._images:
            try:
                yield self.cut(image)
            except NoCutoutError as reason:
                self.skipped.append(Skipped(image, str(reason)))

    def strip(self, path: Path, *, north_up: bool = False, overwrite: bool = False) -> None:
        """Draw the newest of them, at most 400, side by side as a PNG.

        Parameters
        ----------
        path
            The file.
        north_up
            Turn each so that north is up and east is left.
        overwrite
            Whether a file of that name may be replaced.

        Raises
        ------
        UsageError
            If there is no cutout, or for the reasons of `Cutout.write`, as the other errors.
        """
        refuse_tree(self.root, path)
        panels = [panel_of(self, cutout, upright=north_up) for cutout in self]
        if not panels:
            raise UsageError(
                f"there is no cutout to draw: {self.coverage.summary}", code=ErrorCode.USE_OPTION
            )
        save_strip(panels, path, overwrite=overwrite)

    def __repr__(self) -> str:
        """Return how many there are, how large, and of what place."""
        count, side = len(self), self.size * ARCSECONDS
        place = self.coverage.name
        return f"<{count} cutout{'' if count == 1 else 's'} of {side:g} arcsec around {place}>"

    def _repr_png_(self) -> bytes | None:
        """Return them side by side, as a notebook shows them; None if there are none."""
        panels = [panel_of(self, cutout, upright=True) for cutout in self]
        return strip_as_png(panels) if panels else None

    def cut(self, image: CoveringImage, *, larger: float = 1.0) -> Cutout:
        """Cut one image out, or so many times as large a part of it.

        Raises
        ------
        NoCutoutError
            If there is no cutout of it; the message says why.
        """
        position, size = self.coverage.position, self.size * larger
        with self._opened(image) as file:
            pixels = cut_out(file, image.extension, position, size)
        return Cutout(image, pixels, self.root, position, size, self._now)

    @contextmanager
    def _opened(self, image: CoveringImage) -> Iterator[BinaryIO]:
        """Open the file of an image, if it is the one that was downloaded."""
        path = image.path.relative_to(self.root)
        try:
            with TreeFiles(self.root, follow_links=self._follow_links) as files:
                descriptor = files.open(str(path))
        except SymbolicLinkError as link:
            raise NoCutoutError(f"{link.filename} is a symbolic link") from None
        except OSError as failed:
            raise NoCutoutError(f"it cannot be opened: {failed.strerror}") from None
        with closing_descriptor(descriptor):
            _refuse_other(descriptor, image)
            with open(descriptor, "rb", closefd=False) as file:
                yield file


def refuse_tree(root: Path, path: Path) -> None:
    """Make sure that a file or directory to write is not inside a mirror.

    Raises
    ------
    UsageError
        If it is.
    """
    if path.resolve().is_relative_to(root.resolve()):
        raise UsageError(
            f"{path} is inside the mirror {root}, where only downloaded files are",
            remedy="Name a place outside of it.",
            code=ErrorCode.USE_OUTPUT,
        )


def _refuse_other(descriptor: int, image: CoveringImage) -> None:
    """Make sure that a file has the content that was downloaded; read it only if in doubt."""
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise NoCutoutError(f"there is {file_kind(found.st_mode)} in its place")
    is_same = found.st_size == image.size and (
        found.st_mtime_ns == image.mtime_ns or sha256_of_descriptor(descriptor) == image.sha256
    )
    if not is_same:
        raise NoCutoutError("the file was changed after it was downloaded")


def _provenance(cutout: Cutout, now: datetime) -> dict[str, tuple[object, str]]:
    """Return the cards that say where a cutout is from, and their comments."""
    image, corner = cutout.image, cutout.pixels.corner
    started = image.started_at
    return {
        "WSPATH": (str(image.path), "file that this was cut out of"),
        "WSSAVEP": (image.savepath, "its path in the archive"),
        "WSSHA256": (image.sha256, ""),
        "WSHDU": (image.extension, "its HDU, 0 is the primary one"),
        "WSINSTR": (image.instrument, "camera"),
        "WSTYPE": (image.image_type, "image type"),
        "WSPROGS": (" ".join(image.programs), "programs that list it"),
        "WSSTART": (_instant(started) if started else None, "[UTC] start of exposure"),
        "WSRA": (cutout.position[0], "[deg] position asked for"),
        "WSDEC": (cutout.position[1], "[deg] position asked for"),
        "WSSIZE": (cutout.size * ARCSECONDS, "[arcsec] size asked for"),
        "WSX": (corner[0] + 1, "pixel of the image that is pixel 1 here"),
        "WSY": (corner[1] + 1, "the same, along the second axis"),
        "WSVERS": (__version__, "version of winter-sync"),
        "WSDATE": (_instant(now), "[UTC] when it was cut out"),
    }


def _instant(instant: datetime) -> str:
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")


def _written(value: object) -> object:
    """Return a value as a card can have it: FITS has no letters but those of ASCII."""
    if isinstance(value, str):
        return escape_unprintable(value).encode("ascii", "backslashreplace").decode()
    return value
