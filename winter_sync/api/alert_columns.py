"""The columns of alerts: the names of the alert schema, with units and UCDs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.science import Column, Kind

if TYPE_CHECKING:
    from winter_sync.api.alerts import MirrorAlert

ALERT_COLUMNS = (
    Column("objectid", Kind.TEXT, ucd="meta.id;src;meta.main", description="Name of the object."),
    Column("candid", Kind.INTEGER, ucd="meta.id", description="Number of the detection."),
    Column("time", Kind.TIME, ucd="time.start", description="UTC start of the exposure."),
    Column("jd", Kind.REAL, "d", "time.epoch", "The same as a Julian date, UTC."),
    Column("filter", Kind.TEXT, ucd="meta.id;instr.filter", description="Filter."),
    Column("ra", Kind.REAL, "deg", "pos.eq.ra;meta.main", "Right ascension, ICRS."),
    Column("dec", Kind.REAL, "deg", "pos.eq.dec;meta.main", "Declination, ICRS."),
    Column("magpsf", Kind.REAL, "mag", "phot.mag", "PSF magnitude of the difference, AB."),
    Column("sigmapsf", Kind.REAL, "mag", "stat.error;phot.mag", "Its uncertainty."),
    Column(
        "diffmaglim",
        Kind.REAL,
        "mag",
        "phot.mag;stat.max",
        "Limiting magnitude of the difference image, 5 sigma, AB.",
    ),
    Column(
        "isdiffpos", Kind.INTEGER, ucd="meta.code", description="1 if brighter than the reference."
    ),
    Column("rb", Kind.REAL, ucd="stat.probability", description="Real-bogus score; 1 is real."),
    Column("scorr", Kind.REAL, ucd="stat.snr", description="Signal-to-noise ratio."),
    Column("fwhm", Kind.REAL, "pix", "phys.angSize", "Full width at half maximum."),
    Column("exptime", Kind.REAL, "s", "time.duration;obs.exposure", "Exposure time."),
    Column("magap", Kind.REAL, "mag", "phot.mag", "Aperture magnitude of the difference, AB."),
    Column("sigmagap", Kind.REAL, "mag", "stat.error;phot.mag", "Its uncertainty."),
    Column("ndethist", Kind.INTEGER, ucd="meta.number", description="Detections so far."),
    Column("boardid", Kind.INTEGER, ucd="meta.id;instr.det", description="Detector board."),
    Column("fieldid", Kind.INTEGER, ucd="meta.id;obs.field", description="Survey field."),
    Column("progname", Kind.TEXT, ucd="meta.id;obs.proposal", description="Program."),
    Column("ztfname", Kind.TEXT, ucd="meta.id.cross", description="ZTF object here."),
    Column("distztf", Kind.REAL, "arcsec", "pos.angDistance", "Distance of the ZTF object."),
    Column(
        "sgscore1",
        Kind.REAL,
        ucd="src.class.starGalaxy",
        description="Star/galaxy score of the nearest PS1 source; 1 is a star.",
    ),
    Column("distpsnr1", Kind.REAL, "arcsec", "pos.angDistance", "Distance of that source."),
    Column("ssnamenr", Kind.TEXT, ucd="meta.id.cross", description="Solar system object here."),
    Column(
        "deprecated", Kind.INTEGER, ucd="meta.code", description="1 if the pipeline replaced it."
    ),
    Column(
        "separation",
        Kind.REAL,
        "arcsec",
        "pos.angDistance",
        "Distance from the middle of the cone.",
    ),
    Column("night", Kind.TEXT, ucd="time.epoch;obs", description="Night at Palomar, YYYYMMDD."),
    Column("path", Kind.TEXT, ucd="meta.ref.url", description="The file that it is in."),
    Column("number", Kind.INTEGER, ucd="meta.record", description="Its place there, from 0."),
)


def alert_row(alert: MirrorAlert) -> dict[str, object]:
    """Return the values of an alert by the names of the columns."""
    return {column.name: getattr(alert, column.name) for column in ALERT_COLUMNS}
