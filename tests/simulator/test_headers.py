"""The simulated headers have the cards of the real products, product by product."""

from __future__ import annotations

import io
import re
import warnings
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from winter_sync.core.traits import ImageType, Instrument
from winter_sync.simulator import DEMO_NIGHT, Observatory, Universe, demo_universe
from winter_sync.simulator.observatory.cards import header_bytes
from winter_sync.simulator.observatory.conditions import UNKNOWN

if TYPE_CHECKING:
    from winter_sync.simulator.observatory.holdings import Holding


def names(text: str) -> set[str]:
    """Return the words of a text."""
    return set(re.findall(r"\S+", text))


# The columns of "Header cards by product" (docs/winter-api.md).
EXPOSURE = names(
    """OBSTYPE OBSMODE FILENAME READOUTM MIRCOVER RA DEC RADEG DECDEG AZIMUTH ALTITUDE AIRMASS
    FOCPOS OBHISTID VEXPTIME PROGPI PROGID PROGNAME NUMDITHS DITHNUM DITHSTEP FIELDID TARGNAME
    SCHDNAME SCHDTYPE TARGRA TARGDEC POINTRA POINTDEC FILTER FILTERID INSTRUME EXPTIME UTC UTCISO
    UTCSHUT OBSJD OBSMJD DATE-OBS TEMPTURE WINDSPD DEWPOINT HUMIDITY PRESSURE MOONALT MOONAZ
    SUNALT SUNAZ SEEING"""
)
BOARD = {"BOARD_ID", "T_ROIC"}
RAW = EXPOSURE | names(
    """UTCTIME MJD-OBS JD OBSCLASS TARGET FID EXPID COADDS GAIN SATURATE NIGHTDATE ITID EXPMJD
    SUBDETID RAWID STACKID SUBCOORD BASENAME RAWPATH SAVEPATH CALSTEPS PROCFAIL DATE
    MEDCOUNT STDDEV"""
)
WINTER_ONLY = {"JD", "EXPID", "SUBDETID", "SUBCOORD", "STDDEV", "SATURATE"}
QUALITY = {"FWHM_MED", "FWHM_STD", "FWHM_PIX", "ASTUNC", "ASTUNC95"}
STACK = (
    RAW
    | QUALITY
    | names(
        """CRVAL1 CRVAL2 CRPIX1 CRPIX2 CD1_1 CD1_2 CD2_1 CD2_2 STCKCMPT WGHTPATH PSFCAT RFCTPATH
        ZP ZPSTD ZPNSTARS ZP_AUTO ZP_AUTO_STD ZP_AUTO_NSTARS MAGSYS MAGLIM DETMAG95 DETMAG50
        DETMAG05"""
    )
)
DIFF = STACK | names(
    """SCORMEAN SCORMED SCORSTD SCORPATH NPSFCAT UNCPATH SCIPATH REFPATH SCORMASK REFFS
    COUNTRMS"""
)
PIPELINE = {
    ImageType.RAW: RAW,
    ImageType.SCIENCE: RAW | QUALITY,
    ImageType.STACK: STACK,
    ImageType.DIFF: DIFF,
}
INVENTED = {"NIGHTDAT", "LOCTIME", "PROCREV", "TEXPTIME"}


@pytest.fixture(scope="module")
def nights() -> Observatory:
    """Return a week of nights, which has every filter and some misfortune."""
    return Observatory(Universe(nights=tuple(DEMO_NIGHT.plus(day) for day in range(7))))


def holdings(
    observatory: Observatory, instrument: Instrument, image_type: ImageType
) -> list[Holding]:
    """Return the products of a kind."""
    return [entry.holding for entry in observatory.entries(None, instrument, image_type)]


def headers(observatory: Observatory, holding: Holding) -> list[Any]:
    """Return the headers of a product's file."""
    content = observatory.content(*holding.product.identity)
    with fits.open(io.BytesIO(content)) as hdus:
        hdus.verify("exception")
        return [hdu.header for hdu in hdus]


@pytest.mark.parametrize("instrument", list(Instrument))
def test_exposures_have_the_cards_of_the_telescope(
    observatory: Observatory, instrument: Instrument
) -> None:
    """The primary header has every card of the table, and each extension its board."""
    for holding in holdings(observatory, instrument, ImageType.EXPOSURE)[:8]:
        primary, *boards = headers(observatory, holding)
        assert set(primary) >= EXPOSURE
        assert ("MJD-OBS" in primary) is (instrument is Instrument.SPRING)
        assert all(set(board) >= BOARD for board in boards)
        assert not INVENTED & set(primary).union(*boards)


