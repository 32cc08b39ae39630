"""Headers that are read without astropy say what they say to astropy, to the last bit."""

from __future__ import annotations

import io
import tempfile
import warnings
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import example, given
from hypothesis import strategies as st
from support.headers import (
    AXES,
    EXPOSURE,
    STACK,
    compressed,
    exposure,
    header_of,
    image_product,
    raw_image,
    wcs_cards,
)

from winter_sync.core import FileFormat, ImageType, Instrument
from winter_sync.formats import read_facts
from winter_sync.formats.footprints import sky_of
from winter_sync.formats.image_headers import ImageHeader
from winter_sync.simulator import Observatory, Universe

if TYPE_CHECKING:
    from random import Random

    from winter_sync.core import Facts, Product

BLOCK = 2880
ODD = b"HIERARCH NO PLAIN CARD = 1"
"""A card that says nothing, and that only astropy reads: so it reads the whole header."""
KEYS = sorted(
    {*EXPOSURE, *STACK, *wcs_cards(), "ZP_AUTO_STD", "XTENSION", "ZIMAGE", "NAXIS1"}
    - {"HIERARCH ZP_AUTO_STD"}
)


def astropy_of(text: bytes) -> fits.Header | None:
    """Return a header as astropy reads it; None if it raises."""
    try:
        return fits.Header.fromstring(text)
    except Exception:  # noqa: BLE001 - whatever astropy raises
        return None


def ours_of(text: bytes) -> ImageHeader | None:
    """Return a header as we read it; None if that raises."""
    try:
        return ImageHeader(text)
    except Exception:  # noqa: BLE001 - as above
        return None


def said(header: Any, key: str) -> str:  # noqa: ANN401 - ours or astropy's
    """Return what a header says of a key: its value and its type, or that reading it raises."""
    try:
        return repr(header.get(key, "no such card"))
    except Exception:  # noqa: BLE001 - as above
        return "it raises"


def is_plain(header: ImageHeader) -> bool:
    """Return whether nothing of a header was read by astropy."""
    return "astropy" not in vars(header)


def text_of(*cards: bytes) -> bytes:
    """Return the blocks of a header."""
    text = b"".join(card[:80].ljust(80) for card in (*cards, b"END"))
    return text + b" " * (-len(text) % BLOCK)


def facts_of(content: bytes, of: Product) -> Facts:
    """Read the facts of a file."""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        return read_facts(file, of)


# --- real headers ---------------------------------------------------------------------------------


@cache
def simulated() -> dict[str, tuple[Product, bytes]]:
    """Return an image of each kind of product, of both cameras, and some with odd forms."""
    observatory = Observatory(Universe())
    images = {
        f"{product.instrument} {product.image_type}": product
        for camera in Instrument
        for image_type in ImageType
        for product in observatory.products(image_type=image_type, instrument=camera)
        if image_type.traits.file_format is FileFormat.FITS
    }
    found = {
        kind: (product, observatory.content(*product.identity)) for kind, product in images.items()
    }
    stack = image_product(ImageType.STACK, ending=".fz")
    found["compressed"] = stack, compressed({**STACK, **wcs_cards()})
    found["boards"] = image_product(ImageType.EXPOSURE), exposure()
    return found


def test_every_image_of_the_simulator_is_read_alike() -> None:
    """Each card of each header of each kind of product, those of facts and WCS without astropy."""
    assert len(simulated()) > 6
    for kind, (_, content) in simulated().items():
        with fits.open(io.BytesIO(content), disable_image_compression=True) as hdus:
            for hdu in hdus:
                ours = ImageHeader(hdu.header.tostring().encode("ascii"))
                sky = sky_of(ours, AXES, 0)
                assert (sky is None) == ("CTYPE1" not in hdu.header)
                assert all(said(ours, key) == said(hdu.header, key) for key in KEYS), kind
                assert is_plain(ours), kind
                for key in set(hdu.header) - {"", "COMMENT", "HISTORY"}:
                    assert said(ours, key) == said(hdu.header, key), (kind, key)


