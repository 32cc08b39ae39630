"""Positions, angles, cones and rectangles as people write them."""

from __future__ import annotations

import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from hypothesis import given
from hypothesis import strategies as st

from winter_sync.core.errors import UsageError
from winter_sync.core.queries import Cone, Rectangle
from winter_sync.science import (
    parse_angle,
    parse_cone,
    parse_position,
    parse_rectangle,
    split_cone,
)

EVERYWHERE = st.builds(
    lambda ra, dec: SkyCoord(ra, dec, unit="deg"), st.floats(0, 359.9999), st.floats(-90, 90)
)
STYLES = {
    "10h03m50s +17d49m00s": {"style": "hmsdms"},
    "10:03:50 +17:49:00": {"style": "hmsdms", "sep": ":"},
    "10 03 50 +17 49 00": {"style": "hmsdms", "sep": " "},
    "150.9583 +17.8166": {"style": "decimal"},
    "150d57m30s +17d49m00s": {"style": "dms"},
}


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
@given(position=EVERYWHERE)
def test_a_position_is_read_as_astropy_writes_it(style: dict[str, str], position: SkyCoord) -> None:
    """In every usual notation, anywhere on the sky, poles and RA 0 included."""
    text = position.to_string(**style, precision=8)
    ra, dec = parse_position(text)
    assert SkyCoord(ra, dec, unit="deg").separation(position).arcsec < 1e-3


@given(ra=st.floats(0, 360, exclude_max=True), dec=st.floats(-90, 90), comma=st.booleans())
def test_decimal_degrees_are_read_exactly(ra: float, dec: float, *, comma: bool) -> None:
    """With a comma or a space between them."""
    written = f"{ra:.12f}{',' if comma else ' '}{dec:.12f}"
    if float(f"{ra:.12f}") < 360:
        assert parse_position(written) == (float(f"{ra:.12f}"), float(f"{dec:.12f}"))


@pytest.mark.parametrize(
    "text",
    [
        "10h 03m 50.0s, -17d 49m 03s",
        "10h03m50s -17d49m3s",
        "10:03:50-17:49:03",
        "10h03m50s\u221217\u00b049\u20323\u2033",
        "  150.95833333 , -17.8175 ",
        "150.95833333 deg, -17.8175 deg",
        "150.95833333d-17.8175d",
        "10 03 50 -17 49 03",
        "10H03M50S -17D49M03S",
    ],
)
def test_the_same_position_in_many_ways(text: str) -> None:
    """Spaces, signs, letters and the marks of degrees and minutes."""
    assert parse_position(text) == pytest.approx((150.958333, -17.8175), abs=1e-6)


def test_the_sign_of_a_declination_just_below_zero_counts() -> None:
    """It stands before a zero."""
    assert parse_position("0h -00:30:00") == (0.0, -0.5)
    assert parse_position("0 -00d00m36s") == pytest.approx((0.0, -0.01))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ZTF24aaahxwr",
        "150.9",
        "150.9 17.8 3",
        "361 0",
        "-1 0",
        "0 91",
        "0 -90.01",
        "24h01m 0",
        "10h60m00s +1d",
        "10:03:60 +1:0:0",
        "150 10h",
        "nan nan",
        "inf 0",
        "1e2 0",
        "150,17,1,2",
        "10h03m50s",
        "150 +-17",
    ],
)
def test_what_is_not_a_position_is_refused_with_an_example(text: str) -> None:
    """The remedy shows how to write one."""
    with pytest.raises(UsageError) as refused:
        parse_position(text)
    assert "10h03m50s +17d49m" in refused.value.remedy


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing else happens, and what is read is on the sky."""
    try:
        ra, dec = parse_position(text)
    except UsageError:
        return
    assert 0 <= ra < 360
    assert -90 <= dec <= 90


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", 1 * u.deg),
        ("0.5d", 0.5 * u.deg),
        ("30m", 30 * u.arcmin),
        ("5'", 5 * u.arcmin),
        ("60s", 60 * u.arcsec),
        ('60"', 60 * u.arcsec),
        ("60 arcsec", 60 * u.arcsec),
        ("7.5arcmin", 7.5 * u.arcmin),
    ],
)
def test_angles_have_units(text: str, expected: u.Quantity) -> None:
    """Degrees unless another is written."""
    assert parse_angle(text) == pytest.approx(expected.to_value("deg"))


def test_the_unit_of_a_bare_angle_is_the_caller_s() -> None:
    """The size of a cutout is in arcseconds, the radius of a cone in degrees."""
    assert parse_angle("60", unit="arcsec") == pytest.approx(1 / 60)
    assert parse_angle("1d", unit="arcsec") == 1.0


@pytest.mark.parametrize("text", ["", "x", "5parsec", "-1", "1e5", "nan"])
def test_what_is_not_an_angle_is_refused(text: str) -> None:
    """The remedy names the units."""
    with pytest.raises(UsageError, match="is not an angle") as refused:
        parse_angle(text)
    assert "60s" in refused.value.remedy


@pytest.mark.parametrize(
    ("text", "cone"),
    [
        ("150.96,17.82,1", Cone(150.96, 17.82, 1.0)),
        ("150.96 17.82,30m", Cone(150.96, 17.82, 0.5)),
        ("150.96,-17.82", Cone(150.96, -17.82, 1.0)),
        ("10h00m00s +17d30m,0.25", Cone(150.0, 17.5, 0.25)),
        ("10:00:00,+17:30:00,90", Cone(150.0, 17.5, 90.0)),
    ],
)
def test_cones(text: str, cone: Cone) -> None:
    """The radius is in degrees unless a unit is written, and 1 unless one is."""
    assert parse_cone(text) == cone


@pytest.mark.parametrize("text", ["1,2,0", "1,2,91", "1,2,-1", "1,2,3,4", "name,1", "1", "1,2,"])
def test_what_is_not_a_cone_is_refused_with_an_example(text: str) -> None:
    """The remedy is a line to write."""
    with pytest.raises(UsageError) as refused:
        parse_cone(text)
    assert "150.96,17.82,1" in refused.value.remedy or "60s" in refused.value.remedy


def test_a_cone_may_be_around_a_name() -> None:
    """Its position is looked up by others."""
    assert split_cone("ZTF24aaahxwr, 30m") == ("ZTF24aaahxwr", 0.5)
    assert split_cone("ZTF24aaahxwr") == ("ZTF24aaahxwr", 1.0)


@pytest.mark.parametrize(
    ("text", "rectangle"),
    [
        ("146,147,-5,-4", Rectangle(146.0, 147.0, -5.0, -4.0)),
        ("359,1,-5,-4", Rectangle(359.0, 1.0, -5.0, -4.0)),
        ("0,360,-90,90", Rectangle(0.0, 360.0, -90.0, 90.0)),
        ("350,360,0,1", Rectangle(350.0, 360.0, 0.0, 1.0)),
        ("9h44m,9h48m,-5d,-4d30m", Rectangle(146.0, 147.0, -5.0, -4.5)),
    ],
)
def test_rectangles(text: str, rectangle: Rectangle) -> None:
    """They may cross right ascension 0, and go all around."""
    assert parse_rectangle(text) == rectangle


@pytest.mark.parametrize("text", ["1,2,3", "146,147,-4,-5", "1,1,0,1", "0,361,0,1", "a,b,c,d"])
def test_what_is_not_a_rectangle_is_refused(text: str) -> None:
    """It has four edges and an area."""
    with pytest.raises(UsageError) as refused:
        parse_rectangle(text)
    assert refused.value.remedy
