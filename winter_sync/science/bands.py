"""The wavelengths that a filter lets pass, as far as they are known: nominal, not measured.

No transmission curve of either camera is public. J is the band that the observatory's own software
reckons with (centre 1.235 um, width 0.213 um); Y is that of WFCAM, whose images the pipeline takes
as references; Hs is the Mauna Kea H band, which the detectors cut off at 1.7 um; SPRING's u, g, r
and i are those of SDSS.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Band:
    """A band of wavelengths in vacuum, in metres."""

    shortest: float
    longest: float

    @property
    def resolving_power(self) -> float:
        """The central wavelength over the width."""
        return (self.shortest + self.longest) / 2.0 / (self.longest - self.shortest)


BANDS: Mapping[str, Band] = {
    "u": Band(325.5e-9, 382.5e-9),
    "g": Band(408.5e-9, 545.5e-9),
    "r": Band(554.5e-9, 691.5e-9),
    "i": Band(686.5e-9, 839.5e-9),
    "Y": Band(0.97e-6, 1.07e-6),
    "J": Band(1.1285e-6, 1.3415e-6),
    "Hs": Band(1.49e-6, 1.7e-6),
    "H": Band(1.49e-6, 1.7e-6),
}
"""The pipeline writes H for Hs into the headers of its products (winter-api.md,
"Header cards by product")."""


def band_of(name: str | None) -> Band | None:
    """Return the band of a filter; None of one that is not known, and of darks."""
    return BANDS.get(name) if name else None
