"""What headers say: every type of product, and whatever else a header may have in it."""

from __future__ import annotations

import os
import tempfile
from dataclasses import fields, replace
from datetime import UTC, datetime
from math import isclose, isfinite
from typing import TYPE_CHECKING, Any

import pytest
from astropy.io import fits
from astropy.time import Time
from astropy.wcs import WCS
from hypothesis import given
from hypothesis import strategies as st
from support.headers import (
    AXES,
    EXPOSURE,
    RAW,
    STACK,
    compressed,
    exposure,
    gzipped,
    header_of,
    image,
    image_product,
    raw_image,
    wcs_cards,
)
from support.makers import product

from winter_sync.core.traits import ImageType
from winter_sync.formats import read_facts
from winter_sync.maintenance.facts_messages import Read, read_answer, write_answer

if TYPE_CHECKING:
    from winter_sync.core.facts import Facts
    from winter_sync.core.products import Product

START = datetime(2024, 2, 25, 15, 13, 39, 990_000, tzinfo=UTC)
EARLIEST = datetime(2024, 2, 25, 15, 11, 2, 100_000, tzinfo=UTC)


def facts_of(content: bytes, of: Product) -> Facts:
    """Read the facts of a file."""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        return read_facts(file, of)


def stack(**changes: Any) -> Facts:  # noqa: ANN401 - values of cards
    """Read the facts of a stack whose cards are changed; None takes one away."""
    cards = {**STACK, **wcs_cards(), **changes}
    written = {key: value for key, value in cards.items() if value is not None}
    return facts_of(image(written), image_product(ImageType.STACK))


# --- every type -----------------------------------------------------------------------------------


def test_a_stack_says_all_there_is_to_know() -> None:
    """Its own depth, seeing and errors, in the units of `Facts`; the time of its first exposure."""
    facts = stack()
    assert facts.note is None
    assert facts.started_at == EARLIEST
    assert isclose(facts.mjd or 0, Time(EARLIEST.replace(tzinfo=None)).mjd, abs_tol=1e-8)
    assert (facts.filter, facts.exposure_time, facts.coadds) == ("J", 960.0, 8)
    assert (facts.dither, facts.dithers, facts.board) == (None, 8, 4)
    assert (facts.target, facts.target_ra, facts.target_dec) == ("2024gy", 150.9, 17.8)
    assert (facts.zero_point, facts.zero_point_error) == (24.25, 0.031)
    assert (facts.limiting_magnitude, facts.seeing) == (18.42, 2.31)
    assert isclose(facts.astrometric_error or 0, 0.36)
    assert (facts.airmass, facts.background) == (1.1375, 2412.5)
    assert (facts.width, facts.height) == AXES
    assert isclose(facts.pixel_scale or 0, 1.13)
    assert len(facts.footprints) == 1
    assert isclose(facts.ra or 0, 150.96, abs_tol=1e-9)
    assert isclose(facts.dec or 0, 17.82, abs_tol=1e-5)


def test_an_exposure_has_six_footprints() -> None:
    """One a board; its time is UTCISO, since DATE-OBS is not ISO, and it is of no one board."""
    facts = facts_of(exposure(), image_product(ImageType.EXPOSURE))
    assert facts.note is None
    assert [footprint.extension for footprint in facts.footprints] == [1, 2, 3, 4, 5, 6]
    assert len({footprint.corners for footprint in facts.footprints}) == 6
    assert facts.started_at == START
    assert (facts.filter, facts.exposure_time, facts.coadds) == ("J", 120.0, None)
    assert (facts.dither, facts.dithers, facts.board) == (3, 8, None)
    assert (facts.width, facts.height) == AXES
    assert 150.0 < (facts.ra or 0) < 150.4
    assert (facts.ra, facts.dec) == (round(facts.ra or 0, 8), round(facts.dec or 0, 8))


def test_an_exposure_without_wcs_has_its_pointing() -> None:
    """As the camera writes it: no footprint, and where the telescope pointed."""
    content = image(EXPOSURE)
    facts = facts_of(content, image_product(ImageType.EXPOSURE))
    assert facts.footprints == ()
    assert (facts.ra, facts.dec, facts.note) == (150.96, 17.82, None)


def test_a_raw_image_has_its_board_and_background() -> None:
    """The board is that of the header, and where it has none, that of the name."""
    facts = facts_of(image({**RAW, **wcs_cards()}), image_product(ImageType.RAW))
    assert (facts.board, facts.background, facts.dither) == (4, 2412.5, 3)
    bare = {key: value for key, value in RAW.items() if key != "BOARD_ID"}
    assert facts_of(image(bare), image_product(ImageType.RAW)).board == 4


