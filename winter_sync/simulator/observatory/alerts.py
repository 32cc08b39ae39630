"""Writes the Avro files of the simulated pipeline: alerts with their gzipped cutouts."""

from __future__ import annotations

import gzip
import hashlib
import io
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import fastavro
import numpy as np

from winter_sync.simulator.observatory.alert_schema import ALERT, CANDIDATE, PUBLISHER, VERSION
from winter_sync.simulator.observatory.cards import fill, header_bytes
from winter_sync.simulator.observatory.conditions import NOISE, conditions_of
from winter_sync.simulator.observatory.detectors import frame_of
from winter_sync.simulator.observatory.headers import difference_limit, whole_seconds
from winter_sync.simulator.observatory.targets import number_of_program
from winter_sync.simulator.observatory.telescope_headers import julian_date
from winter_sync.simulator.observatory.transients import transients_of
from winter_sync.simulator.sky.starfield import generator
from winter_sync.simulator.sky.tangent import in_plane

if TYPE_CHECKING:
    from datetime import datetime

    from numpy.typing import NDArray

    from winter_sync.simulator.observatory.holdings import Holding
    from winter_sync.simulator.observatory.transients import Transient
    from winter_sync.simulator.sky.frame import Frame

_CUTOUT_AT_FULL_SCALE = 81
_SMALLEST_CUTOUT = 9
_MOST_EARLIER = 3
_MAGNITUDES_A_SIGMA = 1.0857
_REAL_BOGUS = "v2.0.0"
_NULLS = {field["name"]: None for field in CANDIDATE["fields"] if isinstance(field["type"], list)}


def avro_file(holding: Holding, seed: int, scale: float, revision: int) -> bytes:
    """Return the bytes of an Avro product: a pure function of its arguments."""
    key = (seed, "avro", holding.product.savepath, revision)
    packet = _Packet(holding, frame_of(holding, scale), seed, scale, generator(*key))
    alerts = [packet.alert(transient) for transient in transients_of(holding, seed, scale)]
    stream = io.BytesIO()
    # fastavro would draw a new marker each time; the content must not depend on the moment.
    marker = hashlib.md5(repr(key).encode(), usedforsecurity=False).digest()
    fastavro.writer(stream, _schema(), alerts, codec="null", sync_marker=marker)
    return stream.getvalue()