def test_exposures_tell_time_and_place_in_the_telescopes_way(observatory: Observatory) -> None:
    """RA is sexagesimal degrees, DATE-OBS is not ISO, and UTCISO is the name's time."""
    for holding in holdings(observatory, Instrument.WINTER, ImageType.EXPOSURE):
        primary = headers(observatory, holding)[0]
        start = holding.dither.start
        assert re.fullmatch(r"\d{8} \d{6}\.\d{6}", primary["DATE-OBS"])
        assert datetime.fromisoformat(primary["UTCISO"]).replace(tzinfo=UTC) == start
        degrees, minutes, seconds = map(float, primary["RA"].split(":"))
        value = degrees + minutes / 60 + seconds / 3600
        assert value == pytest.approx(primary["RADEG"], abs=1e-7)
        assert primary["RADEG"] == holding.dither.ra
        assert (primary["DITHNUM"], primary["NUMDITHS"]) == (holding.dither.number, 4)
        assert primary["FILTER"] != primary["FILTERID"] == holding.visit.filter_name
        assert primary["TARGNAME"] == (holding.visit.target or "")
        assert (primary["TARGRA"] == "") == (holding.visit.target is None)
        assert primary["EXPTIME"] == holding.visit.seconds
        assert 1.0 <= primary["AIRMASS"] < 2.0
        assert primary["SUNALT"] < -12


@pytest.mark.parametrize("instrument", list(Instrument))
@pytest.mark.parametrize("image_type", list(PIPELINE))
def test_the_pipelines_products_have_its_cards(
    observatory: Observatory, instrument: Instrument, image_type: ImageType
) -> None:
    """Raw, science, stack and diff have the cards of the table, and none that we made up."""
    for holding in holdings(observatory, instrument, image_type)[:8]:
        (header,) = headers(observatory, holding)
        lacking = set() if instrument is Instrument.WINTER else WINTER_ONLY
        assert set(header) >= PIPELINE[image_type] - lacking
        assert not lacking & set(header)
        assert not INVENTED & set(header)
        if instrument is Instrument.WINTER:
            assert header["BOARD_ID"] == holding.board


def test_raw_images_have_the_pipelines_ways(nights: Observatory) -> None:
    """FILTER is short, H for Hs; RA is a number, DATE-OBS is ISO and agrees with MJD-OBS."""
    filters = set()
    for holding in holdings(nights, Instrument.WINTER, ImageType.RAW):
        (header,) = headers(nights, holding)
        start, board = holding.dither.start, holding.board or 0
        filters.add((header["FILTER"], header["FILTERID"], header["FID"]))
        assert (header["RA"], header["DEC"]) == (holding.dither.ra, holding.dither.dec)
        assert datetime.fromisoformat(header["DATE-OBS"]).replace(tzinfo=UTC) == start
        assert header["MJD-OBS"] == pytest.approx(start.timestamp() / 86400 + 40587, abs=1e-8)
        assert (header["COADDS"], header["SUBDETID"]) == (1, board + 1)
        assert header["RAWID"] == header["EXPID"] * 100 + board + 1
        assert header["SAVEPATH"] == holding.product.savepath
        assert header["RAWPATH"].endswith(f"/raw/{header['FILENAME']}")
        assert header["EXPTIME"] == round(holding.visit.seconds)
    assert filters <= {("Y", "Y", 1), ("J", "J", 2), ("H", "Hs", 3)}
    assert len(filters) > 1


def test_stacks_are_sums_of_what_they_name(observatory: Observatory) -> None:
    """EXPTIME and COADDS are those of the raw images in RAWPATH and RAWID, which are listed."""
    raws = {
        holding.product.savepath: headers(observatory, holding)[0]
        for holding in holdings(observatory, Instrument.WINTER, ImageType.RAW)
    }
    for holding in holdings(observatory, Instrument.WINTER, ImageType.STACK):
        (header,) = headers(observatory, holding)
        parts = [raws[path] for path in header["RAWPATH"].split(",")]
        assert header["COADDS"] == len(parts) == 4
        assert header["EXPTIME"] == sum(part["EXPTIME"] for part in parts)
        assert header["RAWID"] == ",".join(str(part["RAWID"]) for part in parts)
        assert header["DATE-OBS"] == min(part["DATE-OBS"] for part in parts)
        assert all(part["STACKID"] == header["STACKID"] for part in parts)
        assert header["WGHTPATH"].endswith("_stack.weight.fits")
        # As a file has them: more than eight letters need HIERARCH.
        assert header.cards["ZP_AUTO_STD"].image.startswith("HIERARCH ZP_AUTO_STD")
        assert header.cards["ZP_AUTO_NSTARS"].image.startswith("HIERARCH")


@pytest.mark.parametrize("instrument", list(Instrument))
def test_the_numbers_of_a_stack_agree(instrument: Instrument) -> None:
    """FWHM_PIX follows from FWHM_MED and the pixels, and the limits are in their order."""
    observatory = Observatory(demo_universe(), scale=0.1)
    for holding in holdings(observatory, instrument, ImageType.STACK):
        (header,) = headers(observatory, holding)
        pixel = header["CD2_2"] * 3600
        assert header["FWHM_PIX"] == pytest.approx(header["FWHM_MED"] / pixel, rel=1e-3)
        assert header["DETMAG95"] < header["MAGLIM"] < header["DETMAG05"]
        assert 16 < header["MAGLIM"] < 22
        assert header["ZP"] == header["ZP_AUTO"]


