"""Facts of an image file, from its headers and its name: no data are read.

The cards are those of winter-api.md, "Header cards by product". A header that is odd costs what
it says wrongly, and a note; never the rest.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence  # noqa: TC003 - of a type that is written below
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, BinaryIO

from winter_sync.core import (
    FILTER_NAMES,
    DamagedFileError,
    Facts,
    Footprint,
    ImageType,
    exposure_time,
    filter_name,
    separation,
)
from winter_sync.formats import fits
from winter_sync.formats.findings import Findings
from winter_sync.formats.footprints import OddWcsError, sky_of
from winter_sync.formats.gzip_stream import GzipReader
from winter_sync.formats.header_cards import Cards
from winter_sync.formats.image_headers import ImageHeader
from winter_sync.formats.reader import FileReader

if TYPE_CHECKING:
    from winter_sync.core import Position, Product

_TEXT_BLOCKS = 200
"""Blocks of a header that are read, 7200 cards; those of the pipeline have about 400 cards."""
_MOST_IMAGES = 64
"""Images of a file whose sky is worked out; an exposure has six."""
_LONGEST_AXIS = 1_000_000
_LONGEST_NOTE = 300
_MJD_EPOCH = datetime(1858, 11, 17, tzinfo=UTC)
_STACKED = frozenset({ImageType.STACK, ImageType.DIFF})
_BOARD = re.compile(r"_mef_(\d{1,2})_\d+_\d+(?=[_.])")
_FILTERS = {"h": "Hs", **{name.lower(): name for name in FILTER_NAMES.values()}}
"""Short names by what headers say, in lower case: raw images say H of Hs. All others stay."""
_SHORT = 8
_DEGREE = 3600.0
"""Arcseconds."""
_MOST = 1e9
"""Seconds, counts, exposures: more is no measurement."""
_NEAR = 90.0
"""Degrees."""
_DECIMALS = 8
"""Of a degree, in computed positions: less than 0.1 milliarcseconds, more would be noise."""
_MAGNITUDES = (-50.0, 50.0)


@dataclass(slots=True)
class _Image:
    """A 2-D image: the number of its HDU, its header, its width and height."""

    number: int
    header: ImageHeader
    axes: tuple[int, int]


@dataclass(slots=True)
class _Headers:
    """The headers of a file, as far as they could be read."""

    primary: ImageHeader | None = None
    images: list[_Image] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_facts(file: int | BinaryIO, product: Product) -> Facts:
    """Return the facts of a file that belongs to a product.

    Reads at most 200 blocks of each header; a file inside gzip is inflated, up to 1 GiB, and
    nothing of it kept. A file that is not FITS has only the facts that its name tells, and a note.

    Parameters
    ----------
    file
        A descriptor open for reading, or a file that has one. Its position is not used.
    product
        Whose file it is.

    Raises
    ------
    OSError
        If the disk fails to read.
    """
    descriptor = file if isinstance(file, int) else file.fileno()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # astropy warns of odd cards; the notes say so
        return _facts_of(_read_headers(FileReader(descriptor, product.filename)), product)


def facts_without_file(product: Product, note: str) -> Facts:
    """Return what the name of a product tells, and why its file tells nothing."""
    started = exposure_time(product.filename)
    return Facts(
        started_at=started,
        mjd=_mjd(started) if started else None,
        board=_board_in_name(product.filename),
        note=note,
    )


# --- headers -------------------------------------------------------------------------------------


def _read_headers(reader: FileReader) -> _Headers:
    """Read the headers of a file up to where it is broken."""
    headers = _Headers()
    try:
        inside = GzipReader(reader) if reader.filename.lower().endswith(".gz") else reader
        for hdu in fits.hdus_of(inside, Findings(inside), text_blocks=_TEXT_BLOCKS):
            _add_header(headers, hdu.number, hdu.header.text)
            if len(headers.images) == _MOST_IMAGES:
                headers.notes.append(f"only the first {_MOST_IMAGES} images were read")
                break
    except DamagedFileError:
        headers.notes.append("its structure is broken")
    return headers


def _add_header(headers: _Headers, number: int, text: bytes) -> None:
    try:
        header = ImageHeader(text)
        axes = _axes(header)
    except Exception:  # noqa: BLE001 - astropy raises what it likes of what it cannot parse
        headers.notes.append(f"the header of HDU {number} cannot be read")
        return
    if headers.primary is None:
        headers.primary = header
    if axes is not None:
        headers.images.append(_Image(number, header, axes))


def _axes(header: ImageHeader) -> tuple[int, int] | None:
    """Return the width and height of a 2-D image, plain or tile-compressed; None of all else."""
    z = "Z" if header.get("ZIMAGE") is True else ""
    if not z and header.get("XTENSION", "IMAGE").strip() != "IMAGE":
        return None
    if header.get(f"{z}NAXIS") != 2:  # noqa: PLR2004 - two axes
        return None
    width, height = int(header.get(f"{z}NAXIS1")), int(header.get(f"{z}NAXIS2"))
    if not (0 < width <= _LONGEST_AXIS and 0 < height <= _LONGEST_AXIS):
        return None
    return width, height


# --- facts ---------------------------------------------------------------------------------------


def _facts_of(headers: _Headers, product: Product) -> Facts:
    if headers.primary is None:
        return facts_without_file(product, "; ".join(headers.notes) or "it has no header")
    first = headers.images[0] if headers.images else None
    behind = [first.header] if first and first.header is not headers.primary else []
    cards = Cards([headers.primary, *behind])
    facts = _facts_in(cards, product)
    footprints, pixel_scale, odd = _skies(headers.images)
    ra, dec = _center(footprints, cards)
    return replace(
        facts,
        board=None if len(headers.images) > 1 else facts.board,
        ra=ra,
        dec=dec,
        pixel_scale=pixel_scale,
        width=first.axes[0] if first else None,
        height=first.axes[1] if first else None,
        footprints=footprints,
        note="; ".join([*headers.notes, *cards.notes, *odd])[:_LONGEST_NOTE] or None,
    )


def _facts_in(cards: Cards, product: Product) -> Facts:
    """Return what the cards say, without the sky."""
    is_stacked = product.image_type in _STACKED
    started = _start(cards, product, is_stacked=is_stacked)
    target_ra, target_dec = _position(cards, "TARGRA", "TARGDEC")
    zero_point, zero_point_error = _zero_point(cards)
    error = cards.number("ASTUNC", 0.0, 180.0)
    return Facts(
        started_at=started,
        mjd=_mjd(started) if started else None,
        filter=_filter(cards, product),
        exposure_time=cards.number("EXPTIME", 0.0, _MOST),
        coadds=cards.integer("COADDS", 1, int(_MOST)),
        dither=None if is_stacked else cards.integer("DITHNUM", 1, int(_MOST)),
        dithers=cards.integer("NUMDITHS", 1, int(_MOST)),
        board=_board(cards, product),
        target=cards.text("TARGNAME") or cards.text("TARGET"),
        target_ra=target_ra,
        target_dec=target_dec,
        airmass=_airmass(cards),
        zero_point=zero_point,
        zero_point_error=zero_point_error,
        limiting_magnitude=cards.number("MAGLIM", *_MAGNITUDES),
        seeing=cards.number("FWHM_MED", 1e-6, 3600.0),
        astrometric_error=None if error is None else error * _DEGREE,
        background=cards.number("MEDCOUNT", -1e30, 1e30),
    )


def _start(cards: Cards, product: Product, *, is_stacked: bool) -> datetime | None:
    """Return the start of the exposure, of a stack that of its first.

    DATE-OBS of the camera's own files is no ISO time, UTCISO is. A stack's DATE-OBS is the
    earliest of its exposures, where its other cards are those of any.
    """
    written = cards.instant("UTCISO")
    observed = cards.instant("DATE-OBS", iso=False)
    first, second = (observed, written) if is_stacked else (written, observed)
    return first or second or exposure_time(product.filename)


def _mjd(instant: datetime) -> float:
    return (instant - _MJD_EPOCH) / timedelta(days=1)


def _filter(cards: Cards, product: Product) -> str | None:
    """Return the short name of the filter; FILTER of an exposure is a long one."""
    if (name := cards.text("FILTERID")) is not None:
        return _FILTERS.get(name.lower(), name)
    name = cards.text("FILTER")
    if name is not None and len(name) <= _SHORT:
        return _FILTERS.get(name.lower(), name)
    listed = filter_name(product.instrument, cards.integer("FID", -int(_MOST), int(_MOST)))
    is_named = listed is not None and not listed.lstrip("-").isdigit()
    return listed if is_named else name or listed


def _board(cards: Cards, product: Product) -> int | None:
    board = cards.integer("BOARD_ID", 0, 99)
    return _board_in_name(product.filename) if board is None else board


def _board_in_name(filename: str) -> int | None:
    match = _BOARD.search(filename)
    return int(match[1]) if match else None


def _airmass(cards: Cards) -> float | None:
    """Return the airmass; some formulas give a little less than 1 at the zenith."""
    airmass = cards.number("AIRMASS", 0.99, 1000.0)
    return None if airmass is None else max(airmass, 1.0)


def _zero_point(cards: Cards) -> tuple[float | None, float | None]:
    """Return the zero point of the automatic apertures and its error, otherwise the other one."""
    for value, error in (("ZP_AUTO", "ZP_AUTO_STD"), ("ZP", "ZPSTD")):
        if (zero_point := cards.number(value, *_MAGNITUDES)) is not None:
            return zero_point, cards.number(error, 0.0, _MAGNITUDES[1])
    return None, None


def _position(cards: Cards, ra: str, dec: str) -> tuple[float | None, float | None]:
    """Return a position in degrees; both or none."""
    values = cards.number(ra, 0.0, 360.0), cards.number(dec, -90.0, 90.0)
    if values[0] is None or values[1] is None:
        return None, None
    return values[0] % 360.0, values[1]


def _center(footprints: Sequence[Footprint], cards: Cards) -> tuple[float | None, float | None]:
    """Return the centre of all that the file shows, otherwise where the telescope pointed."""
    corners = tuple(corner for footprint in footprints for corner in footprint.corners)
    if corners and _are_near(corners):
        ra, dec = Footprint(corners).center
        return round(ra, _DECIMALS) % 360.0, round(dec, _DECIMALS)
    pointing = _position(cards, "RADEG", "DECDEG")
    if pointing[0] is not None:
        return pointing
    # RA and DEC of the camera's own files are sexagesimal text, of which nothing need be noted.
    return _position(cards.unnoted(), "RA", "DEC")


def _are_near(corners: Sequence[Position]) -> bool:
    """Return whether corners are so near each other that their middle is defined."""
    return all(separation(corners[0], corner) < _NEAR for corner in corners)


def _skies(
    images: Sequence[_Image],
) -> tuple[tuple[Footprint, ...], float | None, list[str]]:
    """Return the footprints of images, the pixel scale of the first, and what is odd."""
    footprints, notes = [], []
    scale = None
    for image in images:
        try:
            sky = sky_of(image.header, image.axes, image.number)
        except OddWcsError as odd:
            notes.append(f"HDU {image.number}: {odd}")
            continue
        if sky is not None:
            footprints.append(sky.footprint)
            scale = scale or sky.pixel_scale
    return tuple(footprints), scale, notes
