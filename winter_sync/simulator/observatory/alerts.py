"""Writes the Avro files of the simulated pipeline: alerts with their gzipped cutouts."""

from __future__ import annotations

import gzip
import hashlib
import io
from datetime import timedelta
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import fastavro
import numpy as np
from astropy.io import fits

from winter_sync.simulator.observatory.detectors import frame_of
from winter_sync.simulator.sky.starfield import generator
from winter_sync.simulator.sky.tangent import on_sky

if TYPE_CHECKING:
    from winter_sync.simulator.observatory.holdings import Holding

_UNIX_JD = 2440587.5
_SOURCES_AT_FULL_SCALE = 120
_CUTOUT_AT_FULL_SCALE = 63
_SMALLEST_CUTOUT = 9
_BLOCK = 2880

_FLOATS = ("magpsf", "sigmapsf", "magap", "sigmagap", "xpos", "ypos", "fwhm", "rb")
_NULL_OR_FLOAT = ["null", "float"]


def _record(name: str, extra: list[dict[str, Any]]) -> dict[str, Any]:
    fields: list[dict[str, Any]] = [
        {"name": "candid", "type": "long"},
        {"name": "jd", "type": "double", "doc": "start of the exposure [d]"},
        {"name": "fid", "type": "int", "doc": "filter: 1=Y, 2=J, 3=Hs"},
        {"name": "ra", "type": "double", "doc": "J2000 [deg]"},
        {"name": "dec", "type": "double", "doc": "J2000 [deg]"},
        *({"name": each, "type": _NULL_OR_FLOAT, "default": None} for each in _FLOATS),
    ]
    return {
        "type": "record",
        "name": name,
        "namespace": "winter.alert",
        "fields": [*fields, *extra],
    }


SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "alert",
    "namespace": "winter",
    "doc": "one source found in a difference image (after mirar's winter.alert)",
    "fields": [
        {"name": "schemavsn", "type": "string"},
        {"name": "publisher", "type": "string"},
        {"name": "objectId", "type": "string"},
        {"name": "candid", "type": "long"},
        {
            "name": "candidate",
            "type": _record(
                "candidate",
                [
                    {"name": "progname", "type": "string"},
                    {"name": "boardid", "type": "int"},
                    {"name": "fieldid", "type": "int"},
                    {"name": "exptime", "type": "float"},
                    {"name": "isdiffpos", "type": "boolean"},
                    {"name": "ndethist", "type": "int"},
                ],
            ),
        },
        {
            "name": "prv_candidates",
            "type": ["null", {"type": "array", "items": _record("prv_candidate", [])}],
        },
        {"name": "cutoutScience", "type": "bytes", "doc": "gzipped FITS"},
        {"name": "cutoutTemplate", "type": "bytes", "doc": "gzipped FITS"},
        {"name": "cutoutDifference", "type": "bytes", "doc": "gzipped FITS"},
    ],
}
"""The schema of one alert: `winter.alert` (mirar, `winter.alert.avsc`), shortened."""


def avro_file(holding: Holding, seed: int, scale: float, revision: int) -> bytes:
    """Return the bytes of an Avro product: a pure function of its arguments."""
    key = (seed, "avro", holding.product.savepath, revision)
    chance = generator(*key)
    count = max(2, round(_SOURCES_AT_FULL_SCALE * scale))
    alerts = [_alert(holding, number, chance, scale) for number in range(count)]
    stream = io.BytesIO()
    # fastavro would draw a new marker each time; the content must not depend on the moment.
    marker = hashlib.md5(repr(key).encode(), usedforsecurity=False).digest()
    fastavro.writer(stream, _schema(), alerts, codec="null", sync_marker=marker)
    return stream.getvalue()


def _alert(
    holding: Holding, number: int, chance: np.random.Generator, scale: float
) -> dict[str, Any]:
    visit = holding.visit
    edge = max(_SMALLEST_CUTOUT, round(_CUTOUT_AT_FULL_SCALE * scale))
    candidate = _candidate(holding, number, chance, scale)
    earlier = [
        {**candidate, "candid": candidate["candid"] - back, "jd": candidate["jd"] - back}
        for back in range(1, int(chance.integers(1, 4)))
    ]
    candidate |= {
        "progname": visit.program,
        "boardid": holding.board or 0,
        "fieldid": visit.field_id,
        "exptime": visit.seconds * len(visit.dithers),
        "isdiffpos": bool(chance.random() < 0.8),  # noqa: PLR2004 - more appear than vanish
        "ndethist": len(earlier) + 1,
    }
    return {
        "schemavsn": "0.1",
        "publisher": "winter-sync simulator",
        "objectId": f"WNTR{visit.night.name[2:4]}{candidate['candid'] % 26**5:07d}",
        "candid": candidate["candid"],
        "candidate": candidate,
        "prv_candidates": earlier or None,
        "cutoutScience": _cutout(chance, edge, 400.0),
        "cutoutTemplate": _cutout(chance, edge, 150.0),
        "cutoutDifference": _cutout(chance, edge, 250.0),
    }


def _candidate(
    holding: Holding, number: int, chance: np.random.Generator, scale: float
) -> dict[str, Any]:
    frame = frame_of(holding, scale)
    rows, columns = frame.shape
    board = holding.board or 0
    x, y = float(chance.uniform(1, columns)), float(chance.uniform(1, rows))
    ra, dec = on_sky(frame.ra, frame.dec, *frame.plane_of(x, y))
    return {
        "candid": int(holding.dither.start.timestamp()) * 10_000 + board * 1000 + number,
        "jd": _UNIX_JD + holding.dither.start.timestamp() / timedelta(days=1).total_seconds(),
        "fid": holding.visit.fid,
        "ra": ra,
        "dec": dec,
        "magpsf": float(chance.uniform(14, 19)),
        "sigmapsf": float(chance.uniform(0.01, 0.2)),
        "magap": float(chance.uniform(14, 19)),
        "sigmagap": float(chance.uniform(0.01, 0.2)),
        "xpos": x,
        "ypos": y,
        "fwhm": 2.4,
        "rb": float(chance.random()),
    }


def _cutout(chance: np.random.Generator, edge: int, peak: float) -> bytes:
    """Write a small FITS image of one source; the header is the same for all of one size."""
    image = chance.standard_normal((edge, edge), dtype=np.float32) * np.float32(20)
    image += np.float32(peak) * _source(edge)
    pixels = image.astype(">f4").tobytes()
    padding = b"\0" * (-len(pixels) % _BLOCK)
    return gzip.compress(_cutout_header(edge) + pixels + padding, compresslevel=1, mtime=0)


@lru_cache(maxsize=8)
def _source(edge: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    away = np.arange(edge) - edge // 2
    profile = np.exp(-(away**2) / 4.0)
    return (profile[:, None] * profile[None, :]).astype(np.float32)


@lru_cache(maxsize=8)
def _cutout_header(edge: int) -> bytes:
    header = fits.PrimaryHDU(np.zeros((edge, edge), dtype=">f4")).header
    return str(header.tostring()).encode("ascii")


@cache
def _schema() -> Any:  # noqa: ANN401 - fastavro's own parsed form
    return fastavro.parse_schema(SCHEMA)
