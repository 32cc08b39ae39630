"""What `simulate` shows without options: the notebooks' programs, and the nights before now."""

from __future__ import annotations

import io
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from winter_sync.core.products import NO_SURVEY_FIELD, Night
from winter_sync.core.traits import ImageType, Instrument
from winter_sync.simulator import Observatory, SimulatorOptions
from winter_sync.simulator.http.requests import separation
from winter_sync.simulator.observatory.observatory import settled
from winter_sync.simulator.observatory.universe import DEFAULT_NIGHTS, DEFAULT_SEED
from winter_sync.simulator.sky.ephemeris import altitude, sun_altitude

if TYPE_CHECKING:
    from collections.abc import Iterable

NOW = datetime(2026, 11, 25, 20, 0, tzinfo=UTC)
PROGRAM, RECENT, DOWNLOADED = "2024A000", "2025B001", "2023A002"
TARGET = "ZTF24aaahxwr"
STARTS = [
    *("15:05:12.022", "15:07:18.828", "15:09:27.282", "15:11:33.850"),
    *("15:13:39.990", "15:15:46.646", "15:17:53.285", "15:20:00.358"),
]

Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def observatory() -> Observatory:
    """Return what `simulate` serves without options, at a known time."""
    return SimulatorOptions(start=NOW).observatory()


def rows(observatory: Observatory, program: str, image_type: str) -> Rows:
    """Return the rows of a program between the dates of the notebook, 20240101 and 20240301."""
    listed = [
        observatory.row(entry, program)
        for entry in observatory.entries(program, Instrument.WINTER, ImageType(image_type))
    ]
    return [row for row in listed if "2024-01-01" <= str(row["nightdate"]) <= "2024-03-01"]


def of_target(observatory: Observatory, image_type: str) -> Rows:
    """Return the rows of the notebook's target."""
    return [row for row in rows(observatory, PROGRAM, image_type) if row["targname"] == TARGET]


def times(listed: Iterable[dict[str, Any]]) -> list[str]:
    """Return the listed times of rows of 2024-02-25."""
    texts = [str(row["utctime"]) for row in listed]
    assert all(text.startswith("2024-02-25T") for text in texts)
    return [text[11:23] for text in texts]


def test_the_program_has_166_exposures(observatory: Observatory) -> None:
    """From 2024-02-12, night 20240211, to 2024-02-25, night 20240224; the first as listed."""
    listed = rows(observatory, PROGRAM, "exposure")
    assert len(listed) == 166
    first, second, *_, last = listed
    assert first["targname"] == "ZTF24aaecooj"
    assert first["utctime"] == "2024-02-12T12:52:16.785000+00:00"
    assert (round(first["ra"], 2), round(first["dec"], 2)) == (146.02, -4.2)
    gap = datetime.fromisoformat(second["utctime"]) - datetime.fromisoformat(first["utctime"])
    assert abs(gap - timedelta(minutes=2, seconds=7)) < timedelta(seconds=1)
    assert first["savepath"].startswith("/data/loki/raw_data/winter/20240211/raw/WINTERcamera_")
    assert (last["nightdate"], last["targname"]) == ("2024-02-25", TARGET)
    assert {row["nightdate"] for row in listed} >= {"2024-02-12", "2024-02-25"}
    assert min(row["nightdate"] for row in listed) == "2024-02-12"
    assert max(row["nightdate"] for row in listed) == "2024-02-25"


def test_the_target_has_8_exposures(observatory: Observatory) -> None:
    """By its name, and by the default cone around it."""
    listed = of_target(observatory, "exposure")
    assert times(listed) == STARTS
    assert {row["fid"] for row in listed} == {2}
    for row in listed:
        assert separation((row["ra"], row["dec"]), (150.9593, 17.8258)) < 0.005
        assert "/winter/20240224/raw/WINTERcamera_20240225-07" in row["savepath"]
    around = [
        row
        for row in rows(observatory, PROGRAM, "exposure")
        if separation((row["ra"], row["dec"]), (150.959309, 17.825813)) <= 1
    ]
    assert around == listed


