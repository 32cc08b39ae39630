"""Products as rows of ObsCore, what the Virtual Observatory calls an observation.

Values and nulls are those of "Observation Data Model Core Components and its Implementation in the
Table Access Protocol" 1.1 (IVOA Recommendation, 9 May 2017); "[...]" below are its sections.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

from winter_sync.core import (
    NO_SURVEY_FIELD,
    SUFFIXES,
    FileFormat,
    ImageType,
)
from winter_sync.science.bands import band_of
from winter_sync.science.regions import diameter, region_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from winter_sync.core import Dataset, Footprint, Product

FACILITY = "Palomar"
_AUTHORITY = "winter.caltech.edu"
"""The archive has no registered IVOA identifier; its host name keeps ours apart from others."""
_NO_PIXELS = -1
"""What lists of measurements have as numbers of pixels [4.21]."""
_MODIFIED_JULIAN_DAY_0 = datetime(1858, 11, 17, tzinfo=UTC)
_EXPOSURE = re.compile(r"(?:temp_)?(.+_\d{8}-\d{6}-\d{3})(?=[_.])")

CALIBRATION_LEVELS: Mapping[ImageType, int] = {
    ImageType.EXPOSURE: 1,
    ImageType.RAW: 1,
    ImageType.SCIENCE: 2,
    ImageType.STACK: 3,
    ImageType.DIFF: 3,
    ImageType.AVRO: 4,
}
"""Instrumental data in FITS, 1; with the instrument's signature removed, 2; combined from several
exposures, 3; a list of detections, 4 [3.3.2, whose examples have stacks as 3 and catalogs as 4]."""
_COMBINED = 3
"""The lowest level of what is made of several exposures."""


def describe(dataset: Dataset, root: Path) -> dict[str, object]:
    """Return the row of a product, by the names of `obscore_columns`.

    Parameters
    ----------
    dataset
        The product.
    root
        The root of the tree, an absolute path.
    """
    return {
        **_identity(dataset),
        **_access(dataset, root),
        **_space(dataset),
        **_time(dataset),
        **_spectrum(dataset),
        **_ours(dataset),
    }


def _identity(dataset: Dataset) -> dict[str, object]:
    product = dataset.product
    instrument = product.instrument.value.upper()
    is_list = product.image_type is ImageType.AVRO
    return {
        # [3.3.1]: measurements are lists of what was found in a dataset of another type.
        "dataproduct_type": "measurements" if is_list else "image",
        "calib_level": CALIBRATION_LEVELS[product.image_type],
        "obs_collection": f"{FACILITY}/{instrument}",
        "obs_id": observation_id(product),
        "obs_publisher_did": publisher_id(product),
        "target_name": dataset.target or dataset.facts.target,
        "o_ucd": None if is_list else "phot.count",
        "pol_xel": 0,
        "facility_name": FACILITY,
        "instrument_name": instrument,
    }


def observation_id(product: Product) -> str:
    """Return what the products of one observation share [4.4].

    Those of one exposure are named after it. A stack, being made of several, is an observation of
    its own, with the difference image and the alerts that are made of it [4.1.1].
    """
    stem = _stem(product.filename)
    if CALIBRATION_LEVELS[product.image_type] >= _COMBINED:
        return stem.removesuffix(".diff")
    match = _EXPOSURE.match(product.filename)
    return match[1] if match else stem


def publisher_id(product: Product) -> str:
    """Return the identifier of a product, the same for all its revisions [4.5]."""
    return f"ivo://{_AUTHORITY}/{product.instrument}?{quote(product.savepath)}"


def _stem(filename: str) -> str:
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if filename.lower().endswith(suffix):
            return filename[: -len(suffix)]
    return filename


def _access(dataset: Dataset, root: Path) -> dict[str, object]:
    return {
        "access_url": (root / dataset.file).as_uri() if dataset.file else None,
        "access_format": _access_format(dataset.product),
        "access_estsize": -(-dataset.size // 1000) if dataset.size is not None else None,
    }


def _access_format(product: Product) -> str:
    """Return the MIME type of a product's file [4.7, Table 5]."""
    name = product.filename.lower()
    if product.image_type.traits.file_format is FileFormat.AVRO:
        return "application/x-avro"
    if name.endswith(".gz"):
        return "image/x-fits-gzip"
    if name.endswith(".fz"):
        return "application/fits"
    has_several = product.image_type.for_camera(product.instrument).extensions
    return "application/x-fits-mef" if has_several else "image/fits"