def test_one_board_of_an_exposure_is_named() -> None:
    """An exposure that lacks all boards but one is an image of that one."""
    facts = facts_of(exposure(boards=(5,)), image_product(ImageType.EXPOSURE))
    assert (facts.board, len(facts.footprints)) == (5, 1)


def test_compressed_files_say_the_same() -> None:
    """Inside gzip, and in compressed tiles: the image's own size, not that of the table."""
    plain = stack()
    cards = {**STACK, **wcs_cards()}
    stacked = image_product(ImageType.STACK, ending=".gz")
    assert facts_of(gzipped(image(cards)), stacked) == plain
    stacked = image_product(ImageType.STACK, ending=".fz")
    tiled = facts_of(compressed(cards), stacked)
    assert [footprint.extension for footprint in tiled.footprints] == [1]
    assert replace(tiled, footprints=()) == replace(plain, footprints=())
    assert tiled.footprints[0].corners == plain.footprints[0].corners


def test_the_footprint_is_that_of_astropy_to_the_edges_of_pixels() -> None:
    """Corners are the outer ones of the corner pixels, where the image ends."""
    cards = {**wcs_cards(359.99, -89.5), "CD1_2": 2e-4, "CD2_1": 1e-4}
    facts = facts_of(image({**STACK, **cards}), image_product(ImageType.STACK))
    wcs = WCS(header_of(cards), naxis=2)
    edges = ((0.5, 0.5), (0.5, AXES[1] + 0.5), (AXES[0] + 0.5, AXES[1] + 0.5), (AXES[0] + 0.5, 0.5))
    (footprint,) = facts.footprints
    for (x, y), corner in zip(edges, footprint.corners, strict=True):
        assert tuple(map(float, wcs.all_pix2world(x, y, 1))) == pytest.approx(corner, abs=1e-9)


# --- time, filter, names --------------------------------------------------------------------------


def test_the_time_comes_from_the_name_where_no_card_has_one() -> None:
    """A DATE-OBS that is not ISO is no time, even where a parser would take it for one."""
    facts = stack(**{"UTCISO": None, "DATE-OBS": "20240101 010203.000000"})
    assert (facts.started_at, facts.note) == (START, None)


@pytest.mark.parametrize(
    "written",
    [
        "2024-02-25T15:11:02.100",
        "2024-02-25 15:11:02.1",
        "2024-02-25T15:11:02.100000000Z",
        "2024-02-25T07:11:02.100-08:00",
    ],
)
def test_times_are_read_as_people_write_them(written: str) -> None:
    """UTC unless a zone is named."""
    assert stack(**{"DATE-OBS": written}).started_at == EARLIEST


@pytest.mark.parametrize(
    "written", ["1970-01-01T00:00:00", "2024-02-30T00:00:00", "2024-02-25", "0001-01-01T00:00:00"]
)
def test_a_time_that_cannot_be_is_none(written: str) -> None:
    """A clock that was never set does not date an image; UTCISO that is wrong is noted."""
    facts = stack(**{"DATE-OBS": None, "UTCISO": written})
    assert facts.started_at == START
    assert facts.note == "UTCISO is not an ISO time of this century"


@pytest.mark.parametrize(
    ("cards", "name"),
    [
        ({"FILTERID": "Hs"}, "Hs"),
        ({"FILTERID": "dark"}, "dark"),
        ({"FILTERID": None, "FILTER": "H"}, "Hs"),
        ({"FILTERID": None, "FILTER": "u"}, "u"),
        ({"FILTERID": None, "FILTER": "Z_narrow"}, "Z_narrow"),
        ({"FILTERID": None, "FILTER": None, "FID": 1}, "Y"),
        ({"FILTERID": None, "FILTER": "Mauna Kea Observatories H", "FID": 3}, "Hs"),
        ({"FILTERID": None, "FILTER": "Some new filter", "FID": -99}, "Some new filter"),
        ({"FILTERID": None, "FILTER": None, "FID": -99}, None),
    ],
)
def test_filters_have_their_short_names(cards: dict[str, Any], name: str | None) -> None:
    """An open list: what is not known stays as it is written."""
    facts = stack(**cards)
    assert (facts.filter, facts.note) == (name, None)


def test_a_target_may_have_no_name_and_no_position() -> None:
    """Empty text is what a survey field has there."""
    facts = stack(TARGNAME="", TARGET=None, TARGRA="", TARGDEC="")
    assert (facts.target, facts.target_ra, facts.target_dec, facts.note) == (None, None, None, None)


def test_the_other_zero_point_is_used_where_there_is_one_only() -> None:
    """With its own error, not that of the absent one."""
    facts = stack(ZP_AUTO=-999, **{"HIERARCH ZP_AUTO_STD": 0.5})
    assert (facts.zero_point, facts.zero_point_error) == (24.1, 0.2)


# --- odd headers ----------------------------------------------------------------------------------

