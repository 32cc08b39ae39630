"""Positions, angles and regions on the sky as people write them, in degrees."""

from __future__ import annotations

import re

from winter_sync.core import Cone, ErrorCode, Rectangle, UsageError

Position = tuple[float, float]
"""Right ascension and declination, degrees."""

DEFAULT_RADIUS = 1.0
"""The radius of a cone that names none, in degrees: the archive's own (winter-api.md,
"Endpoints")."""
_MAX_RADIUS = 90.0
_FULL_CIRCLE = 360.0
_POLE = 90.0
_SIXTY = 60.0
_DEGREES_AN_HOUR = 15.0

_EXAMPLES = (
    'Write it in degrees, "150.96 17.82", or in hours and degrees, "10h03m50s +17d49m" or '
    '"10:03:50 +17:49:00".'
)
_NUMBER = r"\d+(?:\.\d*)?|\.\d+"
_DECIMAL = re.compile(rf"([+-]?)({_NUMBER})(?:d|deg)?", re.ASCII)
_COLONS = re.compile(rf"([+-]?)(\d+):(\d+)(?::({_NUMBER}))?", re.ASCII)
_UNITS = re.compile(
    rf"([+-]?)(\d+)([hd])(?:(\d+|(?:{_NUMBER})(?=m$))m(?:({_NUMBER})s)?)?", re.ASCII
)
_ANGLE = re.compile(rf"({_NUMBER})\s*([a-z]*)", re.ASCII)
_ANGLE_UNITS = {
    **dict.fromkeys(("d", "deg", "degree", "degrees"), 1.0),
    **dict.fromkeys(("m", "arcmin", "arcminute", "arcminutes"), 1 / _SIXTY),
    **dict.fromkeys(("s", "arcsec", "arcsecond", "arcseconds"), 1 / _SIXTY**2),
}
_LETTERS = (
    ("\u2212", "-"),  # minus sign
    ("\u2013", "-"),  # en dash
    ("\u00b0", "d"),
    ("''", "s"),
    ('"', "s"),
    ("\u2033", "s"),  # double prime
    ("\u201d", "s"),  # double quotation mark
    ("'", "m"),
    ("\u2032", "m"),  # prime
    ("\u2019", "m"),  # quotation mark
)
"""What is written or pasted for the letters and signs that are read."""


def parse_position(text: str) -> Position:
    """Read a position: right ascension and declination, in degrees or in hours and degrees.

    Raises
    ------
    UsageError
        If the text is not a position on the sky.
    """
    parts = _two_parts(_tidied(text))
    if parts is None:
        raise UsageError(
            f"{text!r} is not a position on the sky", remedy=_EXAMPLES, code=ErrorCode.USE_PLACE
        )
    return _right_ascension(parts[0]), _declination(parts[1])


def parse_angle(text: str, *, unit: str = "deg") -> float:
    """Read an angle such as "1", "0.5d", "5'", "5arcmin", "60s" or "60arcsec", in degrees.

    Parameters
    ----------
    text
        What was written.
    unit
        The unit of a bare number: "deg", "arcmin" or "arcsec".

    Raises
    ------
    UsageError
        If the text is anything else.
    """
    match = _ANGLE.fullmatch(_plain(text))
    scale = _ANGLE_UNITS.get(match[2] or unit) if match else None
    if match is None or scale is None:
        raise UsageError(
            f"{text!r} is not an angle",
            remedy='Write a number and its unit: "1d", "5m" or "60s" for degrees, arcminutes or '
            f"arcseconds; without a unit it is in {unit}.",
            code=ErrorCode.USE_PLACE,
        )
    return float(match[1]) * scale


def split_cone(text: str) -> tuple[str, float]:
    """Read "CENTRE,RADIUS" or "CENTRE"; the centre is left as it is: a position or a name.

    Raises
    ------
    UsageError
        If the radius is no angle above 0 and at most 90 degrees.
    """
    parts = [part.strip() for part in text.split(",")]
    if len(parts) == 1 or (len(parts) == 2 and _is_position(text)):  # noqa: PLR2004 - RA,DEC
        return text.strip(), DEFAULT_RADIUS
    radius = parse_angle(parts[-1])
    if not 0.0 < radius <= _MAX_RADIUS:
        raise UsageError(
            f"the radius of a cone is more than 0 and at most 90 degrees, not {parts[-1]}",
            remedy=_CONE_EXAMPLE,
            code=ErrorCode.USE_PLACE,
        )
    return ",".join(parts[:-1]), radius


def parse_cone(text: str) -> Cone:
    """Read "RA,DEC,RADIUS" or "RA DEC,RADIUS"; without a radius it is 1 degree.

    Raises
    ------
    UsageError
        If the text is not a cone.
    """
    centre, radius = split_cone(text)
    try:
        return Cone(*parse_position(centre), radius)
    except UsageError as wrong:
        raise UsageError(wrong.message, remedy=_CONE_EXAMPLE, code=ErrorCode.USE_PLACE) from None


