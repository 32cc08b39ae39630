"""The columns of an export: those of ObsCore 1.1, and ours.

Names, order, types, units, UCDs and utypes are those of "Observation Data Model Core Components and
its Implementation in the Table Access Protocol" 1.1 (IVOA Recommendation, 9 May 2017), Table 4 and
Appendix C. Names of our own begin with `winter_` (4.22, "Additional Columns").
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.science.columns import Column, Kind

if TYPE_CHECKING:
    from collections.abc import Callable


def _standard(kind: Kind) -> Callable[..., Column]:
    """Return what makes a column of the standard: name, utype, UCD, unit, description."""

    def column(name: str, utype: str, ucd: str, unit: str | None, description: str) -> Column:
        xtype = "adql:REGION" if name == "s_region" else None
        return Column(name, kind, unit, ucd, description, f"obscore:{utype}", xtype)

    return column


_text, _integer, _real = _standard(Kind.TEXT), _standard(Kind.INTEGER), _standard(Kind.REAL)
_WHERE = "Char.SpatialAxis.Coverage"
_WHEN = "Char.TimeAxis.Coverage"
_COLOR = "Char.SpectralAxis"

MANDATORY_COLUMNS: tuple[Column, ...] = (
    _text(
        "dataproduct_type",
        "ObsDataset.dataProductType",
        "meta.code.class",
        None,
        "Primary type of the file's content: image or measurements",
    ),
    _integer(
        "calib_level",
        "ObsDataset.calibLevel",
        "meta.code;obs.calib",
        None,
        "1 instrumental, 2 calibrated, 3 combined, 4 derived",
    ),
    _text("obs_collection", "DataID.collection", "meta.id", None, "Facility and camera"),
    _text(
        "obs_id",
        "DataID.observationID",
        "meta.id",
        None,
        "Shared by the products of one exposure, or of one stack",
    ),
    _text(
        "obs_publisher_did",
        "Curation.publisherDID",
        "meta.ref.ivoid",
        None,
        "Identifier of the product (not registered)",
    ),
    _text("access_url", "Access.reference", "meta.ref.url", None, "The file on this machine"),
    _text("access_format", "Access.format", "meta.code.mime", None, "MIME type of the file"),
    _integer("access_estsize", "Access.size", "phys.size;meta.file", "kbyte", "Size of the file"),
    _text("target_name", "Target.name", "meta.id;src", None, "Name of what was observed"),
    _real(
        "s_ra",
        f"{_WHERE}.Location.Coord.Position2D.Value2.C1",
        "pos.eq.ra",
        "deg",
        "Right ascension of the centre, ICRS",
    ),
    _real(
        "s_dec",
        f"{_WHERE}.Location.Coord.Position2D.Value2.C2",
        "pos.eq.dec",
        "deg",
        "Declination of the centre, ICRS",
    ),
    _real(
        "s_fov",
        f"{_WHERE}.Bounds.Extent.diameter",
        "phys.angSize;instr.fov",
        "deg",
        "Diameter of the circle around the centre that holds the image",
    ),
    _text(
        "s_region",
        f"{_WHERE}.Support.Area",
        "pos.outline;obs.field",
        None,
        "Outline of the image on the sky (STC-S)",
    ),
    _real(
        "s_resolution",
        "Char.SpatialAxis.Resolution.Refval.value",
        "pos.angResolution",
        "arcsec",
        "Full width at half maximum of stars",
    ),
    _integer("s_xel1", "Char.SpatialAxis.numBins1", "meta.number", None, "Pixels along axis 1"),
    _integer("s_xel2", "Char.SpatialAxis.numBins2", "meta.number", None, "Pixels along axis 2"),
    _real(
        "t_min",
        f"{_WHEN}.Bounds.Limits.StartTime",
        "time.start;obs.exposure",
        "d",
        "Start of the first exposure, MJD, UTC",
    ),
    _real(
        "t_max",
        f"{_WHEN}.Bounds.Limits.StopTime",
        "time.end;obs.exposure",
        "d",
        "End of the exposure, MJD, UTC; not known of stacks",
    ),
    _real(
        "t_exptime",
        f"{_WHEN}.Support.Extent",
        "time.duration;obs.exposure",
        "s",
        "Exposure time, of a stack the sum",
    ),
    _real(
        "t_resolution",
        "Char.TimeAxis.Resolution.Refval.value",
        "time.resolution",
        "s",
        "The exposure time: nothing is resolved within it",
    ),
    _integer("t_xel", "Char.TimeAxis.numBins", "meta.number", None, "Samples along time"),
    _real(
        "em_min",
        f"{_COLOR}.Coverage.Bounds.Limits.LoLimit",
        "em.wl;stat.min",
        "m",
        "Shortest wavelength of the filter, nominal",
    ),
    _real(
        "em_max",
        f"{_COLOR}.Coverage.Bounds.Limits.HiLimit",
        "em.wl;stat.max",
        "m",
        "Longest wavelength of the filter, nominal",
    ),
    _real(
        "em_res_power",
        f"{_COLOR}.Resolution.ResolPower.refVal",
        "spect.resolution",
        None,
        "Central wavelength over width of the filter, nominal",
    ),
    _integer("em_xel", f"{_COLOR}.numBins", "meta.number", None, "Samples along wavelength"),
    _text("o_ucd", "Char.ObservableAxis.ucd", "meta.ucd", None, "UCD of the pixels' values"),
    _text(
        "pol_states",
        "Char.PolarizationAxis.stateList",
        "meta.code;phys.polarization",
        None,
        "Polarization states: none",
    ),
    _integer(
        "pol_xel",
        "Char.PolarizationAxis.numBins",
        "meta.number",
        None,
        "Number of polarization states",
    ),
    _text(
        "facility_name",
        "Provenance.ObsConfig.Facility.name",
        "meta.id;instr.tel",
        None,
        "Observatory",
    ),
    _text(
        "instrument_name",
        "Provenance.ObsConfig.Instrument.name",
        "meta.id;instr",
        None,
        "Camera",
    ),
)
"""What every ObsCore table has, in the order of the standard's Table 4."""

