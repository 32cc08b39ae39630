"""Footprints as the Virtual Observatory writes them (STC-S, as in TAP 1.0, section 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winter_sync.core import separation, unit_vector

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from winter_sync.core import Footprint, Position


def region_text(footprints: Sequence[Footprint]) -> str | None:
    """Return the outline of one image, or the union of several; None of none."""
    polygons = [_polygon(footprint) for footprint in footprints]
    match polygons:
        case []:
            return None
        case [numbers]:
            return f"POLYGON ICRS {numbers}"
        case _:
            return f"UNION ICRS ( {' '.join(f'POLYGON {numbers}' for numbers in polygons)} )"


def _polygon(footprint: Footprint) -> str:
    """Return the corners, counter-clockwise as they are seen on the sky (DALI 1.1, "Polygon")."""
    corners = footprint.corners
    if _is_clockwise(corners):
        corners = corners[::-1]
    return " ".join(f"{degrees:.7f}" for corner in corners for degrees in corner)


def _is_clockwise(corners: Sequence[Position]) -> bool:
    """Return whether corners go from north over west to south, as seen from inside the sphere."""
    (ax, ay, az), (bx, by, bz), (cx, cy, cz) = map(unit_vector, corners[:3])
    volume = ax * (by * cz - bz * cy) + ay * (bz * cx - bx * cz) + az * (bx * cy - by * cx)
    return volume > 0


def diameter(footprints: Iterable[Footprint], center: Position) -> float:
    """Return the diameter of the circle around a position that holds all images, in degrees."""
    corners = (corner for footprint in footprints for corner in footprint.corners)
    return 2.0 * max(separation(center, corner) for corner in corners)
