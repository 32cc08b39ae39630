"""The columns of products in tables and files, and their values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.science import Column, Kind

if TYPE_CHECKING:
    from winter_sync.api.products import MirrorProduct

PRODUCT_COLUMNS = (
    Column("night", Kind.TEXT, description="Night at Palomar, YYYYMMDD."),
    Column("started_at", Kind.TIME, ucd="time.start", description="UTC start of the exposure."),
    Column("target", Kind.TEXT, ucd="meta.id;src", description="Name of what was observed."),
    Column("filter", Kind.TEXT, ucd="meta.id;instr.filter", description="Filter."),
    Column("ra", Kind.REAL, "deg", "pos.eq.ra;meta.main", "Listed right ascension, ICRS."),
    Column("dec", Kind.REAL, "deg", "pos.eq.dec;meta.main", "Listed declination, ICRS."),
    Column("image_type", Kind.TEXT, description="The archive's word for the kind of product."),
    Column("state", Kind.TEXT, description="Where the product stands in this mirror."),
    Column("size", Kind.INTEGER, "byte", "phys.size;meta.file", "Size of the file."),
    Column("exposure_time", Kind.REAL, "s", "time.duration;obs.exposure", "Exposure time, summed."),
    Column("seeing", Kind.REAL, "arcsec", "instr.obsty.seeing", "Width of stars (FWHM)."),
    Column("limiting_magnitude", Kind.REAL, "mag", "phot.mag;stat.max", "5 sigma limit, AB."),
    Column("instrument", Kind.TEXT, ucd="meta.id;instr", description="Camera."),
    Column("programs", Kind.TEXT, description="Programs that list it, separated by spaces."),
    Column("path", Kind.TEXT, ucd="meta.ref.url", description="Its file; null without one."),
    Column("savepath", Kind.TEXT, ucd="meta.id", description="Its path in the archive."),
    Column(
        "downloaded_at", Kind.TIME, ucd="time.processing", description="When its file arrived, UTC."
    ),
    Column("successor", Kind.TEXT, description="Path of what it was renamed to; null if none is."),
)


def product_columns(*names: str) -> tuple[Column, ...]:
    """Return some of the columns, for tables that have them among others."""
    known = {column.name: column for column in PRODUCT_COLUMNS}
    return tuple(known[name] for name in names)


def product_row(product: MirrorProduct) -> dict[str, object]:
    """Return the values of a product by the names of the columns."""
    return {
        **{column.name: getattr(product, column.name) for column in PRODUCT_COLUMNS},
        "programs": " ".join(product.programs),
        "path": product.path if product.has_file else None,
    }