UNKNOWN = {
    "AIRMASS": "airmass",
    "ASTUNC": "astrometric_error",
    "MAGLIM": "limiting_magnitude",
    "FWHM_MED": "seeing",
    "EXPTIME": "exposure_time",
    "COADDS": "coadds",
    "MEDCOUNT": "background",
}


@pytest.mark.parametrize(("card", "name"), UNKNOWN.items())
def test_what_the_pipeline_does_not_know_is_null(card: str, name: str) -> None:
    """Its -999 is no number, and no reason for a note."""
    for unknown in (-999, -999.0, "nan", ""):
        facts = stack(**{card: unknown})
        assert (getattr(facts, name), facts.note) == (None, None)


@pytest.mark.parametrize(("card", "name"), UNKNOWN.items())
def test_an_odd_card_costs_itself_and_a_note(card: str, name: str) -> None:
    """All other facts are as they were; the note names the card and not what it says."""
    whole = stack()
    for odd in ("s3cret", True, 1e300, 10**60, -5e5 if card != "MEDCOUNT" else 1e40):
        facts = stack(**{card: odd})
        assert getattr(facts, name) is None
        assert facts.note is not None
        assert card in facts.note
        assert "s3cret" not in facts.note
        assert replace(facts, **{name: getattr(whole, name)}, note=None) == whole


@pytest.mark.parametrize(
    ("cards", "note"),
    [
        ({"CTYPE1": "RA---XYZ"}, "HDU 0: its WCS cannot be read"),
        ({"CD1_1": 0.0}, "HDU 0: its pixel scale is out of range"),
        ({"CRVAL2": 1e5}, "HDU 0: "),
        ({"CD1_1": 30.0, "CD2_2": 30.0}, "HDU 0: "),
        ({"CTYPE1": "GLON-TAN", "CTYPE2": "GLAT-TAN"}, "HDU 0: its coordinates are neither"),
        ({"RADESYS": "FK4", "EQUINOX": 1950.0}, "HDU 0: its coordinates are neither"),
        ({"A_ORDER": 100_000, "B_ORDER": 100_000}, "HDU 0: the order of its SIP"),
        ({"WCSAXES": 90_000}, "HDU 0: WCSAXES is out of range"),
        ({"CPDIS1": "LOOKUP"}, "HDU 0: its WCS has a distortion table"),
    ],
)
def test_an_odd_wcs_costs_the_footprint(cards: dict[str, Any], note: str) -> None:
    """The image has no place on the sky then, and its pointing is its centre."""
    facts = stack(**cards)
    assert facts.footprints == ()
    assert (facts.ra, facts.dec, facts.pixel_scale) == (150.96, 17.82, None)
    assert (facts.note or "").startswith(note)
    assert facts.limiting_magnitude == 18.42


def test_an_odd_board_costs_no_other_its_footprint() -> None:
    """Five of six are where they are."""
    content = bytearray(exposure())
    at = content.index(b"CTYPE1  = 'RA---TAN'", content.index(b"BOARD_ID=                    2"))
    content[at : at + 20] = b"CTYPE1  = 'RA---XYZ'"
    facts = facts_of(bytes(content), image_product(ImageType.EXPOSURE))
    assert [footprint.extension for footprint in facts.footprints] == [1, 3, 4, 5, 6]
    assert facts.note == "HDU 2: its WCS cannot be read"


def test_an_image_of_j2000_is_one_of_icrs() -> None:
    """The two differ by 0.02 arcseconds."""
    assert stack(RADESYS="FK5", EQUINOX=2000.0).footprints == stack().footprints


def test_a_file_that_is_cut_says_what_its_whole_headers_say() -> None:
    """And that it is broken; a file that is not FITS at all has what its name says."""
    facts = facts_of(exposure()[: -2 * 2880], image_product(ImageType.EXPOSURE))
    assert (len(facts.footprints), facts.note) == (5, "its structure is broken")
    facts = facts_of(b"<html>", image_product(ImageType.EXPOSURE))
    assert (facts.started_at, facts.filter) == (START, None)
    assert facts.note == "its structure is broken"


def test_a_table_is_no_image() -> None:
    """Its two axes are rows and bytes."""
    table = fits.BinTableHDU.from_columns([fits.Column("x", "J", array=[1, 2, 3])])
    stream = tempfile.TemporaryFile()  # noqa: SIM115 - closed below
    with stream:
        fits.HDUList([fits.PrimaryHDU(header=header_of(STACK)), table]).writeto(stream)
        facts = read_facts(stream, image_product(ImageType.STACK))
    assert (facts.width, facts.footprints, facts.note) == (None, (), None)


# --- any header -----------------------------------------------------------------------------------