def test_every_image_of_the_simulator_is_where_astropy_puts_it() -> None:
    """To the last bit: the corners and sizes of `fits.open` and `calc_footprint`."""
    for kind, (product, content) in simulated().items():
        facts = facts_of(content, product)
        expected = []
        with fits.open(io.BytesIO(content), disable_image_compression=True) as hdus:
            for number, hdu in enumerate(hdus):
                z = "Z" if hdu.header.get("ZIMAGE") else ""
                if "CTYPE1" in hdu.header:
                    axes = hdu.header[f"{z}NAXIS1"], hdu.header[f"{z}NAXIS2"]
                    corners = wcs_of(hdu.header).calc_footprint(axes=axes, center=False)
                    expected.append((number, [(ra % 360.0, dec) for ra, dec in corners.tolist()]))
        footprints = [(each.extension, list(each.corners)) for each in facts.footprints]
        assert footprints == expected, kind
        assert facts.note is None


def wcs_of(header: fits.Header) -> WCS:
    """Return the celestial WCS of a header; that times are written anew is nothing to warn of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return WCS(header).celestial


def test_headers_of_every_kind_say_the_same_through_astropy() -> None:
    """All facts, where one more card leaves the whole header to astropy."""
    for kind, (product, content) in simulated().items():
        assert facts_of(content, product) == facts_of(with_odd_card(content), product), kind


def with_odd_card(content: bytes) -> bytes:
    """Return a file with one more card in each header, which leaves the header to astropy."""
    written = io.BytesIO()
    with fits.open(io.BytesIO(content), disable_image_compression=True) as hdus:
        for hdu in hdus:
            text = hdu.header.tostring().encode("ascii")
            cards = [text[at : at + 80] for at in range(0, len(text), 80)]
            odd = text_of(*cards[: cards.index(b"END".ljust(80))], ODD)
            assert not is_plain(ImageHeader(odd))
            start, size = hdu.fileinfo()["datLoc"], hdu.fileinfo()["datSpan"]
            written.write(odd + content[start : start + size])
    return written.getvalue()


# --- any header -----------------------------------------------------------------------------------

_NAMES = st.sampled_from(["TARGNAME", "EXPTIME", "FID", "FILTERID", "AIRMASS", "CRVAL1"])
_TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40)
_NUMBERS = st.one_of(
    st.integers(-(10**25), 10**25).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(lambda value: repr(value).upper()),
    st.from_regex(r"[+-]?[0-9]{0,4}\.?[0-9]{0,4}( ?[EDed] ?[+-]?[0-9]{1,2})?", fullmatch=True),
)
_VALUES = st.one_of(
    _TEXTS.map(lambda text: "'" + text.replace("'", "''") + "'"),
    _TEXTS.map("'{}'".format),
    st.sampled_from(["T", "F", "", "'a / b'", "'A.B: 1D5'", "'A: 2'", "'it''s'", "''", "'&'"]),
    st.sampled_from(["(1, 2)", "TRUE", "nan", "0x10", "1_0", "'open", "= 1", "T F", "1 2"]),
    _NUMBERS,
)
_COMMENTS = st.one_of(st.just(""), _TEXTS.map(" / {}".format), _TEXTS.map("/{}".format))
_FORMS = st.sampled_from(
    [
        *("{:8}= {}{}", "{:8}=  {}{}", "{:8}={}{}", "{:8}  {}{}", "{}= {}{}", " {}= {}{}"),
        *("{:9}= {}{}", "HIERARCH {} = {}{}", "HIERARCH  {}= {}{}", "HIERARCH {}={}{}"),
    ]
)
_ODD = st.one_of(
    st.sampled_from(
        [
            *(b"CONTINUE  'more' / text", b"COMMENT = 5", b"HISTORY 'x'", b"", ODD),
            *(b"HIERARCH NO VALUE", b"HIERARCH= 5", b"exptime =  5", b"DP1     = 'A.1: 1D5'"),
        ]
    ),
    st.binary(max_size=80),
)
_CARDS = st.one_of(
    st.builds(
        lambda form, *parts: form.format(*parts).encode(), _FORMS, _NAMES, _VALUES, _COMMENTS
    ),
    _ODD,
)


@given(st.lists(_CARDS, max_size=5))
@example([b"DP1     = 'A.1: 1D5'"])
@example([b"TARGNAME= 'A.1: 15'"])
@example([b"TARGNAME= 'it''s'"])
@example([b"TARGNAME= 'a'' / b'"])
@example([b"TARGNAME= '' / 'a'"])
@example([b"TARGNAME= 'long &'", b"CONTINUE  'er'"])
@example([b"HIERARCH EXPTIME = 5", b"EXPTIME =  6"])
@example([b"EXPTIME =  1D5", b"AIRMASS = 1 E 5"])
def test_any_header_says_what_it_says_to_astropy(cards: list[bytes]) -> None:
    """The value and its type, absence, or that it cannot be read, whatever the cards are."""
    text = text_of(b"SIMPLE  =                    T", *cards)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours, theirs = ours_of(text), astropy_of(text)
        assert (ours is None) == (theirs is None)
        for key in KEYS if ours is not None else []:
            assert said(ours, key) == said(theirs, key), key


@pytest.mark.parametrize(
    "card",
    [
        b"TARGNAME= '2024gy  '           / name of the target, 'as' scheduled",
        b"EXPTIME =               960.0  / seconds",
        b"AIRMASS =  1.1375E+00",
        b"FID     = -99",
        b"DITHNUM =",
        b"HIERARCH ZP_AUTO_STD = 0.031 / mag",
        b"HISTORY anything = 'at' / all",
    ],
)
def test_usual_cards_need_no_astropy(card: bytes) -> None:
    """Neither they nor the others of their header."""
    header = ImageHeader(text_of(b"SIMPLE  =                    T", card))
    assert said(header, "SIMPLE") == "True"
    for key in KEYS:
        said(header, key)
    assert is_plain(header)


# --- any tangential WCS ---------------------------------------------------------------------------

_ANGLES = st.one_of(
    st.floats(-1000, 1000), st.sampled_from([0.0, 90.0, -90.0, 180.0, 360.0, 89.9999, -1e-9])
)
_PIXELS = st.one_of(st.floats(-3000, 3000), st.integers(-3000, 3000))
_SCALES = st.one_of(st.floats(-1e-2, 1e-2), st.sampled_from([0.0, 3e-4, -3e-4, 1, 1e9, 1e-300]))
_CHANGES = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("CRVAL1", "CRVAL2"), _ANGLES),
        **dict.fromkeys(("CRPIX1", "CRPIX2"), _PIXELS),
        **dict.fromkeys(("CD1_1", "CD1_2", "CD2_1", "CD2_2"), _SCALES),
    },
)
_ODD_WORDS: dict[str, list[object]] = {
    "CTYPE1": ["DEC--TAN", "RA---TPV", "RA---SIN", 5],
    "CTYPE2": ["RA---TAN", "DEC--SIN", "GLAT-TAN", 5],
    "CUNIT1": ["deg", "arcsec", "", 5],
    "CUNIT2": ["deg", "DEG", "degree"],
    "RADESYS": ["ICRS", "FK5", "FK4", "", "icrs", 5],
    "EQUINOX": [2000, 2000.0, 1950.0, "J2000", 1e9],
    "WCSAXES": [2, 2.0, 1, 3, "2", True],
    "LONPOLE": [180.0, 0.0, 90.0],
    "PV2_1": [0.0, 1.0],
    "A_ORDER": [2],
    "CDELT1": [1.0, 2.0],
    "CROTA2": [5.0],
    "CTYPE3": ["FREQ"],
    "MJD-OBS": [60000.5],
    "CPDIS1": ["LOOKUP"],
    "CD1_1": [None, "1"],
    "CRVAL1": [None, "1"],
}
_ODD_CARD = st.sampled_from([{key: value} for key in _ODD_WORDS for value in _ODD_WORDS[key]])
_TWICE = st.sampled_from([None, "CRVAL1", "CD1_1", "CTYPE1"])


def written_card(key: str, value: object) -> bytes:
    """Return a card as astropy writes it."""
    return str(fits.Card(key, value)).encode("ascii")


@given(_CHANGES, st.one_of(st.just({}), _ODD_CARD), _TWICE, st.randoms(use_true_random=False))
def test_any_wcs_is_where_astropy_puts_it(
    changes: dict[str, float], odd: dict[str, object], twice: str | None, random: Random
) -> None:
    """To the last bit, with the same note, in any order of cards, also where one is there twice."""
    values = {**wcs_cards(), **changes, **odd}
    cards = [written_card(key, value) for key, value in values.items() if value is not None]
    if twice is not None:
        cards.append(written_card(twice, wcs_cards(20.0, 30.0, 0.5)[twice]))
    random.shuffle(cards)
    of = image_product(ImageType.STACK)
    usual = [str(card).encode() for card in header_of(STACK).cards]
    ours = facts_of(raw_image([*usual, *cards]), of)
    assert ours == facts_of(raw_image([*usual, *cards, ODD]), of)
    assert (ours.width, ours.height) == AXES
