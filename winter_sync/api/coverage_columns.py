"""The columns of the images that show a position."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.science import Column, Kind

if TYPE_CHECKING:
    from winter_sync.api.coverage import CoveringImage

COVERAGE_COLUMNS = (
    Column("night", Kind.TEXT, description="Night at Palomar, YYYYMMDD."),
    Column("started_at", Kind.TIME, ucd="time.start", description="UTC start of the exposure."),
    Column("target", Kind.TEXT, ucd="meta.id;src", description="Name of what was observed."),
    Column("filter", Kind.TEXT, ucd="meta.id;instr.filter", description="Filter."),
    Column("exposure_time", Kind.REAL, "s", "time.duration;obs.exposure", "Exposure time, summed."),
    Column("limiting_magnitude", Kind.REAL, "mag", "phot.mag;stat.max", "5 sigma limit, AB."),
    Column("seeing", Kind.REAL, "arcsec", "instr.obsty.seeing", "Width of stars (FWHM)."),
    Column(
        "edge_distance",
        Kind.REAL,
        "arcsec",
        "pos.angDistance",
        "Distance of the position from the nearest edge of the image.",
    ),
    Column("image_type", Kind.TEXT, description="The archive's word for the kind of product."),
    Column("instrument", Kind.TEXT, ucd="meta.id;instr", description="Camera."),
    Column("state", Kind.TEXT, description="Where the product stands in this mirror."),
    Column("programs", Kind.TEXT, description="Programs that list it, separated by spaces."),
    Column("extension", Kind.INTEGER, description="HDU of the image; 0 is the primary one."),
    Column("path", Kind.TEXT, ucd="meta.ref.url", description="Its file on this machine."),
)


def coverage_row(image: CoveringImage) -> dict[str, object]:
    """Return the values of an image by the names of the columns."""
    return {
        **{column.name: getattr(image, column.name) for column in COVERAGE_COLUMNS},
        "programs": " ".join(image.programs),
    }