_KEYS = sorted(
    {*EXPOSURE, *STACK, *wcs_cards(), "CUNIT1", "RADESYS", "EQUINOX", "LONPOLE", "PV1_1", "PV2_1"}
    | {"A_ORDER", "A_0_2", "B_ORDER", "WCSAXES", "CDELT1", "CROTA2", "PC1_1", "NAXIS3", "ZIMAGE"}
    | {"CTYPE3", "CRPIX3", "MJDREF", "OBSGEO-X", "VELREF", "CNAME1", "ZNAXIS", "ZNAXIS1", "FID"}
)
_WORDS = ("", "nan", "inf", "-999", "deg", "RA---TAN", "DEC--SIN", "GLAT-CAR", "RA---TPV", "FREQ")
_VALUES = st.one_of(
    st.sampled_from(
        ["T", "F", "", "-999", "nan", "1e308", "1e999", "-1", "90", "91", "360", "(1, 2)"]
    ),
    st.sampled_from([f"'{word:8}'" for word in (*_WORDS, "RA---TAN-SIP", "FK4", "STOKES")]),
    st.integers(-(10**60), 10**60).map(str),
    st.floats(allow_nan=False).map(repr),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=70),
)
_CARDS = st.one_of(
    st.builds(lambda key, value: f"{key:8}= {value}".encode(), st.sampled_from(_KEYS), _VALUES),
    st.builds(
        lambda key, text: f"HIERARCH {key} = {text}".encode(), st.sampled_from(_KEYS), _VALUES
    ),
    st.binary(min_size=1, max_size=80).filter(lambda card: b"\0" not in card),
)
_USUAL = [str(card).encode() for card in header_of({**STACK, **wcs_cards()}).cards]


@given(
    st.sampled_from([ImageType.EXPOSURE, ImageType.RAW, ImageType.STACK]),
    st.lists(_CARDS, max_size=6),
)
def test_no_header_does_harm(image_type: ImageType, odd: list[bytes]) -> None:
    """Whatever it says, facts are numbers that a catalog holds, footprints images on the sky."""
    replaced = {card[:8] for card in odd}
    usual = [card for card in _USUAL if card[:8] not in replaced]
    content = raw_image([*odd, *usual])
    of = image_product(image_type)
    facts = facts_of(content, of)
    for field in fields(facts):
        value = getattr(facts, field.name)
        if isinstance(value, float):
            assert isfinite(value)
            assert value != -999
        if isinstance(value, int):
            assert 0 <= value < 2**31
        if isinstance(value, str):
            assert value
            assert value.isprintable()
    assert (facts.ra is None) == (facts.dec is None)
    assert facts.ra is None or (0 <= facts.ra < 360 and abs(facts.dec or 0) <= 90)
    for footprint in facts.footprints:
        assert len(footprint.corners) == 4
        assert footprint.is_convex
        assert all(map(isfinite, footprint.box))
    assert read_answer(write_answer(Read(facts))) == Read(facts)


@given(st.data())
def test_no_damaged_byte_does_harm(data: st.DataObject) -> None:
    """A few bytes anywhere in a file of six images become others."""
    content = bytearray(exposure())
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    facts = facts_of(bytes(content), image_product(ImageType.EXPOSURE))
    assert all(footprint.is_convex for footprint in facts.footprints)


def test_a_descriptor_keeps_its_position() -> None:
    """Whoever else reads the file is not disturbed."""
    with tempfile.TemporaryFile() as file:
        file.write(image(STACK))
        file.flush()
        os.lseek(file.fileno(), 17, os.SEEK_SET)
        read_facts(file.fileno(), product())
        assert os.lseek(file.fileno(), 0, os.SEEK_CUR) == 17


# --- hostile WCS ----------------------------------------------------------------------------------


def stack_with(*cards: str) -> Facts:
    """Read the facts of a stack with cards of any form behind its own."""
    content = image({**STACK, **wcs_cards()})
    end = content.index(b"END".ljust(80))
    text = content[:end] + b"".join(card.encode().ljust(80) for card in (*cards, "END"))
    data = content[-(-(end + 80) // 2880) * 2880 :]
    return facts_of(text + b" " * (-len(text) % 2880) + data, image_product(ImageType.STACK))


PARAMETERS = [(f"PV{axis}_{number}", 1.0) for axis in range(1, 10) for number in range(100)]


def test_more_parameters_than_wcslib_has_room_for_do_not_reach_it() -> None:
    """It writes beyond its memory otherwise, also for cards that only it takes for cards."""
    refused = stack_with(*[f"{name:8}= {value}" for name, value in PARAMETERS] * 7)
    assert refused.note == "HDU 0: its WCS has too many parameters"
    assert refused.limiting_magnitude == 18.42
    liberal = stack_with(*[f"{name} = {value}" for name, value in PARAMETERS] * 7)
    assert liberal == stack()