def _space(dataset: Dataset) -> dict[str, object]:
    facts, position = dataset.facts, dataset.position
    is_list = dataset.product.image_type is ImageType.AVRO
    footprints: tuple[Footprint, ...] = facts.footprints
    has_one = len(footprints) <= 1
    return {
        "s_ra": round(position[0], 8) if position else None,
        "s_dec": round(position[1], 8) if position else None,
        "s_fov": round(diameter(footprints, position), 8) if footprints and position else None,
        "s_region": region_text(footprints),
        "s_resolution": facts.seeing,
        # Several images have no common number of pixels.
        "s_xel1": _NO_PIXELS if is_list else facts.width if has_one else None,
        "s_xel2": _NO_PIXELS if is_list else facts.height if has_one else None,
        "s_pixel_scale": facts.pixel_scale,
        "s_stat_error": facts.astrometric_error,
    }


def _time(dataset: Dataset) -> dict[str, object]:
    start, exposure = dataset.started_at, dataset.facts.exposure_time
    return {
        "t_min": modified_julian_date(start),
        "t_max": modified_julian_date(_end(dataset, start)),
        "t_exptime": exposure,
        # Not resolved in time [4.16].
        "t_resolution": exposure,
        "t_xel": _NO_PIXELS if dataset.product.image_type is ImageType.AVRO else 1,
    }


def _end(dataset: Dataset, start: datetime | None) -> datetime | None:
    """Return when an exposure ended; None of a stack, whose header has only the sum of them."""
    exposure = dataset.facts.exposure_time
    is_combined = CALIBRATION_LEVELS[dataset.product.image_type] >= _COMBINED
    if start is None or exposure is None or is_combined:
        return None
    try:
        return start + timedelta(seconds=exposure)
    except OverflowError:  # a number that no exposure has; no header gets it into the catalog
        return None


def modified_julian_date(instant: datetime | None) -> float | None:
    """Return a UTC instant as a modified Julian date, in days."""
    return None if instant is None else (instant - _MODIFIED_JULIAN_DAY_0) / timedelta(days=1)


def _spectrum(dataset: Dataset) -> dict[str, object]:
    is_list = dataset.product.image_type is ImageType.AVRO
    band = band_of(_filter(dataset))
    return {
        "em_min": band.shortest if band else None,
        "em_max": band.longest if band else None,
        "em_res_power": band.resolving_power if band else None,
        "em_xel": _NO_PIXELS if is_list else 1,
    }


def _filter(dataset: Dataset) -> str | None:
    return dataset.facts.filter or dataset.filter


def _ours(dataset: Dataset) -> dict[str, object]:
    product, facts = dataset.product, dataset.facts
    field_id = dataset.field_id
    return {
        "winter_night": product.night.name,
        "winter_image_type": product.image_type.value,
        "winter_program": " ".join(dataset.programs) or None,
        "winter_state": dataset.state,
        "winter_filter": _filter(dataset),
        "winter_board": facts.board,
        "winter_field_id": None if field_id == NO_SURVEY_FIELD else field_id,
        "winter_listed_ra": dataset.ra,
        "winter_listed_dec": dataset.dec,
        "winter_target_ra": facts.target_ra,
        "winter_target_dec": facts.target_dec,
        "winter_coadds": facts.coadds,
        "winter_dither": facts.dither,
        "winter_dithers": facts.dithers,
        "winter_airmass": facts.airmass,
        "winter_limiting_magnitude": facts.limiting_magnitude,
        "winter_zero_point": facts.zero_point,
        "winter_zero_point_error": facts.zero_point_error,
        "winter_seeing": facts.seeing,
        "winter_background": facts.background,
        "winter_revision": dataset.revision,
        "winter_downloaded_at": dataset.downloaded_at,
        "winter_size": dataset.size,
        "winter_sha256": dataset.sha256,
        "winter_path": dataset.path,
        "winter_savepath": product.savepath,
        "winter_last_modified": dataset.last_modified,
        "winter_pipeline_version": dataset.pipeline_version,
    }