_OPTIONAL_COLUMNS = (
    _real(
        "s_pixel_scale",
        "Char.SpatialAxis.Sampling.RefVal.SamplingPeriod",
        "phys.angSize;instr.pixel",
        "arcsec",
        "Distance of the centres of two pixels",
    ),
    _real(
        "s_stat_error",
        "Char.SpatialAxis.Accuracy.StatError.Refval.value",
        "stat.error;pos.eq",
        "arcsec",
        "Error of the astrometry",
    ),
)

_OUR_COLUMNS = (
    Column("winter_night", Kind.TEXT, None, "time.epoch", "Night at Palomar, YYYYMMDD"),
    Column("winter_image_type", Kind.TEXT, None, "meta.code.class", "The archive's image type"),
    Column("winter_program", Kind.TEXT, None, "meta.id;obs.proposal", "Programs that list it"),
    Column(
        "winter_state",
        Kind.TEXT,
        None,
        "meta.code.status",
        "downloaded, pending, missing, withdrawn or damaged",
    ),
    Column("winter_filter", Kind.TEXT, None, "meta.id;instr.filter", "Short name of the filter"),
    Column("winter_board", Kind.INTEGER, None, "meta.id;instr.det", "Detector board"),
    Column("winter_field_id", Kind.INTEGER, None, "meta.id;obs.field", "Survey field"),
    Column("winter_listed_ra", Kind.REAL, "deg", "pos.eq.ra", "Right ascension as listed"),
    Column("winter_listed_dec", Kind.REAL, "deg", "pos.eq.dec", "Declination as listed"),
    Column(
        "winter_target_ra", Kind.REAL, "deg", "pos.eq.ra;src", "Of the target, as in the header"
    ),
    Column("winter_target_dec", Kind.REAL, "deg", "pos.eq.dec;src", "As in the header"),
    Column("winter_coadds", Kind.INTEGER, None, "meta.number;obs.exposure", "Exposures added up"),
    Column("winter_dither", Kind.INTEGER, None, "meta.number", "Which exposure of its set, from 1"),
    Column("winter_dithers", Kind.INTEGER, None, "meta.number", "Exposures of the set"),
    Column("winter_airmass", Kind.REAL, None, "obs.airMass", "Airmass"),
    Column(
        "winter_limiting_magnitude",
        Kind.REAL,
        "mag",
        "phot.mag;stat.max",
        "5 sigma, AB magnitudes",
    ),
    Column("winter_zero_point", Kind.REAL, "mag", "phot.mag;arith.zp", "Zero point, AB magnitudes"),
    Column("winter_zero_point_error", Kind.REAL, "mag", "stat.error;phot.mag", "Its error"),
    Column("winter_seeing", Kind.REAL, "arcsec", "instr.obsty.seeing", "Width of stars"),
    Column(
        "winter_background",
        Kind.REAL,
        None,
        "instr.skyLevel",
        "Median of the image, in its own counts",
    ),
    Column("winter_revision", Kind.INTEGER, None, "meta.version", "Which content, counted from 1"),
    Column("winter_downloaded_at", Kind.TIME, None, "time.epoch", "When this content arrived, UTC"),
    Column("winter_size", Kind.INTEGER, "byte", "phys.size;meta.file", "Size of the file"),
    Column("winter_sha256", Kind.TEXT, None, "meta.checksum", "SHA-256 of the file"),
    Column("winter_path", Kind.TEXT, None, "meta.id;meta.file", "Below the root of the mirror"),
    Column("winter_savepath", Kind.TEXT, None, "meta.id;meta.file", "The archive's own path"),
    Column("winter_last_modified", Kind.TEXT, None, "meta.note", "lastmodified, as listed"),
    Column("winter_pipeline_version", Kind.TEXT, None, "meta.version;meta.software", "As listed"),
)

OBSCORE_COLUMNS = (*MANDATORY_COLUMNS, *_OPTIONAL_COLUMNS, *_OUR_COLUMNS)
"""All columns of an export."""
