"""Positions as astronomers write them."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from winter_sync.pages.words import sexagesimal


@given(ra=st.floats(0, 360, exclude_max=True), dec=st.floats(-90, 90))
@example(ra=359.99999999, dec=-0.00001)
@example(ra=0.0, dec=89.9999999)
def test_sexagesimal_positions_are_the_same_positions(ra: float, dec: float) -> None:
    """To the digits that are written; no sixty stands in them, and the sign is kept near zero."""
    right_ascension, declination = sexagesimal((ra, dec))
    hours, minutes, seconds = right_ascension.split()
    difference = 15 * (int(hours) + int(minutes) / 60 + float(seconds) / 3600) - ra
    assert abs((difference + 180) % 360 - 180) <= 0.0051 * 15 / 3600
    assert int(hours) < 24
    degrees, arcminutes, arcseconds = declination[1:].split()
    size = int(degrees) + int(arcminutes) / 60 + float(arcseconds) / 3600
    assert abs(size - abs(dec)) <= 0.051 / 3600
    assert declination[0] == ("-" if dec < 0 else "+")
    for part in (minutes, seconds, arcminutes, arcseconds):
        assert float(part) < 60
