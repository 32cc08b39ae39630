"""The gnomonic (TAN) projection: places on the sky and in the plane that touches it."""

from __future__ import annotations

import math


def on_sky(ra: float, dec: float, east: float, north: float) -> tuple[float, float]:
    """Return the place (degrees) of a point of the plane that touches the sky at (ra, dec).

    `east` and `north` are degrees in the plane, as the CD matrix of a TAN image gives them
    (Calabretta & Greisen 2002, section 5.1.3).
    """
    xi, eta = math.radians(east), math.radians(north)
    dec0 = math.radians(dec)
    along = math.cos(dec0) - eta * math.sin(dec0)
    turned = math.atan2(xi, along)
    height = math.atan2(math.sin(dec0) + eta * math.cos(dec0), math.hypot(xi, along))
    return (ra + math.degrees(turned)) % 360.0, math.degrees(height)


def in_plane(ra: float, dec: float, place: tuple[float, float]) -> tuple[float, float]:
    """Return where a place falls in the plane that touches the sky at (ra, dec).

    All in degrees; the place must be on the same half of the sky.
    """
    turned, height = math.radians(place[0] - ra), math.radians(place[1])
    dec0 = math.radians(dec)
    depth = math.sin(dec0) * math.sin(height)
    depth += math.cos(dec0) * math.cos(height) * math.cos(turned)
    east = math.cos(height) * math.sin(turned) / depth
    north = math.cos(dec0) * math.sin(height)
    north -= math.sin(dec0) * math.cos(height) * math.cos(turned)
    return math.degrees(east), math.degrees(north / depth)