def test_the_rectangle_has_one_stack(observatory: Observatory) -> None:
    """RA 146 to 147 and Dec -5 to -4 hold the first target's stack alone."""
    inside = [
        row
        for row in rows(observatory, PROGRAM, "stack")
        if 146 <= row["ra"] <= 147 and -5 <= row["dec"] <= -4
    ]
    (row,) = inside
    assert (row["targname"], row["ra"], row["dec"]) == ("ZTF24aaecooj", 146.3724, -4.437986)
    assert row["utctime"] == "2024-02-12T12:52:16.785000+00:00"
    assert row["savepath"].startswith("/data/loki/data/winter/20240211/final/")


def test_the_target_has_10_raw_images(observatory: Observatory) -> None:
    """One board of the first exposure, four of the fifth and five of the sixth, at its pointing."""
    listed = of_target(observatory, "raw")
    assert Counter(times(listed)) == {STARTS[0]: 1, STARTS[4]: 4, STARTS[5]: 5}
    pointings = {
        row["utctime"]: (row["ra"], row["dec"]) for row in of_target(observatory, "exposure")
    }
    assert all((row["ra"], row["dec"]) == pointings[row["utctime"]] for row in listed)


def test_the_target_has_4_science_images(observatory: Observatory) -> None:
    """Of the last four exposures, in `astrostats` under temporary names."""
    listed = of_target(observatory, "science")
    assert times(listed) == STARTS[4:]
    assert all("/winter/20240224/astrostats/temp_" in row["savepath"] for row in listed)


@pytest.mark.parametrize(
    ("image_type", "directory"), [("stack", "final"), ("diff", "diffs"), ("avro", "avro")]
)
def test_the_target_has_one_of_each_combined_product(
    observatory: Observatory, image_type: str, directory: str
) -> None:
    """Named after the fifth exposure, at the stack's own centre."""
    (row,) = of_target(observatory, image_type)
    assert (row["ra"], row["dec"]) == (151.28848, 17.529896)
    assert times([row]) == [STARTS[4]]
    assert f"/winter/20240224/{directory}/WINTERcamera_20240225-071339-990_mef_" in row["savepath"]


def test_rows_of_the_notebook_have_no_field_and_no_marks(observatory: Observatory) -> None:
    """All of them, of every type."""
    for image_type in ImageType:
        for row in rows(observatory, PROGRAM, image_type):
            assert row["fieldid"] == NO_SURVEY_FIELD
            assert row["lastmodified"] is row["pipeversion"] is None
            assert row["targname"] is not None


def test_the_notebooks_sky_was_dark_and_its_targets_up(observatory: Observatory) -> None:
    """What is chosen is as plausible as what is known."""
    for entry in observatory.entries(PROGRAM, image_type=ImageType.EXPOSURE):
        start, visit = entry.holding.dither.start, entry.holding.visit
        assert sun_altitude(start) < -12
        assert altitude(start, *visit.source or ()) > 30


def test_the_second_notebook_finds_its_five_stacks(observatory: Observatory) -> None:
    """The stacks of 2023A002 are those that it downloads, in their order and places."""
    listed = rows(observatory, DOWNLOADED, "stack")
    directory = "/data/loki/data/winter/20240129/final"
    assert [row["savepath"] for row in listed] == [
        f"{directory}/WINTERcamera_20240130-061425-616_mef_{board}_0_0_stack.fits"
        for board in (1, 5, 3, 2, 4)
    ]
    places = [
        *((184.72127, 49.994120), (184.79090, 49.371407), (185.22182, 49.978348)),
        *((185.78201, 49.376770), (185.82114, 49.970936)),
    ]
    for row, place in zip(listed, places, strict=True):
        assert separation((row["ra"], row["dec"]), place) < 0.0003
        assert (row["targname"], row["fid"]) == (None, 2)
        assert row["utctime"] == "2024-01-30T14:14:25.616000+00:00"


def test_the_program_has_nothing_else(observatory: Observatory) -> None:
    """Whoever asks until today finds what the notebook found."""
    nights = {entry.product.night.name for entry in observatory.entries(PROGRAM)}
    assert min(nights) == "20240211"
    assert max(nights) == "20240224"