_CONE_EXAMPLE = (
    "Write right ascension, declination and radius in degrees: --cone 150.96,17.82,1; or "
    '--cone "10h03m50s +17d49m,30m".'
)


def parse_rectangle(text: str) -> Rectangle:
    """Read "RA1,RA2,DEC1,DEC2", each as in a position.

    It goes from RA1 eastwards to RA2: RA1 above RA2 means across right ascension 0, and 0,360 all
    around.

    Raises
    ------
    UsageError
        If the text is not a rectangle.
    """
    parts = [_tidied(part) for part in text.split(",")]
    if len(parts) != 4:  # noqa: PLR2004 - it has four edges
        raise UsageError(
            f"{text!r} is not a rectangle", remedy=_RECTANGLE_EXAMPLE, code=ErrorCode.USE_PLACE
        )
    ra_min = _right_ascension(parts[0])
    ra_max = _right_ascension(parts[1]) or _FULL_CIRCLE
    dec_min, dec_max = _declination(parts[2]), _declination(parts[3])
    if ra_min == ra_max or dec_min >= dec_max:
        raise UsageError(
            f"the rectangle {text} has no area", remedy=_RECTANGLE_EXAMPLE, code=ErrorCode.USE_PLACE
        )
    return Rectangle(ra_min, ra_max, dec_min, dec_max)


_RECTANGLE_EXAMPLE = (
    "Write its edges in degrees, RA1,RA2,DEC1,DEC2, with DEC1 below DEC2: --rectangle "
    "146,147,-5,-4; across right ascension 0: --rectangle 359,1,-5,-4."
)


def _is_position(text: str) -> bool:
    try:
        parse_position(text)
    except UsageError:
        return False
    return True


def _plain(text: str) -> str:
    """Return a text in lower case, with plain signs and with letters for units."""
    plain = text.strip().lower()
    for written, read in _LETTERS:
        plain = plain.replace(written, read)
    return plain


def _tidied(text: str) -> str:
    """Return a plain text without spaces inside a coordinate that has units."""
    joined = re.sub(r"(?<=[hd])\s+(?=[\d.]+\s*m)", "", _plain(text))
    joined = re.sub(r"(?<=m)\s+(?=[\d.]+\s*s)", "", joined)
    return re.sub(r"(?<=[\d.])\s+(?=(?:deg|[hdms])(?:\W|\d|$))", "", joined)


def _two_parts(text: str) -> tuple[str, str] | None:
    """Return the texts of the two coordinates; None if there are not two."""
    parts = [part for part in re.split(r"\s*,\s*|\s+", text) if part]
    if len(parts) == 1:
        parts = re.split(r"(?<=[^+-])(?=[+-])", text)
    if len(parts) == 6 and "," not in text:  # noqa: PLR2004 - hours, minutes, seconds, twice
        parts = [":".join(parts[:3]), ":".join(parts[3:])]
    return (parts[0], parts[1]) if len(parts) == 2 else None  # noqa: PLR2004 - RA and Dec


def _right_ascension(text: str) -> float:
    value = _coordinate(text, hours=True)
    if value is None or not 0.0 <= value <= _FULL_CIRCLE:
        raise UsageError(
            f"{text!r} is not a right ascension: 0 to 360 degrees, or 0h to 24h",
            remedy=_EXAMPLES,
            code=ErrorCode.USE_PLACE,
        )
    return value % _FULL_CIRCLE


def _declination(text: str) -> float:
    value = _coordinate(text, hours=False)
    if value is None or not -_POLE <= value <= _POLE:
        raise UsageError(
            f"{text!r} is not a declination: -90 to 90 degrees",
            remedy=_EXAMPLES,
            code=ErrorCode.USE_PLACE,
        )
    return value


def _coordinate(text: str, *, hours: bool) -> float | None:
    """Return a coordinate in degrees; None if it is not written like one.

    Colons mean hours where `hours` says so, as everywhere in astronomy.
    """
    if match := _DECIMAL.fullmatch(text):
        return float(match[1] + match[2])
    if match := _COLONS.fullmatch(text):
        sign, whole, minutes, seconds = match.groups()
        unit = "h" if hours else "d"
    elif match := _UNITS.fullmatch(text):
        sign, whole, unit, minutes, seconds = match.groups()
    else:
        return None
    if unit == "h" and not hours:
        return None
    return _degrees(sign, (whole, minutes, seconds), unit)


def _degrees(sign: str, parts: tuple[str | None, ...], unit: str) -> float | None:
    whole, minutes, seconds = (float(part or 0) for part in parts)
    if minutes >= _SIXTY or seconds >= _SIXTY:
        return None
    value = whole + minutes / _SIXTY + seconds / _SIXTY**2
    return float(f"{sign}1") * value * (_DEGREES_AN_HOUR if unit == "h" else 1.0)
