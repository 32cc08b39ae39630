"""A mirror of real FITS images whose headers say where they look, and whose facts are known."""

from __future__ import annotations

import hashlib
import io
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from support.answers import at, enter
from support.clock import Clock
from support.makers import candidate, path_of

from winter_sync.catalog.catalog import Catalog
from winter_sync.core.downloads import Evidence, Published
from winter_sync.core.facts import Facts
from winter_sync.core.layout import CATALOG, STATE_DIR
from winter_sync.core.marks import Marks
from winter_sync.core.sphere import Footprint, Position
from winter_sync.tree.tree import Tree

if TYPE_CHECKING:
    from pathlib import Path

    from winter_sync.core.products import Product

WIDTH, HEIGHT = 120, 90
SCALE = 1.13 / 3600
HERE = (150.0, 17.0)
START = datetime(2024, 1, 31, 6, 14, 25, 616_000, tzinfo=UTC)


@dataclass(frozen=True)
class Image:
    """A FITS file of the mirror: what product it is, where it looks, what is known of it.

    `extensions` is how many HDUs of images follow the primary one; without any it has the image.
    """

    product: Product
    center: Position = HERE
    turn: float = 0.0
    target: str = "SN2024wex"
    facts: dict[str, Any] = field(default_factory=dict)
    extensions: int = 0

    def wcs(self, extension: int = 0) -> WCS:
        """Return the WCS of an HDU; each looks a tenth of a degree further north."""
        wcs = WCS(naxis=2)
        wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
        wcs.wcs.crval = self.center[0], self.center[1] + 0.1 * max(extension - 1, 0)
        wcs.wcs.crpix = [WIDTH / 2, HEIGHT / 2]
        angle = np.radians(self.turn)
        rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        wcs.wcs.cd = rotation @ np.diag([-SCALE, SCALE])
        return wcs

    def content(self) -> bytes:
        """Return the bytes of the file; no two pixels of an HDU are the same."""
        pixels = np.arange(WIDTH * HEIGHT, dtype="f4").reshape(HEIGHT, WIDTH)
        file = io.BytesIO()
        hdus = [fits.PrimaryHDU()] if self.extensions else []
        hdus += [
            (fits.ImageHDU if self.extensions else fits.PrimaryHDU)(
                pixels, self.wcs(extension).to_header()
            )
            for extension in self._extensions
        ]
        hdus[0].header["TARGNAME"] = self.target
        fits.HDUList(hdus).writeto(file)
        return file.getvalue()

    @property
    def _extensions(self) -> range:
        return range(1, self.extensions + 1) if self.extensions else range(1)

    def footprints(self) -> tuple[Footprint, ...]:
        """Return what its images show."""
        return tuple(map(self._footprint, self._extensions))

    def _footprint(self, extension: int) -> Footprint:
        corners = self.wcs(extension).calc_footprint(axes=(WIDTH, HEIGHT), center=False)
        return Footprint(tuple((float(ra), float(dec)) for ra, dec in corners), extension)


def make_mirror(root: Path, *images: Image) -> None:
    """Make a mirror that has downloaded images and read their headers."""
    name = Tree(root).prepare("mirror")
    with closing(Catalog(root / STATE_DIR / CATALOG, Clock())) as catalog:
        catalog.take_mirror_name(name)
        enter(catalog, (at(image.product, *image.center, image.target) for image in images))
        for number, image in enumerate(images):
            add_image(root, catalog, image, number)


def add_image(root: Path, catalog: Catalog, image: Image, number: int = 0) -> None:
    """Put an image that is listed into the tree and the catalog, and record its facts."""
    content = image.content()
    path = root / path_of(image.product)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    evidence = Evidence(
        instrument=image.product.instrument,
        savepath=image.product.savepath,
        path=path_of(image.product),
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        marks=Marks(),
        mtime_ns=path.stat().st_mtime_ns,
    )
    catalog.outcomes.commit([Published(candidate(image.product), evidence)], lambda *_: timedelta())
    (held,) = (each for each in catalog.facts.due(10_000) if each.product == image.product)
    known = {"started_at": START + timedelta(days=number), "filter": "J", **image.facts}
    catalog.facts.record([(held, Facts(footprints=image.footprints(), **known))])