@given(now=st.datetimes(datetime(2025, 9, 1), datetime(2040, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - with timezones
def test_recent_nights_end_with_the_last_one(now: datetime) -> None:
    """Whatever the time, the three nights before it are there, and its clock shows it."""
    observatory = SimulatorOptions(start=now, rate=0.0).observatory()
    assert observatory.clock.now() == now
    last = Night.at(now).plus(-1)
    listed = observatory.entries(RECENT)
    assert {entry.product.night for entry in listed} == {last.plus(-2), last.plus(-1), last}
    assert all(entry.holding.listed_at <= now for entry in listed)


def test_recent_nights_have_both_cameras(observatory: Observatory) -> None:
    """WINTER has all types; SPRING those that its pipeline has tables of."""
    types = {
        instrument: {entry.product.image_type for entry in observatory.entries(RECENT, instrument)}
        for instrument in Instrument
    }
    assert types[Instrument.WINTER] == set(ImageType)
    assert types[Instrument.SPRING] == {ImageType.RAW, ImageType.STACK, ImageType.DIFF}


def test_some_exposures_have_three_boards(observatory: Observatory) -> None:
    """Those of one visit in the recent nights; every other has NEXTEND, and all raws agree."""
    short = defaultdict(list)
    for entry in observatory.entries(RECENT, Instrument.WINTER, ImageType.EXPOSURE):
        content = observatory.content(*entry.product.identity)
        with fits.open(io.BytesIO(content)) as hdus:
            boards = [hdu.header["BOARD_ID"] for hdu in hdus[1:]]
            if len(boards) < 6:
                short[entry.holding.visit].append(hdus[0].header.get("NEXTEND"))
                assert boards == [1, 2, 3]
        raws = observatory.entries(RECENT, Instrument.WINTER, ImageType.RAW)
        unpacked = [raw.holding.board for raw in raws if raw.holding.dither == entry.holding.dither]
        assert unpacked == boards
    ((visit, counts),) = short.items()
    assert counts == [None, 3, None, 3]
    assert set(visit.boards) <= {1, 2, 3}


def test_most_science_images_are_listed_and_gone(observatory: Observatory) -> None:
    """The pipeline deletes them as a rule; some are there."""
    listed = observatory.entries(image_type=ImageType.SCIENCE)
    gone = sum(entry.gone(NOW) for entry in listed)
    assert 0.8 * len(listed) < gone < len(listed)
    others = (entry for entry in observatory.entries() if entry not in listed)
    assert not any(entry.gone(NOW) for entry in others)


def test_credentials_are_those_of_every_simulator(observatory: Observatory) -> None:
    """The known programs come first, under their known keys."""
    names = [record.name for record in observatory.accounts.programs]
    assert names == [PROGRAM, RECENT, DOWNLOADED]
    usual = {record.name: record.api_key for record in Observatory().accounts.programs}
    found = {record.name: record.api_key for record in observatory.accounts.programs}
    assert usual.items() <= found.items()


def test_the_seed_leaves_the_notebook_as_it_is(observatory: Observatory) -> None:
    """Another seed changes recent nights and contents, and no row of the notebook."""
    other = SimulatorOptions(start=NOW, seed=DEFAULT_SEED + 1).observatory()
    for image_type in ImageType:
        assert rows(other, PROGRAM, image_type) == rows(observatory, PROGRAM, image_type)
    recent = [
        {entry.product.savepath for entry in sky.entries(RECENT)} for sky in (observatory, other)
    ]
    assert not recent[0] & recent[1]


def test_options_that_choose_nights_choose_them_all() -> None:
    """With nights, or a number of products, there is neither the notebook nor a recent night."""
    chosen = SimulatorOptions(nights=(Night("20251023"),)).observatory()
    assert {entry.product.night.name for entry in chosen.entries()} == {"20251023"}
    filled = SimulatorOptions(products_a_night=20, start=settled(DEFAULT_NIGHTS)).observatory()
    counts = Counter(entry.product.night for entry in filled.entries())
    assert counts == dict.fromkeys(DEFAULT_NIGHTS, 20)