def test_some_stacks_have_no_astrometric_error(nights: Observatory) -> None:
    """ASTUNC is in degrees; SPRING's is now and then -999, which WINTER's table does not take."""
    winter, spring = (
        {
            headers(nights, holding)[0]["ASTUNC"]
            for holding in holdings(nights, instrument, ImageType.STACK)
        }
        for instrument in Instrument
    )
    assert UNKNOWN in spring - winter
    assert all(0 < error * 3600 < 1 for error in winter | spring - {UNKNOWN})


@pytest.mark.parametrize("instrument", list(Instrument))
def test_the_median_of_a_raw_image_is_in_its_header(instrument: Instrument) -> None:
    """MEDCOUNT and STDDEV are those of the empty sky in the image."""
    observatory = Observatory(demo_universe(), scale=0.1)
    for holding in holdings(observatory, instrument, ImageType.RAW)[:4]:
        content = observatory.content(*holding.product.identity)
        with fits.open(io.BytesIO(content)) as hdus:
            header, data = hdus[0].header, hdus[0].data
        assert np.nanmedian(data) == pytest.approx(header["MEDCOUNT"], abs=10)
        if instrument is Instrument.WINTER:
            deviation = 1.4826 * np.nanmedian(np.abs(data - np.nanmedian(data)))
            assert deviation == pytest.approx(header["STDDEV"], rel=0.2)


def test_some_subtractions_have_no_scores() -> None:
    """The statistics of a difference may be undefined, as the pipeline's tables allow."""
    observatory = Observatory(demo_universe())
    means = {
        isinstance(headers(observatory, holding)[0]["SCORMEAN"], float)
        for instrument in Instrument
        for holding in holdings(observatory, instrument, ImageType.DIFF)
    }
    assert means == {True, False}


def test_a_rerun_has_a_later_date(observatory: Observatory) -> None:
    """What was made anew says when, and nothing else in its header tells that it was."""
    (first, *_) = holdings(observatory, Instrument.WINTER, ImageType.STACK)
    before = headers(observatory, first)[0]
    observatory.rerun(first.product)
    after = headers(observatory, first)[0]
    assert {key for key in before if before[key] != after[key]} == {"DATE"}
    assert before["DATE"] < after["DATE"]


def test_spring_has_its_own_ways(observatory: Observatory) -> None:
    """SPRING has no boards, an ISO DATE-OBS from the start, and filters without a number."""
    numbers = {}
    for holding in holdings(observatory, Instrument.SPRING, ImageType.RAW):
        (header,) = headers(observatory, holding)
        assert not BOARD & set(header)
        assert "/loaded_raw/" in header["SAVEPATH"]
        assert header["RAWID"] == int((header["MJD-OBS"] - 59000.0) * 86400.0)
        assert header["STACKID"] <= header["RAWID"]
        assert header["GAIN"] == 4
        numbers[header["FILTERID"]] = header["FID"]
    known = {"u": 5, "g": 99, "r": 99, "i": 99, "Y": 1, "J": 2}
    assert numbers.items() <= known.items()
    assert len(numbers) > 1
    for holding in holdings(observatory, Instrument.SPRING, ImageType.EXPOSURE):
        observed = datetime.fromisoformat(headers(observatory, holding)[0]["DATE-OBS"])
        assert observed.replace(tzinfo=UTC) == holding.dither.start


values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**15), 10**15),
    st.floats(allow_nan=False, allow_infinity=False, width=64),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=300).map(str.rstrip),
)
keywords = st.from_regex(r"[A-Z][A-Z0-9_]{1,13}", fullmatch=True)


@given(cards=st.dictionaries(keywords, st.tuples(values, st.just("a comment")), max_size=12))
def test_astropy_reads_every_card_as_it_was_meant(cards: dict[str, tuple[Any, str]]) -> None:
    """Any text, number or truth value is read back, in blocks of 2880 bytes."""
    # An ampersand at the end of a text means that another card continues it; and a quote before
    # a slash is what astropy does not read back even from its own cards.
    odd = re.compile(r"&$|' */")
    cards = {key: card for key, card in cards.items() if not odd.search(str(card[0]))}
    reserved = {"END", "SIMPLE", "BITPIX", "NAXIS", "CONTINUE", "COMMENT", "HISTORY", "HIERARCH"}
    cards = {key: card for key, card in cards.items() if key not in reserved}
    first = {"SIMPLE": (True, ""), "BITPIX": (8, ""), "NAXIS": (0, "")}
    content = header_bytes({**first, **cards})
    assert len(content) % 2880 == 0
    with warnings.catch_warnings(action="error"), fits.open(io.BytesIO(content)) as hdus:
        hdus.verify("exception")
        header = hdus[0].header
        for key, (value, _) in cards.items():
            if value is None:
                assert header[key] is None
            elif isinstance(value, float):
                assert header[key] == pytest.approx(value, rel=1e-12)
            else:
                assert header[key] == value
                assert type(header[key]) is type(value)