@dataclass(frozen=True, slots=True)
class _Packet:
    """Makes the alerts of one difference image."""

    holding: Holding
    frame: Frame
    seed: int
    scale: float
    chance: np.random.Generator

    def alert(self, transient: Transient) -> dict[str, Any]:
        """Return the alert of a transient, with what was measured of it before."""
        start = self.holding.dither.start
        number = transient.number % (_MOST_EARLIER + 1)
        nights = (start - timedelta(days=back) for back in range(number, 0, -1))
        earlier = [self._measured(transient, night) for night in nights]
        candidate = self._candidate(transient, earlier)
        return {
            "schemavsn": VERSION,
            "publisher": PUBLISHER,
            "objectid": transient.objectid,
            "candid": candidate["candid"],
            "candidate": candidate,
            "prv_candidates": earlier or None,
            **self._cutouts(candidate["magpsf"]),
        }

    def _measured(self, transient: Transient, instant: datetime) -> dict[str, Any]:
        """Return what is said of a detection now and of every earlier one."""
        visit, limit = self.holding.visit, difference_limit(self.holding, self.seed)
        magnitude = transient.magnitude(self.seed, instant)
        ratio = 5.0 * 10.0 ** (0.4 * (limit - magnitude))
        error = _MAGNITUDES_A_SIGMA / ratio
        spread = 0.1 / 3600.0
        return {
            "candid": self._candid(instant, transient),
            "progname": visit.program,
            "jd": julian_date(instant),
            "fid": visit.fid,
            "isdiffpos": True,
            "diffmaglim": limit,
            "fieldid": visit.field_id,
            "ra": (transient.ra + spread * float(self.chance.standard_normal())) % 360.0,
            "dec": transient.dec + spread * float(self.chance.standard_normal()),
            "magpsf": magnitude + error * float(self.chance.standard_normal()),
            "sigmapsf": error,
            "fwhm": conditions_of(self.seed, visit).seeing / 3600.0 / self.frame.pixel,
            "scorr": ratio,
        }

    def _candid(self, instant: datetime, transient: Transient) -> int:
        """Return the number of a detection: a star at an edge can be on two boards."""
        board = self.holding.board or 0
        return (int(instant.timestamp()) * 10 + board) * 10_000 + transient.number

    def _candidate(self, transient: Transient, earlier: list[dict[str, Any]]) -> dict[str, Any]:
        visit = self.holding.visit
        measured = self._measured(transient, self.holding.dither.start)
        return {
            **_NULLS,
            **measured,
            "deprecated": False,
            "isdiffpos": bool(not transient.number or self.chance.random() < 0.8),  # noqa: PLR2004
            "exptime": whole_seconds(visit.seconds) * len(self.holding.contributing),
            "ndethist": len(earlier),
            "jdstarthist": min(each["jd"] for each in (*earlier, measured)),
            "jdendhist": measured["jd"],
            "programid": number_of_program(visit.program),
            "boardid": self.holding.board or 0,
            "tooflag": transient.number == 0,
            "nmtchps": 0,
            "nmtchtm": 0,
            "ztfname": visit.target if transient.name.startswith("ZTF") else None,
            **self._photometry(measured),
            **self._position(measured),
            **self._scores(transient),
        }

    def _photometry(self, measured: dict[str, Any]) -> dict[str, Any]:
        conditions = conditions_of(self.seed, self.holding.visit)
        magnitude, error = measured["magpsf"], measured["sigmapsf"]
        aperture = magnitude + 1.5 * error * float(self.chance.standard_normal())
        return {
            "magzpsci": conditions.zero_point,
            "magzpsciunc": conditions.zero_point_error,
            "magap": aperture,
            "sigmagap": 1.3 * error,
            "magapbig": aperture - 0.02,
            "sigmagapbig": 1.6 * error,
            "magdiff": aperture - magnitude,
            "magfromlim": measured["diffmaglim"] - aperture,
            "chipsf": float(self.chance.uniform(0.7, 1.6)),
            "sky": float(self.chance.normal(0.0, 1.0)),
        }

    def _position(self, measured: dict[str, Any]) -> dict[str, Any]:
        place = measured["ra"], measured["dec"]
        rows, columns = self.frame.shape
        x, y = self.frame.pixel_of(*in_plane(self.frame.ra, self.frame.dec, place))
        return {"xpos": x, "ypos": y, "mindtoedge": min(x, y, columns - x, rows - y)}

    def _scores(self, transient: Transient) -> dict[str, Any]:
        """Draw the real-bogus scores: the target is real, of the others some are not."""
        lowest = 0.05 if transient.number else 0.9
        return {
            "rb": float(self.chance.uniform(lowest, 1.0)),
            "rbversion": _REAL_BOGUS,
            "xrb": float(self.chance.uniform(lowest, 1.0)),
            "xrbversion": _REAL_BOGUS,
        }

    def _cutouts(self, magnitude: float) -> dict[str, bytes]:
        """Return small images: the reference without the source, and those with it."""
        edge = max(_SMALLEST_CUTOUT, round(_CUTOUT_AT_FULL_SCALE * self.scale))
        conditions = conditions_of(self.seed, self.holding.visit)
        sigma = conditions.sigma(self.frame.pixel)
        peak = conditions.peak(magnitude, self.frame.pixel)
        light = np.float32(peak) * _source(edge, round(sigma, 1))
        noises = (self.chance.standard_normal((edge, edge), dtype=np.float32) for _ in range(3))
        template, science, difference = (np.float32(NOISE / 2) * noise for noise in noises)
        return {
            "cutout_science": _packed(science + light),
            "cutout_template": _packed(template),
            "cutout_difference": _packed(difference + light),
        }


def _packed(image: NDArray[np.float32]) -> bytes:
    """Write a small FITS image; the header is the same for all of one size."""
    pixels = image.astype(">f4").tobytes()
    content = _cutout_header(image.shape[0]) + pixels + fill(len(pixels))
    return gzip.compress(content, compresslevel=1, mtime=0)


@lru_cache(maxsize=64)
def _source(edge: int, sigma: float) -> NDArray[np.float32]:
    away = np.arange(edge) - edge // 2
    profile = np.exp(-(away**2) / (2.0 * sigma**2))
    return (profile[:, None] * profile[None, :]).astype(np.float32)


@lru_cache(maxsize=8)
def _cutout_header(edge: int) -> bytes:
    axes = {"NAXIS": (2, ""), "NAXIS1": (edge, ""), "NAXIS2": (edge, "")}
    first = {"SIMPLE": (True, "conforms to FITS standard"), "BITPIX": (-32, "")}
    return header_bytes({**first, **axes})


@cache
def _schema() -> Any:  # noqa: ANN401 - fastavro's own parsed form
    return fastavro.parse_schema(ALERT)
